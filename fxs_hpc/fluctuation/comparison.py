"""Comparison of reconstructions with the true object, where it is known.

The true object is laid onto the average (rotation, hand, shift). Three pictures of it matter: the sharp one, evaluated at the grid
points in exactly that pose; the band-limited one, what q <= q_max leaves of it; and their correlation with each other, the ceiling
that a perfect band-limited reconstruction reaches against the sharp one.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.alignment import Pose, Volume, align, correlation, pose_of
from fxs_hpc.fluctuation.field_transform import FieldTransform, total
from fxs_hpc.fluctuation.resolution import shell_correlation
from fxs_hpc.fluctuation.true_object import Truth, on_grid
from fxs_hpc.harmonics.wigner import Coefficients, inner_product

FSC_BINS = 16
HOT_LEVEL = 1.5


@dataclass(frozen=True)
class RunAgreement:
    """Agreement of one reconstruction with the truth.

    `raw`: stored density with the sharp truth; `clean`: after a Fourier transform and back, with the sharp truth; `band_limited`: the
    latter with the band-limited truth. `scale`: least-squares factor density/truth. `hot_voxels`: voxels of the stored density above
    `HOT_LEVEL` times the largest true density.
    """

    raw: float
    clean: float
    band_limited: float
    scale: float
    maximum: float
    hot_voxels: int


@dataclass(frozen=True)
class Comparison:
    """Agreement of the average with the truth.

    Correlations are Pearson's, weighted by volume, within `r_max` (A). `clean`: average with the sharp truth; `band_limited`: with
    the band-limited one; `ceiling`: band-limited with sharp truth. `scale`: least-squares factor of the average, in the units of the
    reconstructions. `fsc` (16,) over q bins with centres `fsc_q`. Fields (..., N) in the pose of the average: `sharp`,
    `blurred` (band-limited truth) and `difference` = average / scale - blurred. `pose` leads from the average to the truth. The last
    four are kept for `compare_run`.
    """

    clean: float
    band_limited: float
    ceiling: float
    scale: float
    r_max: float
    inverted: bool
    pose: Pose
    fsc_q: NDArray[np.float64]
    fsc: NDArray[np.float64]
    sharp: NDArray[np.float32]
    blurred: NDArray[np.float32]
    difference: NDArray[np.float32]
    truth: Truth
    truth_in_pose: Coefficients
    sharp_coef: Coefficients
    sharp_deviation: float


def compare(space: FieldTransform, average: Coefficients, scaling_factor: float, truth: Truth) -> Comparison:
    """Lay the truth onto an average and measure how far they agree.

    Parameters
    ----------
    average : coefficients of the (normalised) averaged density.
    scaling_factor : what turns it back into the units of the reconstructions.

    Raises
    ------
    DataError
        The truth is empty.
    """
    n = space.radial.n_points
    if not np.any(truth.band_limited):
        raise DataError("the model holds no density, there is nothing to compare with")
    average = average[..., :n]
    r_max = min(1.5 * truth.outer_radius, space.radial.r_max)
    weights = np.where(space.radial.r <= r_max, space.radial.r_weights, 0.0)
    aligned = _lay_onto(space, average, truth.band_limited, weights)
    pose = pose_of(space, aligned).inverse()
    sharp = _at_grid(space, truth, pose, r_max)
    sharp_coef, sharp_norm = space.analyse(sharp[None]), _deviation(space, sharp, weights)
    factor = inner_product(average, aligned.density, weights) / inner_product(aligned.density, aligned.density, weights)
    blurred = space.synthesise(aligned.density)[0]
    bins, fsc_q = _bins(space)
    return Comparison(
        clean=_with_sharp(space, average, sharp_coef, sharp_norm, weights),
        band_limited=correlation(average, aligned.density, weights),
        ceiling=_with_sharp(space, aligned.density, sharp_coef, sharp_norm, weights),
        scale=factor * scaling_factor,
        r_max=r_max,
        inverted=aligned.inverted,
        pose=pose,
        fsc_q=fsc_q,
        fsc=shell_correlation(space.amplitude(average), space.amplitude(aligned.density), bins, space.radial.q_weights),
        sharp=sharp.astype(np.float32),
        blurred=blurred.astype(np.float32),
        difference=(space.synthesise(average)[0] / factor - blurred).astype(np.float32),
        truth=truth,
        truth_in_pose=aligned.density,
        sharp_coef=sharp_coef,
        sharp_deviation=sharp_norm,
    )


def compare_run(space: FieldTransform, density: NDArray, run: Volume, comparison: Comparison) -> RunAgreement:
    """Agreement of one aligned run with the truth; `density` (..., N) is the reconstruction as stored."""
    n, truth = space.radial.n_points, comparison.truth
    weights = np.where(space.radial.r <= comparison.r_max, space.radial.r_weights, 0.0)
    aligned, blurred = run.density[..., :n], comparison.truth_in_pose
    factor = inner_product(aligned, blurred, weights) / inner_product(blurred, blurred, weights) * run.scaling_factor
    from_stored = comparison.pose.after(pose_of(space, run))
    stored = np.asarray(density.real, dtype=float)
    sharp = _at_grid(space, truth, from_stored, comparison.r_max, run.centre)
    level = HOT_LEVEL * factor * max(float(comparison.sharp.max()), float(comparison.blurred.max()))
    within = space.radial.r <= comparison.r_max
    return RunAgreement(
        raw=_grid_correlation(space, stored, sharp, weights),
        clean=_with_sharp(space, aligned, comparison.sharp_coef, comparison.sharp_deviation, weights),
        band_limited=correlation(aligned, blurred, weights),
        scale=factor,
        maximum=float(stored.max()),
        hot_voxels=int(np.count_nonzero(stored[..., within] > level)),
    )


def _lay_onto(space: FieldTransform, average: Coefficients, truth: Coefficients, weights: NDArray) -> Volume:
    origin = np.zeros(space.dimensions)
    reference = Volume(average, space.amplitude(average), average, 1.0, origin, origin)
    model = Volume(truth, space.amplitude(truth), truth, 1.0, origin, origin)
    factor = np.sqrt(inner_product(average, average, weights) / inner_product(truth, truth, weights))
    scaled = replace(model, density=truth * factor, matched=truth * factor)
    found = align(space, reference, scaled, weights)
    found = align(space, reference, found, weights, from_here=True)
    return replace(found, density=found.density / factor)


def _at_grid(
    space: FieldTransform, truth: Truth, pose: Pose, r_max: float, centre: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Sharp truth at the grid points brought to it by `pose`; shells out of its reach (about `centre`) stay zero."""
    reach = r_max + (0.0 if centre is None else float(np.linalg.norm(centre)))
    return on_grid(space, lambda points: truth.density_at(pose(points)), reach)


def _bins(space: FieldTransform) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    edges = np.linspace(0, space.radial.q_max, min(FSC_BINS, space.radial.n_points) + 1)
    bins = np.clip(np.digitize(space.radial.q, edges) - 1, 0, len(edges) - 2)
    return bins, (edges[1:] + edges[:-1]) / 2


def _moments(space: FieldTransform, weights: NDArray, field: NDArray) -> float:
    return total(space, field, weights) / (space.total_angle * weights.sum())


def _deviation(space: FieldTransform, field: NDArray, weights: NDArray) -> float:
    """Standard deviation over the volume of the weighted shells."""
    field = np.asarray(field, dtype=float)
    mean = _moments(space, weights, field)
    return float(np.sqrt(_moments(space, weights, (field - mean) ** 2)))


def _grid_correlation(space: FieldTransform, a: NDArray, b: NDArray, weights: NDArray) -> float:
    mean_a, mean_b = _moments(space, weights, a), _moments(space, weights, b)
    cross = _moments(space, weights, (a - mean_a) * (b - mean_b))
    return cross / (_deviation(space, a, weights) * _deviation(space, b, weights))


def _with_sharp(space: FieldTransform, density: Coefficients, sharp: Coefficients, sharp_norm: float, weights: NDArray) -> float:
    """Correlation of a band-limited density with the sharp truth: the cross term needs the common orders alone."""
    within_band = correlation(density, sharp, weights)
    volume = space.total_angle * weights.sum()
    mean = np.sqrt(space.total_angle) * float(sharp[0, 0, 0] @ weights) / volume
    band_norm = np.sqrt(max(inner_product(sharp, sharp, weights) / volume - mean**2, 0.0))
    return within_band * band_norm / sharp_norm
