"""What the front end found, held against the truth of simulated frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.peaks import PeakPatches, connect
from fxs_hpc.emc.quaternions import misorientation
from fxs_hpc.emc.truth import Kind, Truth

CONFIDENCE = 0.99999
"""A pixel is an outlier above the smallest count that Poisson's distribution does not exceed with this probability."""
LEAST_MEAN = 0.01
FAINT = 1.0
"""Photons of crystals below which a found peak counts as false."""


def distance_to_candidates(
    quaternions: NDArray[np.float64], phi: NDArray[np.float64], candidates: Candidates, samples: NDArray[np.float64], symmetry: NDArray
) -> NDArray[np.float64]:
    """Angle (rad) between each true orientation and the nearest candidate, modulo symmetry.

    Parameters
    ----------
    quaternions : f8[n, 2, 4]
        True orientations.
    phi : f8[n, 2]
        0 where there is no crystal.
    candidates : Candidates
        Of the same n frames.
    samples : f8[rotations, 4]
        Quaternions of the rotation samples.
    symmetry : f8[s, 4]
        Proper operators.

    Returns
    -------
    f8[n, 2]
        NaN where there is no crystal or no candidate.
    """
    distance = np.full(phi.shape, np.nan)
    for frame, crystal in np.argwhere(phi > 0):
        numbers = candidates[frame]
        if len(numbers):
            found = misorientation(quaternions[frame, crystal][None], samples[numbers], symmetry)
            distance[frame, crystal] = found.min()
    return distance


def radial_truth(
    background: NDArray[np.float64], polar: NDArray[np.float64], bin_of: NDArray[np.int64], bins: int, factor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """True radial background f8[n, bins], photons per pixel of polar = 1: what a perfect fit would find. NaN in bins without pixels.

    Parameters
    ----------
    background, polar : f8[NPIX]
        Of the usable pixels.
    bin_of : i8[NPIX]
        Radial bin of each.
    factor : f8[n]
        Of each frame.
    """
    photons = np.bincount(bin_of, background * polar, bins)
    weight = np.bincount(bin_of, polar, bins)
    return factor[:, None] * np.divide(photons, weight, out=np.full(bins, np.nan), where=weight > 0)


def outlier_thresholds(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count above which a pixel with `mean` background photons is an outlier."""
    return poisson.ppf(CONFIDENCE, np.maximum(mean, LEAST_MEAN))


@dataclass(frozen=True)
class PeakComparison:
    """Peaks of one frame.

    Attributes
    ----------
    expected : f8[n]
        Crystal photons of each peak that stands out of the background where there is no noise: two or more adjacent pixels above the
        threshold for outliers.
    recalled : bool[n]
        Whether a peak was found there.
    false : bool[m]
        Whether a found peak lies where crystals send less than a photon.
    """

    expected: NDArray[np.float64]
    recalled: NDArray[np.bool_]
    false: NDArray[np.bool_]


def compare_peaks(
    found: PeakPatches,
    crystal: NDArray[np.float64],
    background: NDArray[np.float64],
    usable: NDArray[np.bool_],
    panel: NDArray[np.int32],
    columns: int,
) -> PeakComparison:
    """Found peaks against expected ones.

    Parameters
    ----------
    found : PeakPatches
    crystal, background : f8[rows * columns]
        Expected photons.
    usable : bool[rows * columns]
    panel : i4[rows * columns]
        Panel of each pixel.
    columns : int
    """
    pixel, first = visible_peaks(crystal, background, usable, panel, columns)
    seen = np.zeros(len(crystal), bool)
    seen[found.pixel] = True
    return PeakComparison(_sums(crystal[pixel], first), _sums(seen[pixel], first) > 0, _sums(crystal[found.pixel], found.first) < FAINT)


def visible_peaks(
    crystal: NDArray[np.float64], background: NDArray[np.float64], usable: NDArray[np.bool_], panel: NDArray[np.int32], columns: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Peaks that stand out of the background: pixels i4[n] of all, and where each begins, i8[peaks + 1]; see `compare_peaks`."""
    places = np.flatnonzero(usable & (crystal > FAINT / 2))
    outlier = places[crystal[places] + background[places] > outlier_thresholds(background[places])].astype(np.int32)
    queue = np.empty(len(outlier), np.int32)
    first = connect(outlier, panel, columns, np.zeros(len(crystal), np.uint8), queue)
    return queue[: first[-1]], first


def centres(pixel: NDArray, weight: NDArray, first: NDArray[np.int64], columns: int) -> NDArray[np.float64]:
    """Row and column f8[peaks, 2] of peaks, weighted with `weight` of each pixel."""
    total = _sums(weight, first)[:, None]
    return np.stack([_sums(weight * (pixel // columns), first), _sums(weight * (pixel % columns), first)], axis=1) / total


def _sums(values: NDArray, first: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.concatenate([[0.0], np.cumsum(values, dtype=float)])
    return total[first[1:]] - total[first[:-1]]


@dataclass(frozen=True)
class FrontEndResult:
    """All that is found about a set of frames; n raw frames.

    Attributes
    ----------
    truth : Truth
    candidates : i8[n]
        Candidates of each frame.
    kept : bool[n]
        Whether it is a reduced frame.
    distance : f8[n, 2]
        Of each true orientation to the nearest candidate, rad.
    step : float
        Angular step of the rotation samples, rad.
    background, background_truth : f8[n, bins]
        As found (-1 = masked), and true.
    bin_width : float
        1/Angstrom.
    peaks : sequence of PeakComparison
        Of the frames `compared`.
    compared : i8[m]
    """

    truth: Truth
    candidates: NDArray[np.int64]
    kept: NDArray[np.bool_]
    distance: NDArray[np.float64]
    step: float
    background: NDArray[np.float64]
    background_truth: NDArray[np.float64]
    bin_width: float
    peaks: Sequence[PeakComparison]
    compared: NDArray[np.int64]

    def single(self) -> NDArray[np.bool_]:
        """Kept frames with one crystal."""
        return self.kept & (self.truth.kind == Kind.SINGLE)

    def hits(self, steps: float = 1.0) -> float:
        """Share of the kept single-crystal frames whose true orientation has a candidate within `steps` angular steps."""
        distance = self.distance[self.single(), 0]
        return float(np.mean(distance <= steps * self.step)) if len(distance) else np.nan

    def background_error(self) -> NDArray[np.float64]:
        """Relative error of the background, f8[n, bins]; NaN where it was masked or nothing is there."""
        error = np.full(self.background.shape, np.nan)
        known = (self.background >= 0) & (self.background_truth > 0)
        error[known] = self.background[known] / self.background_truth[known] - 1
        return error

    def masked(self) -> float:
        """Share of the radial bins with pixels that were masked."""
        there = self.background_truth > 0
        return float(np.mean(self.background[there] < 0)) if there.any() else np.nan

    def of_kinds(self, *kinds: Kind) -> list[PeakComparison]:
        """Comparisons of peaks in frames of some kinds."""
        return [peaks for peaks, frame in zip(self.peaks, self.compared.tolist(), strict=True) if self.truth.kind[frame] in kinds]

    def recall(self) -> tuple[int, int]:
        """Peaks of crystals found, and expected."""
        some = self.of_kinds(Kind.SINGLE, Kind.MULTIPLE)
        return sum(int(peaks.recalled.sum()) for peaks in some), sum(len(peaks.expected) for peaks in some)

    def false_peaks(self) -> tuple[int, int]:
        """False peaks in frames with crystals or background alone, and all peaks found there."""
        some = self.of_kinds(Kind.SINGLE, Kind.MULTIPLE, Kind.BLANK)
        return sum(int(peaks.false.sum()) for peaks in some), sum(len(peaks.false) for peaks in some)

    def kinds(self) -> dict[Kind, tuple[int, int]]:
        """Frames kept, and all frames, of each kind."""
        return {kind: (int(np.sum(self.kept & (self.truth.kind == kind))), int(np.sum(self.truth.kind == kind))) for kind in Kind}
