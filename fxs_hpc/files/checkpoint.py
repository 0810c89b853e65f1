"""checkpoint_<id>.h5: the state of one reconstruction, from which it continues bit by bit.

Fields
------
fingerprint : attribute, hash of everything the result depends on
progress : attribute, JSON of position, best_error, best_step, block_start, comparable_from
errors/<metric> : (n_steps,) f8; particles/<series> f8, see `fluctuation.phasing.Progress`
last/density, best/density : in the engine's layout, (parts, 2, n_theta/2, n_phi, shells) f4 or f8, in the plane (n_phi, shells), real or
    complex; last/support, best/support bits, and attributes: how many shells there are, and how many are filled
last/frozen : the intensity that is kept, if there is one
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from fxs_hpc.engine.interface import Snapshot
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.fluctuation.phasing import Progress

CHECKPOINTS = "checkpoint_*.h5"
"""Pattern of the checkpoints in a run folder."""

_WHICH = ("last", "best")


@dataclass(frozen=True)
class Checkpoint:
    """State of one reconstruction; `fingerprint` tells which run it belongs to."""

    fingerprint: str
    progress: Progress
    snapshots: tuple[Snapshot, ...]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write or replace a checkpoint; a kill at any moment leaves the previous one."""
    progress = checkpoint.progress
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["fingerprint"] = checkpoint.fingerprint
        file.attrs["progress"] = json.dumps(
            [progress.position, progress.best_error, progress.best_step, progress.block_start, progress.comparable_from]
        )
        for group_name, series in (("errors", progress.errors), ("particles", progress.particles)):
            for name, values in series.items():
                file[f"{group_name}/{name}"] = np.asarray(values, float)
        for which, snapshot in zip(_WHICH, checkpoint.snapshots, strict=True):
            group = file.create_group(which)
            # Only the filled shells are worth their bytes: the others are zero.
            group["density"] = snapshot.density[..., : snapshot.filled_shells]
            group["support"] = np.packbits(snapshot.support, axis=-1)
            group.attrs["shells"] = snapshot.support.shape[-1]
            group.attrs["filled_shells"] = snapshot.filled_shells
            if snapshot.frozen is not None:
                group["frozen"] = snapshot.frozen


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    InputFileError
        The file is not a checkpoint.
    """
    try:
        with h5py.File(path) as file:
            position, best_error, *counts = json.loads(file.attrs["progress"])
            best_error = best_error if best_error is not None else math.inf
            progress = Progress(position, _series(file["errors"]), best_error, *counts)
            if "particles" in file:
                progress.particles = _series(file["particles"])
            snapshots = tuple(_snapshot(file[which]) for which in _WHICH)
            return Checkpoint(str(file.attrs["fingerprint"]), progress, snapshots)
    except (OSError, KeyError, ValueError) as error:
        raise InputFileError(f"{path}: is no checkpoint of this version ({error}); delete it to start this reconstruction anew") from error


def _series(group: h5py.Group) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    group.visititems(lambda name, item: found.update({name: list(item[()])}) if isinstance(item, h5py.Dataset) else None)
    return found


def read_standing(path: Path) -> tuple[int, float]:
    """Position in the schedule and smallest error so far, without the arrays.

    Raises
    ------
    InputFileError
        The file is not a checkpoint.
    """
    try:
        with h5py.File(path) as file:
            position, best_error, *_ = json.loads(file.attrs["progress"])
            return position, best_error if best_error is not None else math.inf
    except (OSError, KeyError, ValueError) as error:
        raise InputFileError(f"{path}: is no checkpoint of this version ({error})") from error


def _snapshot(group: h5py.Group) -> Snapshot:
    shells, filled = (int(group.attrs[name]) for name in ("shells", "filled_shells"))
    support = np.unpackbits(group["support"][()], axis=-1, count=shells)
    stored = group["density"][()]
    density = np.zeros((*stored.shape[:-1], shells), stored.dtype)
    density[..., :filled] = stored
    return Snapshot(density, support, filled, group["frozen"][()] if "frozen" in group else None)
