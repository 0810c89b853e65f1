"""`make-filelists`: which raw frames there are, in which order, and where their results go."""

import os
from pathlib import Path

from fxs_hpc.config.emc.background import Frames
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import file_lists
from fxs_hpc.files.emc.file_lists import FileLists
from fxs_hpc.files.frames import open_frames
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context


def run(context: Context, frames: str | None = None) -> None:
    """Write the lists of make-background/ and make the folders of the results.

    Parameters
    ----------
    frames : str, optional
        A pattern, a list file or an HDF5 file, relative to the current directory; without it the key `frames` of config.ini.
    """
    lists = first(context.ranks, lambda: written(inputs.alone(context), frames))
    context.say(f"{len(lists)} frames, from {lists.frames[0]} to {lists.frames[-1]}")
    for folder in lists.folders():
        context.say(f"  results go to {folder}")


def written(context: Context, frames: str | None = None) -> FileLists:
    """Make lists, write them, make the folders."""
    keys = context.config.section(Frames)
    spec = os.path.abspath(frames) if frames else keys.frames
    if spec is None:
        raise InputFileError(
            f'{context.config.run.path}: which frames? Run `fxs-hpc emc make-filelists "PATTERN"`, or give '
            "`frames = ` a pattern, a list file or an HDF5 file"
        )
    source = open_frames(Path(spec).expanduser(), context.home, inputs.frame_dataset(context))
    lists = file_lists.named(source.names, context.home / "Data")
    file_lists.write(context.home / "make-background", lists)
    for folder in lists.folders():
        folder.mkdir(parents=True, exist_ok=True)
    return lists


def current(context: Context) -> FileLists:
    """The lists that hold now, made from the key `frames` where they are missing or that means other frames; on every rank."""

    def ensure() -> None:
        keys = context.config.section(Frames)
        folder = context.home / "make-background"
        if keys.frames is not None:
            meant = open_frames(Path(keys.frames).expanduser(), context.home, inputs.frame_dataset(context)).names
            if not file_lists.exist(folder) or file_lists.read(folder, context.home).frames != meant:
                written(inputs.alone(context))

    first(context.ranks, ensure)
    return inputs.lists(context)
