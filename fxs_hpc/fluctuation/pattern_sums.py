"""What scattering patterns add up to, and what is known of each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MEANS = ("intensity", "coverage", "means", "mean_count", "image", "pixels", "variance")
"""Sums that are small."""


@dataclass
class FrameTable:
    """What is known of each pattern.

    Parameters
    ----------
    state : (n,) i1, -1 not looked at yet, 0 rejected, 1 used.
    roi_mean : (n,) mean in the region of interest.
    rings : (n, n_q) mean over each ring, NaN where masked; None where it is not wanted.
    """

    state: NDArray[np.int8]
    roi_mean: NDArray[np.float64]
    rings: NDArray[np.float64] | None = None

    @classmethod
    def empty(cls, count: int, n_q: int | None) -> "FrameTable":
        """Nothing looked at; with room for the rings where `n_q` is given."""
        rings = np.full((count, n_q), np.nan) if n_q else None
        return cls(np.full(count, -1, np.int8), np.full(count, np.nan), rings)

    def absorb(self, other: "FrameTable") -> None:
        """Take over what another table knows."""
        known = other.state >= 0
        self.state[known], self.roi_mean[known] = other.state[known], other.roi_mean[known]
        if self.rings is not None and other.rings is not None:
            self.rings[known] = other.rings[known]


@dataclass
class Sums:
    """What the patterns of one rank have added up to.

    Parameters
    ----------
    spectra : (n_phi/2 + 1, n, n), packed Gram matrices of the F_n at the n radial points that are correlated.
    regular : number of patterns in `spectra` whose mask is the static one.
    mask_spectra : as `spectra`, for the masks of the others; None where there are none.
    ratios, counts : (n, n, n_phi), for q1 <= q2, sum of c / c_mask of those others and how many had a pair of points there: where each
        pattern is normalised by itself. Then they are not in `spectra`.
    intensity, coverage : (n_q,) sum over points and patterns of I and of the mask.
    means, mean_count : (n_q,) sum over patterns of the ring's mean, and how many had one.
    image, pixels : (rows, columns) sum of the images, and how often a pixel was valid.
    variance : (rows, columns) sum of the variances of the pixels that photons make; zero where it is not asked for.
    frames : FrameTable of all patterns.
    """

    spectra: NDArray[np.float64]
    intensity: NDArray[np.float64]
    coverage: NDArray[np.float64]
    means: NDArray[np.float64]
    mean_count: NDArray[np.float64]
    image: NDArray[np.float64]
    pixels: NDArray[np.float64]
    variance: NDArray[np.float64]
    frames: FrameTable
    regular: int = 0
    mask_spectra: NDArray[np.float64] | None = None
    ratios: NDArray[np.float64] | None = None
    counts: NDArray[np.int32] | None = None

    @classmethod
    def zero(cls, n_phi: int, n_correlated: int, n_q: int, shape: tuple[int, int], frames: FrameTable) -> "Sums":
        """Nothing summed yet."""
        spectra = np.zeros((n_phi // 2 + 1, n_correlated, n_correlated))
        intensity, coverage, means, mean_count = np.zeros((4, n_q))
        image, pixels, variance = np.zeros((3, *shape))
        return cls(spectra, intensity, coverage, means, mean_count, image, pixels, variance, frames)

    def absorb(self, other: "Sums") -> None:
        """Add what other patterns have added up to."""
        for name in ("spectra", *MEANS):
            getattr(self, name)[...] += getattr(other, name)
        for name in ("mask_spectra", "ratios", "counts"):
            theirs, ours = getattr(other, name), getattr(self, name)
            if theirs is not None:
                setattr(self, name, theirs if ours is None else ours + theirs)
        self.regular += other.regular
        self.frames.absorb(other.frames)
