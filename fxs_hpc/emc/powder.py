"""Pseudo-powder patterns: where the peaks of many frames lie, and how far from each other. The cell shows in them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.peaks import PeakPatches

BINS = 3000
"""Of half a pixel unit each."""


@dataclass
class PseudoPowder:
    """Sums over frames; `add` them one by one.

    Attributes
    ----------
    brightest : int32[rows * columns]
        Largest count of each pixel in peaks of accepted size, of all frames.
    distances : int64[3000]
        Pairs of peaks of one frame by their distance |q_1 - q_2|: bin = round(2 |.|), |.| in pixel units.
    moduli : int64[3000]
        Peaks by |q|, in the same bins.
    sizes : int64[3000]
        Patches by their number of pixels, of all frames.
    peaks : list of int
        Accepted peaks of each frame; 0 where the frame is not accepted.
    """

    brightest: NDArray[np.int32]
    distances: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    moduli: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    sizes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))
    peaks: list[int] = field(default_factory=list)

    def add(self, patches: PeakPatches, centre: NDArray[np.float64], fewest: int, most: int) -> None:
        """Add a frame.

        Parameters
        ----------
        patches : PeakPatches
            Of accepted size.
        centre : float64[patches, 3]
            Their q in pixel units.
        fewest, most : int
            Peaks that a frame must have to be accepted.
        """
        np.maximum.at(self.brightest, patches.pixel, patches.count)
        accepted = fewest <= len(patches) <= most
        self.peaks.append(len(patches) if accepted else 0)
        if not accepted:
            return
        first, second = np.triu_indices(len(centre), 1)
        _count(self.distances, np.linalg.norm(centre[first] - centre[second], axis=1))
        _count(self.moduli, np.linalg.norm(centre, axis=1))

    def add_sizes(self, sizes: NDArray[np.int64]) -> None:
        """Count the sizes of all patches of a frame."""
        self.sizes += np.bincount(sizes[sizes < BINS], minlength=BINS)


def _count(histogram: NDArray[np.int64], lengths: NDArray[np.float64]) -> None:
    """Count lengths (pixel units) in bins of half a unit; what lies beyond the last bin is left out."""
    bins = np.floor(2 * lengths + 0.5).astype(np.int64)
    histogram += np.bincount(bins[bins < BINS], minlength=BINS)
