"""`convert-data`: the reduced frames in the other form, for programs that read the dense files, or from those that write them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fxs_hpc.config.emc.background import Background
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.errors import UsageError
from fxs_hpc.files.emc import frame_store
from fxs_hpc.files.emc.frame_block import FrameBlock
from fxs_hpc.files.emc.reduced import ReducedFrames, is_store, open_reduced
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.reduce_data import pixel_index, report
from fxs_hpc.stages.emc.reduced_output import ReducedFiles, write_frames


def run(context: Context, target: Path, background: Path | None = None) -> None:
    """Write the reduced frames once more.

    Parameters
    ----------
    target : Path
        Photons: a store if the name ends in `.h5`, else dense int16.
    background : Path, optional
        Backgrounds of a dense target; by default mpi-bg_model.bin beside it.
    """
    keys, index = context.config.section(Reduction), first(context.ranks, lambda: pixel_index(context))
    source = context.config.path(keys.mpi_datafile)
    if target.resolve() == source.resolve():
        raise UsageError(f"{target}: is the file that is read (mpi_datafile); give another name")
    order, bins = frame_store.pixel_order(index), context.config.section(Background).qlen
    frames = open_reduced(source, context.config.path(keys.mpi_bgfile), len(index), bins, order)
    radial = background or (target.with_name("mpi-bg_model.bin"))
    files = ReducedFiles(target, radial, frames.count, len(index), bins, order)
    raw_id = first(context.ranks, lambda: _raw_numbers(context.config.path(keys.reduced_data_id_file), frames.count))
    write_frames(context.ranks, files, lambda begin, end: _blocks(frames, raw_id, begin, end))
    if context.ranks.rank == 0:
        report(context, files)
        _say_what_is_read(context, files)


def _blocks(frames: ReducedFrames, raw_id: np.ndarray, begin: int, end: int) -> Iterator[FrameBlock]:
    size = frame_store.block_size(frames.pixels)
    for start in range(begin, end, size):
        stop = min(start + size, end)
        yield FrameBlock(frames.read_photons(start, stop), frames.read_background(start, stop), raw_id[start:stop])


def _raw_numbers(path: Path, count: int) -> np.ndarray:
    """Raw number of each frame; -1 where the file is not there."""
    if not path.exists():
        return np.full(count, -1, np.int64)
    return np.array(path.read_text().split()[1 : count + 1], np.int64)


def _say_what_is_read(context: Context, files: ReducedFiles) -> None:
    context.say("config.ini still names the other file; to use this one:")
    context.say(f"  mpi_datafile = {files.photons}")
    if not is_store(files.photons):
        context.say(f"  mpi_bgfile = {files.background}")
