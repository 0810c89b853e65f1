"""Writing reduced frames by several ranks: each writes its share, the file appears when all are done."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.emc import dense_frames, frame_store
from fxs_hpc.files.emc.frame_block import FrameBlock
from fxs_hpc.files.emc.reduced import is_store
from fxs_hpc.parallel.communicator import Communicator, first
from fxs_hpc.parallel.partition import block

Frames = Callable[[int, int], Iterable[FrameBlock]]
"""The reduced frames first .. stop - 1, some at a time."""


@dataclass(frozen=True)
class ReducedFiles:
    """Where reduced frames go, and their size.

    Attributes
    ----------
    photons, background : Path
        mpi_datafile, mpi_bgfile; a store (`.h5`) holds both.
    count, pixels, bins : int
    order : str
        `frame_store.pixel_order` of the detector.
    """

    photons: Path
    background: Path
    count: int
    pixels: int
    bins: int
    order: str

    @property
    def dense_bytes(self) -> int:
        """Size of the dense files of the reference program."""
        return self.count * (self.pixels * dense_frames.PHOTONS.itemsize + self.bins * dense_frames.BACKGROUND.itemsize)

    def written_bytes(self) -> int:
        """Size of the files as they are."""
        return self.photons.stat().st_size + (0 if is_store(self.photons) else self.background.stat().st_size)


def write_frames(ranks: Communicator, target: ReducedFiles, frames: Frames) -> None:
    """Write all frames; every rank calls this, and `frames` is asked for the share of each."""
    if is_store(target.photons):
        _write_store(ranks, target, frames)
    else:
        _write_dense(ranks, target, frames)
    ranks.barrier()


def _write_store(ranks: Communicator, target: ReducedFiles, frames: Frames) -> None:
    size = frame_store.block_size(target.pixels)
    blocks = -(-target.count // size)
    begin, end = (min(size * edge, target.count) for edge in block(blocks, ranks.rank, ranks.size))
    if ranks.size == 1:
        frame_store.write_store(target.photons, frames(begin, end), target.pixels, target.bins, target.order)
        return
    part = _part(target.photons, ranks.rank)
    try:
        if begin < end:
            frame_store.write_store(part, frames(begin, end), target.pixels, target.bins, target.order)
        written = [_part(target.photons, rank) for rank, filled in enumerate(ranks.all_gather(begin < end)) if filled]
        first(ranks, lambda: frame_store.join_stores(target.photons, written))
    finally:
        part.unlink(missing_ok=True)


def _write_dense(ranks: Communicator, target: ReducedFiles, frames: Frames) -> None:
    begin, end = block(target.count, ranks.rank, ranks.size)
    with _together(ranks, target.photons) as photons, _together(ranks, target.background) as background:
        dense_frames.write_part(photons, background, begin, target.pixels, target.bins, frames(begin, end))


def _part(path: Path, rank: int) -> Path:
    return path.with_name(f".{path.stem}.part-{rank}{path.suffix}")


@contextmanager
def _together(ranks: Communicator, path: Path) -> Iterator[Path]:
    """`replacing` for several ranks: rank 0 makes the temporary file, and gives it its name when all have written."""
    if ranks.rank:
        temporary: Path | None = None
        yield ranks.broadcast(temporary)  # type: ignore[misc]
        ranks.barrier()
        return
    with replacing(path) as temporary:
        temporary.touch()
        yield ranks.broadcast(temporary)
        ranks.barrier()
