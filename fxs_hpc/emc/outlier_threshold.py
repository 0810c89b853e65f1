"""How many photons a pixel may have before it is no background: the 0.99999 quantile of the Poisson distribution.

T(mu) is the smallest k with CDF(k; mu) >= 0.99999. It is tabulated for mu on a grid of 0.01 up to 200 (the mean is rounded to the grid,
means below 0.01 count as 0.01), and beyond as the largest mean that each k allows.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fxs_hpc.emc.compiled import piece

QUANTILE = 0.99999
STEP = 0.01
GRID_END = 200.0
MOST = 100_000
"""Means near this many photons per pixel are beyond the table: such pixels are never outliers."""


class Thresholds(NamedTuple):
    """Tables of T.

    Attributes
    ----------
    grid : int32[20000]
        T at 0.01, 0.02, ... 200.
    largest_mean : float64[K]
        T(mu) <= k exactly for mu <= largest_mean[k].
    """

    grid: NDArray[np.int32]
    largest_mean: NDArray[np.float64]


@cache
def thresholds(most: int) -> Thresholds:
    """Tables for counts up to `most`."""
    largest_mean = special.gammainccinv(np.arange(max(min(most, MOST), 2 * int(GRID_END)) + 1) + 1.0, QUANTILE)
    means = STEP * np.arange(1, round(GRID_END / STEP) + 1)
    return Thresholds(np.searchsorted(largest_mean, means).astype(np.int32), largest_mean)


@piece
def threshold(mean: float, grid: NDArray[np.int32], largest_mean: NDArray[np.float64]) -> Any:  # pragma: no cover
    """T(mean)."""
    mean = max(mean, STEP)
    if mean <= GRID_END:
        return np.int64(grid[min(int(mean / STEP - 1 + 0.5), len(grid) - 1)])
    return np.int64(np.searchsorted(largest_mean, mean))
