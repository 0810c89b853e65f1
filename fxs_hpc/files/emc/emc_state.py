"""state.h5 in iter_flag-N: the state after a flag with all its digits, from which a run goes on bit by bit.

Fields
------
keys : attribute, JSON of what the run depends on (settings, lattice, hashes of the data)
history : attribute, JSON lines as in history.jsonl
since, turned : attributes, state of the candidates that were given up
intensity f8[voxels], phi, start_phi f8[frames] (now, at the start of the run), best i4[frames] (most probable rotation, -1 = none)
active u1[...] : packed bits, the evaluations still made; none = all
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.convergence import FlagRecord
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing

NAME = "state.h5"
ARRAYS = ("intensity", "phi", "start_phi", "best", "active")


@dataclass(frozen=True)
class EmcState:
    """The state after a flag; see the module."""

    keys: Mapping[str, Any]
    history: Sequence[FlagRecord]
    intensity: NDArray[np.float64]
    phi: NDArray[np.float64]
    start_phi: NDArray[np.float64]
    best: NDArray[np.int32]
    active: NDArray[np.uint8]
    since: int
    turned: float


def write(path: Path, state: EmcState) -> None:
    """Write the state."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["keys"] = json.dumps(state.keys)
        file.attrs["history"] = json.dumps([asdict(record) for record in state.history])
        file.attrs["since"], file.attrs["turned"] = state.since, state.turned
        for name in ARRAYS:
            file[name] = getattr(state, name)


def keys(path: Path) -> Mapping[str, Any]:
    """What the run of a state depends on; nothing where the file is missing or no state of this version."""
    try:
        with h5py.File(path) as file:
            found: Mapping[str, Any] = json.loads(file.attrs["keys"])
            return found
    except (OSError, KeyError, ValueError, TypeError):
        return {}


def read(path: Path) -> EmcState:
    """Read a state.

    Raises
    ------
    InputFileError
        The file is missing, damaged, or of another version.
    """
    try:
        with h5py.File(path) as file:
            history = tuple(FlagRecord(**record) for record in json.loads(file.attrs["history"]))
            intensity, phi, start_phi, best, active = (file[name][()] for name in ARRAYS)
            since, turned = int(file.attrs["since"]), float(file.attrs["turned"])
            return EmcState(json.loads(file.attrs["keys"]), history, intensity, phi, start_phi, best, active, since, turned)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputFileError(
            f"{path}: is no state of this version ({error}); to go on from its flag all the same, set start_phi_file and start_intens_file "
            "to total-phi.dat and finish_intensity.bin of that flag, and start anew"
        ) from error
