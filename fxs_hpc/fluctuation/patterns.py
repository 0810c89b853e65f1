"""One scattering pattern made ready to be correlated: masked, corrected, on rings of constant q.

In this order: pixels outside of the thresholds and those of the mask are left out, the background is subtracted, the image is interpolated
to (phi, q), outliers on the rings are left out, the frame is judged and normalised by its mean in a region of q, polarisation and solid
angle are undone.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.polar_grid import PolarGrid
from fxs_hpc.fluctuation.polar_interpolation import Interpolator, filled, interpolator

MAD_TO_SIGMA = 1.4826022185056018
"""Standard deviation of a normal distribution in units of its median absolute deviation."""


@dataclass(frozen=True)
class RadialFilter:
    """Leave out points farther than `factor` spreads from the centre of their ring: mean and standard deviation, or median and MAD."""

    method: Literal["average_sigma", "median_mad"]
    factor: float


@dataclass(frozen=True)
class Treatment:
    """What is done to every pattern.

    Parameters
    ----------
    grid : points (phi, q).
    order : of the interpolating spline.
    usable : (rows, columns) bool, False where the static mask leaves a pixel out.
    background : (rows, columns), subtracted from every image, or None.
    thresholds : lowest and highest value of a pixel that counts, or None.
    radial_filter : outliers on rings, or None.
    roi : lowest and highest q [1/A] of the region whose mean judges and normalises a frame.
    roi_limits : lowest and highest mean of a frame that is used, or None for all.
    normalise : divide a frame by its mean in the region.
    corrections : factors (n_phi, n_q), or None.
    nan_is_zero : a NaN pixel counts as 0 instead of masked.
    rounded_edges : the mask is interpolated and rounded and does not cut what leaks over its border, as the reference program does; else a
        point counts only if all the pixels that it rests on do, and masked pixels are filled from their neighbours before.
    counts_photons : values are photons, whose variance is wanted.
    """

    grid: PolarGrid
    order: int
    usable: NDArray[np.bool_]
    background: NDArray[np.float64] | None = None
    thresholds: tuple[float, float] | None = None
    radial_filter: RadialFilter | None = None
    roi: tuple[float, float] = (0.0, np.inf)
    roi_limits: tuple[float, float] | None = None
    normalise: bool = False
    corrections: NDArray[np.float64] | None = None
    nan_is_zero: bool = False
    rounded_edges: bool = False
    counts_photons: bool = False

    @cached_property
    def interpolator(self) -> Interpolator:
        """Points of the grid on the images."""
        return interpolator(self.grid.detector.shape, *self.grid.positions(), self.order)

    @cached_property
    def polar_mask(self) -> NDArray[np.float64]:
        """Valid points (n_phi, n_q), 1 or 0, of a frame of which no pixel beyond the static mask is left out."""
        return self.polar_mask_of(self.usable)

    @cached_property
    def roi_rings(self) -> NDArray[np.bool_]:
        """(n_q,) rings of the region."""
        return (self.grid.q >= self.roi[0]) & (self.grid.q <= self.roi[1])

    def polar_mask_of(self, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Valid points (n_phi, n_q), 1 or 0, for valid pixels."""
        interpolator = self.interpolator
        points = interpolator.rounded(valid) if self.rounded_edges else interpolator.valid(valid).astype(np.float64)
        return points * self.grid.looked_at[:, None]


@dataclass(frozen=True)
class PolarPattern:
    """A pattern on rings.

    Parameters
    ----------
    values : (n_phi, n_q), zero where masked (but see `Treatment.rounded_edges`).
    mask : (n_phi, n_q) of 1 and 0, or None where it is `Treatment.polar_mask`.
    good : whether the frame is used. roi_mean : its mean in the region of interest.
    image, pixels : what was interpolated, zero where masked, and the valid pixels.
    variance : (rows, columns) of the pixels as photons make it, in the units of the values before corrections, or None.
    """

    values: NDArray[np.float64]
    mask: NDArray[np.float64] | None
    good: bool
    roi_mean: float
    image: NDArray[np.float64]
    pixels: NDArray[np.bool_]
    variance: NDArray[np.float64] | None = None


def treated(image: NDArray[np.floating], treatment: Treatment, name: str = "pattern") -> PolarPattern:
    """`image` (rows, columns) as `treatment` asks for.

    Raises
    ------
    DataError
        The image has another shape; `name` says which one.
    """
    if image.shape != treatment.usable.shape:
        raise DataError(f"{name}: has shape {image.shape}, the settings say image_dimensions {list(treatment.usable.shape)}")
    pixels, pixel_mask_is_static = _valid_pixels(image, treatment)
    clean = np.where(np.isnan(image), 0, image).astype(np.float64)
    variance = np.where(pixels, np.maximum(clean, 0), 0) if treatment.counts_photons else None
    if treatment.background is not None:
        clean -= treatment.background
    clean[~pixels] = 0
    mask = treatment.polar_mask if pixel_mask_is_static else treatment.polar_mask_of(pixels)
    source = clean if treatment.rounded_edges or pixels.all() else filled(clean, pixels)
    values = treatment.interpolator.values(source)
    values *= treatment.grid.looked_at[:, None] if treatment.rounded_edges else mask
    if treatment.radial_filter is not None:
        mask = _without_outliers(values, mask, treatment.radial_filter)
        values *= 1.0 if treatment.rounded_edges else mask
    mean = _roi_mean(values, mask, treatment.roi_rings)
    good = treatment.roi_limits is None or treatment.roi_limits[0] <= mean <= treatment.roi_limits[1]
    if treatment.normalise:
        good = good and mean > 0
        values /= mean if mean > 0 else 1.0
        variance = None if variance is None else variance / (mean**2 if mean > 0 else 1.0)
    if treatment.corrections is not None:
        values *= treatment.corrections
    is_static = mask is treatment.polar_mask or np.array_equal(mask, treatment.polar_mask)
    return PolarPattern(values, None if is_static else mask, bool(good), mean, clean, pixels, variance)


def _valid_pixels(image: NDArray[np.floating], treatment: Treatment) -> tuple[NDArray[np.bool_], bool]:
    """Valid pixels, and whether they are those of the static mask."""
    bad = np.zeros(image.shape, bool)
    if not treatment.nan_is_zero:
        bad |= ~np.isfinite(image)
    if treatment.thresholds is not None:
        low, high = treatment.thresholds
        bad |= (image < low) | (image > high)
    bad &= treatment.usable
    return (treatment.usable & ~bad, False) if bad.any() else (treatment.usable, True)


def _without_outliers(values: NDArray[np.float64], mask: NDArray[np.float64], chosen: RadialFilter) -> NDArray[np.float64]:
    valid = np.ma.masked_array(values, mask < 0.5)
    if chosen.method == "median_mad":
        centre = np.ma.median(valid, axis=0)
        spread = MAD_TO_SIGMA * np.ma.median(np.abs(valid - centre), axis=0)
    else:
        centre, spread = valid.mean(axis=0), valid.std(axis=0)
    outside = (np.abs(valid - centre) > chosen.factor * spread).filled(False)
    return np.where(outside, 0.0, mask)


def _roi_mean(values: NDArray[np.float64], mask: NDArray[np.float64], rings: NDArray[np.bool_]) -> float:
    count = float(mask.sum(axis=0)[rings].sum())
    return float(np.einsum("pq,pq->q", values, mask)[rings].sum() / count) if count else float("nan")
