"""Radial background of a frame, and the pixels that stand out of it.

A frame's background is isotropic up to `polar`: pixel i of radial bin j has the mean b_j polar_i. b_j = sum K / sum polar over the pixels
of the bin, first over all live ones, then five times over those with K <= T(b_j polar_i) (see `outlier_threshold`). What is above T at the
end is an outlier.

Pixels are sorted by |q|, so a bin is a range of them. T grows with its argument: the least of a bin bounds it from below, and only pixels
above that bound are looked at one by one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece
from fxs_hpc.emc.outlier_threshold import Thresholds, threshold
from fxs_hpc.emc.peaks import UNUSABLE

ROUNDS = 5


@dataclass(frozen=True)
class RadialBins:
    """Bins of |q| of equal width from 0 to q_max; bin j is floor(|q| / width) = j.

    Attributes
    ----------
    first : int64[bins + 1]
        Edges in the table of usable pixels.
    total_polar, least_polar : float64[bins]
        Sum and minimum of `polar`.
    width : float
        Pixel units.
    """

    first: NDArray[np.int64]
    total_polar: NDArray[np.float64]
    least_polar: NDArray[np.float64]
    width: float

    def __len__(self) -> int:
        return len(self.total_polar)

    def number(self, modulus: NDArray[np.float64]) -> NDArray[np.int64]:
        """Bin of |q| (pixel units), round(|q| / width - 1/2); -1 = beyond the last one."""
        number = np.floor(modulus / self.width).astype(np.int64)
        return np.where(number < len(self), number, -1)


def radial_bins(modulus: NDArray[np.float64], polar: NDArray[np.float64], q_max: int, count: int) -> RadialBins:
    """`count` bins for the usable pixels.

    Parameters
    ----------
    modulus : float64[NPIX]
        |q| in pixel units, ascending.
    polar : float64[NPIX]
    """
    width = q_max / count
    first = np.searchsorted(np.floor(modulus / width), np.arange(count + 1))
    pieces = [polar[start:stop] for start, stop in zip(first[:-1], first[1:])]
    total, least = ([f(piece) if len(piece) else 0.0 for piece in pieces] for f in (np.sum, np.min))
    return RadialBins(first.astype(np.int64), np.array(total), np.array(least), width)


def excess(
    frame: NDArray[np.int32], radial: NDArray[np.float64], bins: RadialBins, index: NDArray[np.integer], polar: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Standard deviations (Poisson) of each pixel (rows, columns) above the background; NaN where there is none, and for dead pixels.

    Parameters
    ----------
    radial : float64[bins]
        Background, -1 = unusable.
    index, polar : of the usable pixels.
    """
    mean = np.repeat(np.where(radial > 0, radial, np.nan), np.diff(bins.first)) * polar[: bins.first[-1]]
    counts = frame.ravel()[index[: bins.first[-1]]]
    result = np.full(frame.size, np.nan)
    result[index[: bins.first[-1]]] = np.where(counts < 0, np.nan, (counts - mean) / np.sqrt(mean))
    return result.reshape(frame.shape)


@piece
def _gather(  # pragma: no cover
    frame: NDArray[np.int32],
    index: NDArray[np.uint32],
    polar: NDArray[np.float64],
    start: np.uint64,
    stop: np.uint64,
    most: np.int32,
    photons: NDArray[np.int32],
) -> tuple[Any, Any, float]:
    """Photons of one bin, dead pixels as -1; their sum, the number of dead pixels and the sum of `polar` of those."""
    total, dead, dead_polar = np.int64(0), np.int64(0), 0.0
    for i in range(start, stop):
        count = frame[index[i]]
        photons[i] = count
        total += count
        dead += (count < 0) | (count > most)
    if dead:
        for i in range(start, stop):
            count = photons[i]
            if count < 0 or count > most:
                total -= count
                dead_polar += polar[i]
                photons[i] = -1
    return total, dead, dead_polar


@kernel
def fit(  # pragma: no cover
    frame: NDArray[np.int32],
    index: NDArray[np.uint32],
    polar: NDArray[np.float64],
    bins: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
    most: np.int32,
    tables: Thresholds,
    photons: NDArray[np.int32],
    background: NDArray[np.float64],
    weight: NDArray[np.float64],
    outlier: NDArray[np.int32],
) -> int:
    """Background and outliers of one frame.

    Parameters
    ----------
    frame : int32[rows * columns]
        Counts; negative ones and those above `most` are dead.
    index, polar : of the usable pixels.
    bins : first, total_polar, least_polar.
    tables : Thresholds
    photons : int32[NPIX]
        Scratch.
    background, weight : float64[bins]
        Receive b and the sum of `polar` that it is a mean over; -1 and 0 for bins without pixels.
    outlier : int32[NPIX]
        Receives places in the table of usable pixels, ascending.

    Returns
    -------
    int : number of outliers.
    """
    first, total_polar, least_polar = bins
    grid, largest_mean = tables
    found = 0
    for j in range(len(background)):
        start, stop = np.uint64(first[j]), np.uint64(first[j + 1])
        all_photons, dead, dead_polar = _gather(frame, index, polar, start, stop, most, photons)
        live, all_polar = first[j + 1] - first[j] - dead, total_polar[j] - dead_polar
        mean, mean_before, polar_of_mean = UNUSABLE, UNUSABLE, 0.0
        outliers_before = found
        if live > 0:
            mean, polar_of_mean = all_photons / all_polar, all_polar
        # Each round finds what is above T(mean) and takes the mean of the rest; after the last one, what is above stays as the outliers.
        for done in range(ROUNDS + 1):
            if mean < 0 or mean == mean_before:
                break
            found = outliers_before
            bound = np.int32(threshold(mean * least_polar[j], grid, largest_mean))
            kept_photons, kept_polar, kept = all_photons, all_polar, live
            for i in range(start, stop):
                if photons[i] > bound:
                    if photons[i] > threshold(mean * polar[i], grid, largest_mean):
                        kept_photons -= photons[i]
                        kept_polar -= polar[i]
                        kept -= 1
                        outlier[found] = i
                        found += 1
            if done < ROUNDS:
                mean_before = mean
                mean, polar_of_mean = (kept_photons / kept_polar, kept_polar) if kept > 0 else (UNUSABLE, 0.0)
        background[j] = mean
        weight[j] = polar_of_mean
    return found
