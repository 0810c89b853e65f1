"""Radial bins that hold a powder ring and are left out of the background.

Two rules:

* ``reference``: a bin that is a strict local maximum over two bins on either side, and more than 5 per cent above the straight line between
  the feet it falls to, is a ring from foot to foot. With some hundred pixels in a bin, noise alone passes.
* ``robust``: a ring stands 5 per cent and 5 standard deviations (Poisson) above the straight line between its two sides, on one of three
  scales, **and** its pixels scatter by 5 standard deviations more than Poisson allows: a ring that is the same all around is background
  like any other, and the background of its bin describes it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece
from fxs_hpc.emc.outlier_threshold import Thresholds, threshold

EXCESS = 1.05
SIGNIFICANCE = 5.0
HALF_WIDTHS = 3
"""Rings of 1, 3, 5 bins are looked for."""


@kernel
def reference_rings(background: NDArray[np.float64], first: int, masked: NDArray[np.bool_]) -> None:  # pragma: no cover
    """Mark the rings by the reference's rule.

    Bins without pixels (-1) are skipped in looking for a maximum, and count as lower in walking to a foot. All bins are judged by the
    background as it is, whatever was masked before.

    Parameters
    ----------
    background : float64[bins]
    first : int
        Bins below it are not looked at: ceil(q_min / width).
    masked : bool[bins]
        Receives True.
    """
    for i in range(first, len(background)):
        if background[i] < 0 or not (_falls(background, first, i, -1) and _falls(background, first, i, 1)):
            continue
        low, high = _foot(background, first, i, -1), _foot(background, first, i, 1)
        if low == high:
            continue
        line = background[low] + (background[high] - background[low]) * (i - low) / (high - low)
        if background[i] > EXCESS * line:
            masked[low : high + 1] = True


@piece
def _falls(background: NDArray[np.float64], first: int, i: int, side: int) -> bool:  # pragma: no cover
    before = background[i]
    j = i
    steps = 0
    while steps < 2:
        j += side
        if j < first or j >= len(background):
            return True
        if background[j] < 0:
            continue
        if background[j] >= before:
            return False
        before = background[j]
        steps += 1
    return True


@piece
def _foot(background: NDArray[np.float64], first: int, i: int, side: int) -> int:  # pragma: no cover
    j = i
    while first <= j + side < len(background) and background[j + side] <= background[j]:
        j += side
    return j


@kernel
def robust_rings(  # pragma: no cover
    background: NDArray[np.float64],
    weight: NDArray[np.float64],
    pixels: tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]],
    tables: Thresholds,
    masked: NDArray[np.bool_],
) -> None:
    """Mark the rings by the robust rule.

    Parameters
    ----------
    background, weight : float64[bins]
        Mean, and the sum of `polar` that it is over.
    pixels : photons int32[NPIX], polar float64[NPIX], edges of the bins int64[bins + 1]
    tables : Thresholds
    masked : bool[bins]
        Receives True.
    """
    uniform = np.zeros(len(background), np.bool_)
    while True:
        best, where, width = SIGNIFICANCE, -1, 0
        for half in range(HALF_WIDTHS):
            for i in range(len(background)):
                if background[i] >= 0 and not masked[i] and not uniform[i]:
                    height = _height(background, weight, masked, i, half)
                    if height > best:
                        best, where, width = height, i, half
        if where < 0:
            return
        if _scatter(where - width, where + width, background, pixels, tables) > SIGNIFICANCE:
            masked[max(where - width - 1, 0) : where + width + 2] = True
        else:
            uniform[where] = True


@piece
def _window(  # pragma: no cover
    background: NDArray[np.float64], weight: NDArray[np.float64], masked: NDArray[np.bool_], low: int, high: int
) -> tuple[float, float]:
    """Photons and sum of `polar` in the usable bins low .. high."""
    photons, polar = 0.0, 0.0
    for i in range(max(low, 0), min(high + 1, len(background))):
        if background[i] >= 0 and not masked[i]:
            photons += background[i] * weight[i]
            polar += weight[i]
    return photons, polar


@piece
def _height(  # pragma: no cover
    background: NDArray[np.float64], weight: NDArray[np.float64], masked: NDArray[np.bool_], i: int, half: int
) -> float:
    """Standard deviations that 2 half + 1 bins about i stand above as many on either side; 0 if that is less than 5 per cent."""
    step = 2 * half + 2
    photons, polar = _window(background, weight, masked, i - half, i + half)
    left, left_polar = _window(background, weight, masked, i - step - half, i - step + half)
    right, right_polar = _window(background, weight, masked, i + step - half, i + step + half)
    if left_polar == 0 or right_polar == 0:
        return 0.0
    mean, line = photons / polar, 0.5 * (left / left_polar + right / right_polar)
    variance = mean / polar + 0.25 * (left / left_polar**2 + right / right_polar**2)
    return (mean - line) / math.sqrt(variance) if mean > EXCESS * line and variance > 0 else 0.0


@piece
def _scatter(  # pragma: no cover
    low: int,
    high: int,
    background: NDArray[np.float64],
    pixels: tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]],
    tables: Thresholds,
) -> float:
    """Standard deviations by which the pixels of bins low .. high scatter more than Poisson, outliers left out."""
    photons, polar, first = pixels
    excess, variance = 0.0, 0.0
    for j in range(max(low, 0), min(high + 1, len(background))):
        if background[j] <= 0:
            continue
        for i in range(first[j], first[j + 1]):
            mean = background[j] * polar[i]
            if 0 <= photons[i] <= threshold(mean, tables[0], tables[1]):
                excess += (photons[i] - mean) ** 2 / mean - 1
                variance += 2 + 1 / mean
    return excess / math.sqrt(variance) if variance > 0 else 0.0
