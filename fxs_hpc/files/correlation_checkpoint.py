"""checkpoint_<rank>.h5: what one rank of `correlate` has summed, and over which patterns.

The sums of several files add up, as long as no pattern is in two of them.

Fields
------
fingerprint : attribute, hash of everything the sums depend on
sums/<name> : the arrays of `fxs_hpc.fluctuation.pattern_sums.Sums` that exist, and the number `regular`
frames/state (n,) i1, frames/roi_mean (n,) f8, frames/rings (n, n_q) f8 : its table of patterns
"""

from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.fluctuation.pattern_sums import FrameTable, Sums

_ARRAYS = tuple(item.name for item in fields(Sums) if item.name not in ("frames", "regular"))


def path_of(folder: Path, rank: int) -> Path:
    """Checkpoint of a rank."""
    return folder / f"checkpoint_{rank}.h5"


def rank_of(path: Path) -> int:
    """The rank that wrote a checkpoint."""
    return int(path.stem.removeprefix("checkpoint_"))


def write_sums(path: Path, sums: Sums, fingerprint: str) -> None:
    """Write or replace a checkpoint; a kill at any moment leaves the previous one."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["fingerprint"] = fingerprint
        for name in _ARRAYS:
            if getattr(sums, name) is not None:
                file[f"sums/{name}"] = getattr(sums, name)
        file["sums/regular"] = sums.regular
        for item in fields(FrameTable):
            if getattr(sums.frames, item.name) is not None:
                file[f"frames/{item.name}"] = getattr(sums.frames, item.name)


def read_sums(path: Path) -> Sums:
    """Read a checkpoint.

    Raises
    ------
    InputFileError
        The file is not a checkpoint.
    """
    try:
        with h5py.File(path) as file:
            arrays = {name: file[f"sums/{name}"][()] for name in _ARRAYS if f"sums/{name}" in file}
            table = FrameTable(**{name: item[()] for name, item in file["frames"].items()})
            return Sums(**arrays, regular=int(file["sums/regular"][()]), frames=table)
    except (OSError, KeyError, TypeError) as error:
        raise _refused(path, error) from error


def looked_at(path: Path) -> tuple[str, NDArray[np.bool_]]:
    """Fingerprint of a checkpoint, and which patterns are in it."""
    try:
        with h5py.File(path) as file:
            return str(file.attrs["fingerprint"]), file["frames/state"][()] >= 0
    except (OSError, KeyError) as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: Exception) -> InputFileError:
    return InputFileError(f"{path}: is no checkpoint of this version ({error}); delete it to correlate its patterns again")
