"""From a raw frame to its radial background, outliers and peaks."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.detector import Geometry, Pixels
from fxs_hpc.emc.outlier_threshold import Thresholds, threshold, thresholds
from fxs_hpc.emc.peaks import UNUSABLE, PeakPatches, centroids, connect
from fxs_hpc.emc.radial_background import excess, fit, radial_bins
from fxs_hpc.emc.rings import reference_rings, robust_rings

RingRule = Literal["robust", "reference"]
CROWDED = 5
"""More peaks than this in one radial bin may be a powder ring."""
NEIGHBOURS = 3


@dataclass(frozen=True)
class FrameBackground:
    """What a frame is made of.

    Attributes
    ----------
    radial : float64[bins]
        Photons per pixel whose `polar` is 1; -1 = unusable bin.
    pixel, count : int32[n]
        Outliers in usable bins, by ascending |q|: full index, photons.
    peaks : PeakPatches
    """

    radial: NDArray[np.float64]
    pixel: NDArray[np.int32]
    count: NDArray[np.int32]
    peaks: PeakPatches

    @classmethod
    def unreadable(cls, bins: int) -> "FrameBackground":
        """Of a frame that cannot be read: no usable bin, no outlier, no peak."""
        nothing = np.zeros(0, np.int32)
        return cls(np.full(bins, UNUSABLE), nothing, nothing, PeakPatches(nothing, nothing, np.zeros(1, np.int64)))


class PeakSearch:
    """Analysis of frames of one detector; call it with a frame.

    Parameters
    ----------
    pixels : Pixels
    geometry : Geometry
    bins : int
        Radial bins (qlen).
    most : float
        Counts above are dead pixels (hot_pix_thres).
    ring_rule : {'robust', 'reference'}
        See `fxs_hpc.emc.rings`. Which bins are crowded with peaks: `reference` = more than five peaks; `robust` = besides, more than the
        bins about it let expect (0.99999 of the Poisson distribution), since lattices with large cells fill bins with Bragg peaks.
    place : int32[rows * columns]
        `pixels.positions()`; given where several ranks share one.
    """

    def __init__(
        self, pixels: Pixels, geometry: Geometry, bins: int, most: float, ring_rule: RingRule, place: NDArray[np.int32] | None = None
    ) -> None:
        self._pixels = pixels
        self._bins = radial_bins(pixels.modulus, pixels.polar, geometry.q_max, bins)
        self._tables = thresholds(math.floor(min(most, 2**31 - 1)))
        self._most = np.int32(min(math.floor(most), 2**31 - 1))
        self._ring_rule = ring_rule
        self._first_bin = math.ceil(geometry.q_min / self._bins.width)
        self._place = pixels.positions() if place is None else place
        self._panel = geometry.panel_numbers().ravel()
        self._index = pixels.index.view(np.uint32)
        self._photons, self._outlier, self._queue = (np.zeros(len(pixels), np.int32) for _ in range(3))
        self._state = np.zeros(len(self._panel), np.uint8)

    def __call__(self, frame: NDArray[np.int32]) -> FrameBackground:
        """Analyse one frame.

        Parameters
        ----------
        frame : int32 (rows, columns)
            Counts, negative = bad pixel.
        """
        radial = np.empty(len(self._bins))
        outlier = self._outlier[: self._fit(frame.ravel(), radial)]
        pixel = self._pixels.index[outlier]
        first = connect(pixel, self._panel, self._pixels.shape[1], self._state, self._queue)
        members = self._queue[: first[-1]].copy()
        patches = PeakPatches(members, frame.ravel()[members], first)
        patches = patches.selected(self._outside_rings(patches, radial))
        usable = radial[np.searchsorted(self._bins.first, outlier, side="right") - 1] >= 0
        return FrameBackground(radial, pixel[usable], self._photons[outlier[usable]], patches)

    def excess(self, frame: NDArray[np.int32], radial: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviations of each pixel (rows, columns) above the background `radial`; NaN where it is not known."""
        return excess(frame, radial, self._bins, self._pixels.index, self._pixels.polar)

    def _fit(self, frame: NDArray[np.int32], radial: NDArray[np.float64]) -> int:
        bins, weight, masked = self._bins, np.empty(len(radial)), np.zeros(len(radial), np.bool_)
        table = (bins.first, bins.total_polar, bins.least_polar)
        found = fit(frame, self._index, self._pixels.polar, table, self._most, self._tables, self._photons, radial, weight, self._outlier)
        if self._ring_rule == "reference":
            reference_rings(radial, self._first_bin, masked)
        else:
            robust_rings(radial, weight, (self._photons, self._pixels.polar, bins.first), self._tables, masked)
        radial[masked] = UNUSABLE
        return int(found)

    def _outside_rings(self, patches: PeakPatches, radial: NDArray[np.float64]) -> NDArray[np.bool_]:
        if not len(patches):
            return np.zeros(0, np.bool_)
        centre = centroids(patches, self._pixels.q, self._place)
        number = self._bins.number(np.sqrt(np.einsum("ij,ij->i", centre, centre)))
        member = np.searchsorted(self._bins.first, self._place[patches.pixel], side="right") - 1
        peaks = np.bincount(number[number >= 0], minlength=len(radial))
        limit = np.full(len(radial), CROWDED) if self._ring_rule == "reference" else _limits(peaks, self._tables)
        return _drop_rings(number, patches.first, member, peaks > limit, radial)


@kernel
def _limits(  # pragma: no cover
    peaks: NDArray[np.int64], tables: Thresholds
) -> NDArray[np.int64]:
    """Most peaks that each bin may have, by those of its neighbours."""
    limit = np.empty(len(peaks), np.int64)
    for i in range(len(peaks)):
        low, high = max(i - NEIGHBOURS, 0), min(i + NEIGHBOURS + 1, len(peaks))
        others = peaks[low:high].sum() - peaks[i]
        limit[i] = max(CROWDED, threshold(others / max(high - low - 1, 1), tables.grid, tables.largest_mean))
    return limit


@kernel
def _drop_rings(  # pragma: no cover
    number: NDArray[np.int64],
    first: NDArray[np.int64],
    member: NDArray[np.int64],
    crowded: NDArray[np.bool_],
    radial: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which patches stay. One whose centroid is in a crowded or unusable bin goes, and makes the bins of its pixels unusable for the next.

    Parameters
    ----------
    number : int64[patches]
        Bin of the centroid.
    first : int64[patches + 1]
    member : int64[n]
        Bin of each pixel.
    crowded : bool[bins]
    radial : float64[bins]
        Receives -1.
    """
    kept = np.zeros(len(number), np.bool_)
    for patch in range(len(number)):
        j = number[patch]
        if j >= 0 and not crowded[j] and radial[j] >= 0:
            kept[patch] = True
        else:
            for i in range(first[patch], first[patch + 1]):
                radial[member[i]] = UNUSABLE
    return kept
