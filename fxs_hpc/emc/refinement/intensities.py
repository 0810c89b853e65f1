"""Heights of the reflections that make the photons most likely, and how well they are known.

At fixed orientations and scales each height F is a concave problem of its own, sum_i a_i [K_i / (b_i + F a_i) - 1] = 0 over all pixels of
its peaks in all frames; Newton's steps are done for all reflections at once. F may come out negative, as far as every pixel's
expectation stays positive: that keeps weak intensities unbiased. Frames are refined against max(F, 0).
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.refinement.observations import Observations

STEPS = 30
PRECISION = 1e-9
TIMES_USUAL = 3.0
"""A height whose error is larger than the mean height, and than this times the usual error, counts as not seen: only the tail of one peak
or two was hit. Frames are still compared with it, since it explains the pixels that it was made from."""
_TO_BOUND = 0.9

Gather = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""All blocks' rows of an array float64[blocks, ...], those held elsewhere as well, in the order of the frames. Sums are taken over the
blocks in that order by everybody, so that they do not depend on who holds which block."""


def alone(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gather of one who holds all blocks."""
    return array


class Heights(NamedTuple):
    """Heights of the sets of equivalent reflections.

    Attributes
    ----------
    value : float64[unique]
        0 where nothing was seen.
    sigma : float64[unique]
        Standard error from the scatter between the peaks of that set (sandwich estimate), at least that of the photons; inf where
        nothing, or next to nothing, was seen.
    photon_sigma : float64[unique]
        Standard error of the photons alone.
    multiplicity : int64[unique]
        Peaks seen.
    """

    value: NDArray[np.float64]
    sigma: NDArray[np.float64]
    photon_sigma: NDArray[np.float64]
    multiplicity: NDArray[np.int64]

    def scaled(self, factor: float) -> "Heights":
        """Heights and errors times `factor`."""
        return self._replace(value=self.value * factor, sigma=self.sigma * factor, photon_sigma=self.photon_sigma * factor)


@cache
def _kernels() -> Any:
    @kernel
    def moments(seen, unique, used, sums, bound):  # type: ignore[no-untyped-def]
        for o in range(len(seen.frame)):
            if used[seen.frame[o]]:
                u = unique[seen.reflection[o]]
                sums[0, u] += seen.total[o, 0]
                sums[1, u] += seen.total[o, 1]
                sums[2, u] += seen.total[o, 2]
                sums[3, u] += 1.0
                bound[u] = min(bound[u], seen.bound[o])

    @kernel
    def slopes(seen, unique, used, heights, sums):  # type: ignore[no-untyped-def]
        for o in range(len(seen.frame)):
            if not used[seen.frame[o]]:
                continue
            u = unique[seen.reflection[o]]
            pull, curvature = -seen.total[o, 0], 0.0
            for i in range(seen.first[o], seen.first[o + 1]):
                a = np.float64(seen.slope[i])
                ratio = a / (np.float64(seen.ground[i]) + heights[u] * a)
                pull += seen.photons[i] * ratio
                curvature += seen.photons[i] * ratio * ratio
            sums[0, u] += pull
            sums[1, u] += curvature
            sums[2, u] += pull * pull

    return moments, slopes


def fit_heights(seen: list[Observations], unique: NDArray[np.int32], used: list[NDArray[np.bool_]], gather: Gather = alone) -> Heights:
    """Most likely heights.

    Parameters
    ----------
    seen : list of Observations
        Blocks of frames held here.
    unique : int32[n]
        Set of equivalent reflections of each reflection.
    used : list of bool[frames of the block]
        Frames that count.
    gather : callable
        See `Gather`.
    """
    size = int(unique.max()) + 1
    moments = np.zeros((len(seen), 5, size))
    moments[:, 4] = np.inf
    for block, mine, sums in zip(seen, used, moments, strict=True):
        _kernels()[0](block, unique, mine, sums[:4], sums[4])
    moments = gather(moments)
    total, bound = moments[:, :4].sum(axis=0), moments[:, 4].min(axis=0)
    known = total[0] > 0
    lowest = np.where(np.isfinite(bound), -_TO_BOUND * bound, 0.0)
    heights = np.maximum(np.divide(total[1] - total[2], total[0], out=np.zeros(size), where=known), lowest)
    for _ in range(STEPS):
        sums = gather(_slopes(seen, unique, used, heights)).sum(axis=0)
        step = np.divide(sums[0], sums[1], out=np.zeros(size), where=sums[1] > 0)
        step = np.where(known & (sums[1] <= 0), lowest - heights, step)
        new = np.maximum(heights + np.clip(step, -0.5 * np.abs(heights) - 1e-6, np.maximum(4 * np.abs(heights), np.abs(lowest))), lowest)
        change = np.abs(new - heights)
        heights = new
        if np.all(change <= PRECISION * (np.abs(heights) + heights.mean())):
            break
    sums = gather(_slopes(seen, unique, used, heights)).sum(axis=0)
    return _with_errors(heights, sums, total, known)


def _slopes(seen: list[Observations], unique: NDArray[np.int32], used: list[NDArray[np.bool_]], heights: NDArray) -> NDArray[np.float64]:
    """Sums of the score, the observed information, and the squared score of each peak, float64[blocks, 3, unique]."""
    sums = np.zeros((len(seen), 3, len(heights)))
    for block, mine, row in zip(seen, used, sums, strict=True):
        _kernels()[1](block, unique, mine, heights, row)
    return sums


def _with_errors(heights: NDArray, sums: NDArray, total: NDArray, known: NDArray[np.bool_]) -> Heights:
    information, peaks = np.where(sums[1] > 0, sums[1], np.nan), total[3]
    photon = np.sqrt(1 / information)
    # n / (n - 1): the peaks' scores sum to zero at the maximum.
    scatter = np.sqrt(sums[2] * peaks / np.maximum(peaks - 1, 1)) / information
    sigma = np.where(peaks > 1, np.fmax(scatter, photon), photon)
    # The mean over all photons, which a height that is hardly known does not move.
    mean = float((total[1] - total[2]).sum()) / max(float(total[0].sum()), 1e-300)
    some = known & np.isfinite(sigma)
    usual = float(np.median(sigma[some])) if some.any() else 0.0
    unseen = ~some | (sigma > max(mean, TIMES_USUAL * usual))
    return Heights(np.where(known, heights, 0.0), np.where(unseen, np.inf, sigma), np.where(unseen, np.inf, photon), peaks.astype(np.int64))
