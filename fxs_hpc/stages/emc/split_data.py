"""`split-data`: two independent halves of the reduced frames, each with a config of its own, to estimate the resolution.

Half A takes the reduced frames 0, 2, 4, ..., half B 1, 3, 5, ... Every stage after this one runs for a half when it is given its config:
`fxs-hpc emc low-res-emc config-A.ini 20`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fxs_hpc.config.emc.background import Background
from fxs_hpc.config.emc.halves import HALVES, KEYS, half_config, half_config_name, half_path
from fxs_hpc.config.emc.local import LocalUpdate
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.errors import InputFileError, UsageError
from fxs_hpc.files.atomic import write_text
from fxs_hpc.files.emc import candidates as candidate_files
from fxs_hpc.files.emc import frame_store
from fxs_hpc.files.emc.frame_block import FrameBlock
from fxs_hpc.files.emc.reduced import ReducedFrames, open_reduced
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.reduce_data import pixel_index
from fxs_hpc.stages.emc.reduced_output import ReducedFiles, write_frames

SECTIONS = (Reduction, Reconstruction, LocalUpdate)


def run(context: Context) -> None:
    """Write data, candidates, numbers and config of both halves."""
    config = context.config.run.path
    if config is None or config.stem[-2:] in ("-A", "-B"):
        raise UsageError(f"{config}: is the config of a half already; give that of all frames")
    keys, bins = context.config.section(Reduction), context.config.section(Background).qlen
    index = first(context.ranks, lambda: pixel_index(context))
    photons, background = context.config.path(keys.mpi_datafile), context.config.path(keys.mpi_bgfile)
    order = frame_store.pixel_order(index)
    frames = open_reduced(photons, background, len(index), bins, order)
    for offset, half in enumerate(HALVES):
        count = len(range(offset, frames.count, 2))
        target = ReducedFiles(half_path(photons, half), half_path(background, half), count, len(index), bins, order)
        write_frames(context.ranks, target, _Half(frames, offset, _numbers(context)))
        context.say(f"half {half}: {count} frames in {target.photons}")
    first(context.ranks, lambda: _write_lists(context, config))


def plan(context: Context) -> Plan:
    """Disk: the reduced frames once more."""
    photons = context.config.path(context.config.section(Reduction).mpi_datafile)
    if not photons.exists():
        raise InputFileError(f"{photons} is missing: run reduce-data")
    return Plan(memory=10**8, disk=photons.stat().st_size, lines=("every second frame to half A, the others to half B",))


class _Half:
    """Reads the frames of a half, some at a time."""

    def __init__(self, frames: ReducedFrames, offset: int, numbers: list[int]) -> None:
        self._frames, self._offset, self._numbers = frames, offset, numbers

    def __call__(self, begin: int, end: int) -> Iterator[FrameBlock]:
        size = frame_store.block_size(self._frames.pixels)
        for start in range(begin, end, size):
            low, high = 2 * start + self._offset, 2 * min(start + size, end) + self._offset - 1
            photons, background = self._frames.read_photons(low, high), self._frames.read_background(low, high)
            yield FrameBlock(photons[::2], background[::2], np.array(self._numbers[low:high:2], np.int64))


def _numbers(context: Context) -> list[int]:
    """Raw number of each reduced frame."""
    path = context.config.path(context.config.section(Reduction).reduced_data_id_file)
    try:
        count, *numbers = map(int, path.read_text().split())
    except FileNotFoundError:
        raise InputFileError(f"{path} is missing: run reduce-data") from None
    except ValueError:
        count, numbers = -1, []
    if count != len(numbers):
        raise InputFileError(f"{path}: expected the number of frames and then the raw number of each; run reduce-data again")
    return numbers


def _write_lists(context: Context, config: Path) -> None:
    keys = context.config.section(Reduction)
    found = candidate_files.read(context.config.path(keys.prob_orien_file))
    numbers = _numbers(context)
    for offset, half in enumerate(HALVES):
        chosen = range(offset, len(numbers), 2)
        write_text(
            half_path(context.config.path(keys.reduced_data_id_file), half),
            "".join(f"{line}\n" for line in (len(chosen), *(numbers[frame] for frame in chosen))),
        )
        candidates = Candidates.of_lists([found[frame] for frame in chosen])
        candidate_files.write(half_path(context.config.path(keys.prob_orien_file), half), candidates)
        name = config.with_name(half_config_name(config.name, half))
        write_text(name, half_config(config.read_text(encoding="utf-8"), half, _paths(context)))
        context.say(f"half {half}: run the next stages with {name}")


def _paths(context: Context) -> dict[str, Path]:
    values = {name: getattr(context.config.section(model), name) for model in SECTIONS for name in model.model_fields if name in KEYS}
    return {name: Path(value) for name, value in values.items() if value is not None}
