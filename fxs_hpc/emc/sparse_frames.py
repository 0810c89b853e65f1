"""Photons of many frames without the pixels that hold none."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

DEAD = -1
"""Count that marks a pixel without a usable value in one frame."""


@dataclass(frozen=True)
class SparseFrames:
    """Frames one after the other.

    Attributes
    ----------
    first : i8[n + 1]
        Entries `first[k]:first[k + 1]` of `pixel` and `count` belong to frame k.
    pixel : i4[m]
        Pixel of each entry, ascending within a frame: its place among the usable pixels sorted by |q|.
    count : i2[m]
        Photons there, 1 or more.
    dead_first, dead : i8[n + 1], i4[k]
        Likewise the pixels that are dead in a frame.
    pixels : int
        Pixels of a frame.
    """

    first: NDArray[np.int64]
    pixel: NDArray[np.int32]
    count: NDArray[np.int16]
    dead_first: NDArray[np.int64]
    dead: NDArray[np.int32]
    pixels: int

    def __len__(self) -> int:
        return len(self.first) - 1

    @classmethod
    def from_dense(cls, photons: NDArray[np.int16]) -> "SparseFrames":
        """Of `photons` i2[n, pixels], where negative counts are dead pixels."""
        photons = np.require(photons, np.int16, ["C", "W"])
        tally = _tally(photons)
        first, dead_first = (np.concatenate([[0], np.cumsum(column)]) for column in tally.T)
        pixel, count, dead = np.empty(first[-1], np.int32), np.empty(first[-1], np.int16), np.empty(dead_first[-1], np.int32)
        _collect(photons, pixel, count, dead)
        return cls(first, pixel, count, dead_first, dead, photons.shape[1])

    def dense(self) -> NDArray[np.int16]:
        """i2[n, pixels], dead pixels -1."""
        photons = np.zeros((len(self), self.pixels), np.int16)
        _spread(photons, self.first, self.pixel, self.count, self.dead_first, self.dead)
        return photons

    def prefix(self, pixels: int) -> "SparseFrames":
        """The first `pixels` pixels of every frame alone."""
        if pixels >= self.pixels:
            return self
        kept, live = self.pixel < pixels, self.dead < pixels
        first, dead_first = _fewer(self.first, kept), _fewer(self.dead_first, live)
        return SparseFrames(first, self.pixel[kept], self.count[kept], dead_first, self.dead[live], pixels)


def joined(parts: list[SparseFrames]) -> SparseFrames:
    """Frames of all parts, in order; there is one part at least."""
    return SparseFrames(
        _joined_edges([part.first for part in parts]),
        np.concatenate([part.pixel for part in parts]),
        np.concatenate([part.count for part in parts]),
        _joined_edges([part.dead_first for part in parts]),
        np.concatenate([part.dead for part in parts]),
        parts[0].pixels,
    )


def _joined_edges(edges: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(edge) for edge in edges]))]).astype(np.int64)


def _fewer(first: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])[first]


@njit("i8[:,::1](i2[:,::1])", cache=True, nogil=True)
def _tally(photons: NDArray) -> NDArray:
    """Pixels with photons and dead pixels of each frame, i8[n, 2]."""
    tally = np.zeros((photons.shape[0], 2), np.int64)
    for frame in range(photons.shape[0]):
        for pixel in range(photons.shape[1]):
            tally[frame, 0] += photons[frame, pixel] > 0
            tally[frame, 1] += photons[frame, pixel] < 0
    return tally


@njit("void(i2[:,::1], i4[::1], i2[::1], i4[::1])", cache=True, nogil=True)
def _collect(photons: NDArray, pixel: NDArray, count: NDArray, dead: NDArray) -> None:
    entry, broken = 0, 0
    for frame in range(photons.shape[0]):
        for place in range(photons.shape[1]):
            value = photons[frame, place]
            if value > 0:
                pixel[entry] = place
                count[entry] = value
                entry += 1
            elif value < 0:
                dead[broken] = place
                broken += 1


@njit("void(i2[:,::1], i8[::1], i4[::1], i2[::1], i8[::1], i4[::1])", cache=True, nogil=True)
def _spread(photons: NDArray, first: NDArray, pixel: NDArray, count: NDArray, dead_first: NDArray, dead: NDArray) -> None:
    for frame in range(photons.shape[0]):
        for entry in range(first[frame], first[frame + 1]):
            photons[frame, pixel[entry]] = count[entry]
        for entry in range(dead_first[frame], dead_first[frame + 1]):
            photons[frame, dead[entry]] = DEAD
