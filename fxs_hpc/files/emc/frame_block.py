"""A run of reduced frames on its way into a file."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class FrameBlock(NamedTuple):
    """Consecutive reduced frames.

    photons i2[n, pixels] in the order of rec-vectors.bin, -1 where dead; background f8[n, bins], -1 where unusable;
    raw_id i8[n], number of each frame among the raw ones.
    """

    photons: NDArray[np.int16]
    background: NDArray[np.float64]
    raw_id: NDArray[np.int64]


def reblocked(blocks: Iterable[FrameBlock], size: int) -> Iterator[FrameBlock]:
    """The same frames in blocks of `size`; the last may be smaller."""
    waiting: list[FrameBlock] = []
    for block in blocks:
        waiting.append(block)
        while sum(len(part.raw_id) for part in waiting) >= size:
            whole = _joined(waiting)
            yield _part(whole, 0, size)
            rest = _part(whole, size, None)
            waiting = [rest] if len(rest.raw_id) else []
    if waiting:
        yield _joined(waiting)


def _part(block: FrameBlock, first: int, stop: int | None) -> FrameBlock:
    return FrameBlock(block.photons[first:stop], block.background[first:stop], block.raw_id[first:stop])


def _joined(blocks: list[FrameBlock]) -> FrameBlock:
    if len(blocks) == 1:
        return blocks[0]
    photons, background, raw_id = zip(*blocks, strict=True)
    return FrameBlock(np.concatenate(photons), np.concatenate(background), np.concatenate(raw_id))
