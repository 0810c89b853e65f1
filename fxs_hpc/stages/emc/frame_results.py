"""Writing what was found in each frame: three small files, many thousand times.

Every file appears whole or not at all, whatever happens to the process. To wait for the disk after each would take longer than the
analysis, so `settle` asks once for all of them, before the table of frames, which is the mark that they are complete, is written.
"""

import os

from fxs_hpc.emc.peak_search import FrameBackground
from fxs_hpc.files.emc import outliers, peaks, radial_background
from fxs_hpc.files.emc.file_lists import FileLists
from fxs_hpc.parallel.communicator import Communicator


def write(lists: FileLists, number: int, found: FrameBackground) -> None:
    """Write radial background, outliers and peaks of raw frame `number`."""
    _put(lists.radial[number], radial_background.content(found.radial))
    _put(lists.outlier[number], outliers.text(found.pixel, found.count).encode())
    _put(lists.peak[number], peaks.text(found.peaks).encode())


def settle(ranks: Communicator) -> None:
    """Wait until all that was written is on disk."""
    if ranks.node_rank == 0:
        os.sync()
    ranks.barrier()


def _put(path: str, content: bytes) -> None:
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    os.replace(temporary, path)
