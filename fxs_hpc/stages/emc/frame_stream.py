"""Frames of one rank, read in blocks: the next block comes from disk while the present one is computed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.raster_photons import in_raster_order
from fxs_hpc.files.emc.reduced import ReducedFrames

Block = tuple[int, int, NDArray[np.int16]]
"""First and stop frame, and their photons int16[n, pixels] in raster order."""


class FrameStream:
    """Blocks of frames, again and again.

    Parameters
    ----------
    source : ReducedFrames
    order : int32[pixels]
        Number, in the order of the source, of each pixel of the raster order.
    edges : int64[blocks + 1]
        Frames of the blocks. A single block is read once and kept.
    """

    def __init__(self, source: ReducedFrames, order: NDArray[np.int32], edges: NDArray[np.int64]) -> None:
        self._source, self._order = source, order
        self._ranges = list(zip(edges[:-1].tolist(), edges[1:].tolist()))
        self._kept: Block | None = None

    def __iter__(self) -> Iterator[Block]:
        if not self._ranges:
            return
        if len(self._ranges) == 1:
            self._kept = self._kept or self._read(self._ranges[0])
            yield self._kept
            return
        with ThreadPoolExecutor(1) as reader:
            waiting = [reader.submit(self._read, part) for part in self._ranges[:1]]
            for part in [*self._ranges[1:], None]:
                block = waiting.pop().result()
                if part is not None:
                    waiting.append(reader.submit(self._read, part))
                yield block

    def _read(self, part: tuple[int, int]) -> Block:
        first, stop = part
        return first, stop, in_raster_order(self._source.read_photons(first, stop, len(self._order)), self._order)


def stream_edges(blocks: NDArray[np.int64], parts: int | None, frame_bytes: int, memory: float) -> NDArray[np.int64]:
    """Frames of the blocks that are read together: runs of whole work blocks.

    Parameters
    ----------
    blocks : int64[n + 1]
        Frames of the work blocks of a rank.
    parts : int or None
        Number of parts; None = as many as keep two of them within `memory`, and one if all fits.
    frame_bytes : int
        Bytes of one frame in memory.
    memory : float
        Bytes allowed.
    """
    frames = int(blocks[-1] - blocks[0])
    if parts is None:
        parts = 1 if frames * frame_bytes <= memory else int(np.ceil(2 * frames * frame_bytes / memory))
    wanted = blocks[0] + frames * np.arange(1, parts) / parts
    inner = blocks[np.searchsorted(blocks, wanted)]
    return np.unique(np.concatenate([blocks[:1], inner, blocks[-1:]]))
