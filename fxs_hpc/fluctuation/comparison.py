"""Comparison of reconstructions with the true object, where it is known.

The true object is laid onto the average (rotation, hand, shift). Three pictures of it matter: the sharp one, evaluated at the grid
points in exactly that pose; the band-limited one, what q <= q_max leaves of it; and their correlation with each other, the ceiling
that a perfect band-limited reconstruction reaches against the sharp one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation import shapes as solids
from fxs_hpc.fluctuation.alignment import Pose, Volume, align, centre_of_mass, correlation, pose_of
from fxs_hpc.fluctuation.fourier import BallTransform, point_inverted
from fxs_hpc.fluctuation.resolution import shell_correlation
from fxs_hpc.harmonics.wigner import Coefficients, inner_product

FSC_BINS = 16
HOT_LEVEL = 1.5


@dataclass(frozen=True)
class Truth:
    """The true object, its centre of mass at the origin: density at points (..., 3) in A, outer radius in A, band-limited density."""

    density_at: Callable[[NDArray[np.float64]], NDArray[np.floating]]
    outer_radius: float
    band_limited: Coefficients


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
    reconstructions. `fsc` (16,) over q bins with centres `fsc_q`. Fields (n_theta, n_phi, N) in the pose of the average: `sharp`,
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


def truth_of_shapes(shapes: Sequence[solids.Shape], ball: BallTransform) -> Truth:
    """Truth from exact solids: analytic amplitudes up to q_max, so no error of sampling enters the band-limited density."""
    density = np.moveaxis(solids.density_on(shapes, ball.radial.r, ball.angular.theta, ball.angular.phi), 0, -1)
    centre = centre_of_mass(ball, density)
    moved = tuple(replace(shape, center=tuple(np.asarray(shape.center) - centre)) for shape in shapes)
    amplitude = ball.analyse(_hermitian_field(ball, lambda q: solids.amplitude(moved, q))[None])
    return Truth(lambda points: solids.density_at(moved, points), solids.outer_radius(moved), ball.density(amplitude))


def _hermitian_field(ball: BallTransform, amplitude: Callable[[NDArray], NDArray]) -> NDArray[np.float64]:
    """The real field h = Re F + Im F on the q grid; F is evaluated on one half of the sphere, F(-q) = F*(q) gives the other."""
    n_theta = ball.angular.n_theta
    rows = (n_theta + 1) // 2
    directions = ball.angular.directions()[:rows]
    values = np.zeros((n_theta, ball.angular.n_phi, ball.radial.n_points), dtype=complex)
    for shell, q in enumerate(ball.radial.q):
        values[:rows, :, shell] = amplitude(q * directions)
    values[rows:] = point_inverted(values)[rows:].conj()
    return values.real + values.imag


def truth_of_samples(model: solids.Model, ball: BallTransform) -> Truth:
    """Truth from a density sampled on a spherical grid: linear interpolation, zero outside."""
    phi = np.concatenate([model.phi, [model.phi[0] + 2 * np.pi]])
    density = np.concatenate([model.density, model.density[:, :, :1]], axis=2)
    poles = [density[:, row].mean(axis=1, keepdims=True)[:, None].repeat(len(phi), axis=2) for row in (0, -1)]
    theta = np.concatenate([[0.0], model.theta, [np.pi]])
    density = np.concatenate([poles[0], density, poles[1]], axis=1)
    r = np.concatenate([[0.0], model.r]) if model.r[0] > 0 else model.r
    density = np.concatenate([density[:1], density]) if model.r[0] > 0 else density
    table = RegularGridInterpolator((r, theta, phi), density, bounds_error=False, fill_value=0.0)

    def at(points: NDArray[np.float64]) -> NDArray[np.floating]:
        radius = np.linalg.norm(points, axis=-1)
        polar = np.arccos(np.clip(points[..., 2] / np.maximum(radius, 1e-300), -1, 1))
        azimuth = (np.arctan2(points[..., 1], points[..., 0]) - phi[0]) % (2 * np.pi) + phi[0]
        return table(np.stack([radius, polar, azimuth], axis=-1))

    points = ball.angular.directions()[:, :, None, :] * ball.radial.r[:, None]
    centre = centre_of_mass(ball, at(points))
    sampled = at(points + centre)
    outer = ball.radial.r[np.any(sampled > 0, axis=(0, 1))].max(initial=0.0)
    return Truth(lambda x: at(x + centre), float(outer), ball.density(ball.amplitude(ball.analyse(sampled[None]))))


def truth_of(model: solids.Model, ball: BallTransform) -> Truth:
    """Truth from the exact solids of a model where it has them, else from its samples."""
    return truth_of_shapes(model.shapes, ball) if model.shapes else truth_of_samples(model, ball)


def compare(ball: BallTransform, average: Coefficients, scaling_factor: float, truth: Truth) -> Comparison:
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
    n = ball.radial.n_points
    if not np.any(truth.band_limited):
        raise DataError("the model holds no density, there is nothing to compare with")
    average = average[..., :n]
    r_max = min(1.5 * truth.outer_radius, ball.radial.r_max)
    weights = np.where(ball.radial.r <= r_max, ball.radial.r_weights, 0.0)
    aligned = _lay_onto(ball, average, truth.band_limited, weights)
    pose = pose_of(aligned).inverse()
    sharp = _at_grid(ball, truth, pose, r_max)
    sharp_coef, sharp_norm = ball.analyse(sharp[None]), _deviation(ball, sharp, weights)
    factor = inner_product(average, aligned.density, weights) / inner_product(aligned.density, aligned.density, weights)
    blurred = ball.synthesise(aligned.density)[0]
    bins, fsc_q = _bins(ball)
    return Comparison(
        clean=_with_sharp(average, sharp_coef, sharp_norm, weights),
        band_limited=correlation(average, aligned.density, weights),
        ceiling=_with_sharp(aligned.density, sharp_coef, sharp_norm, weights),
        scale=factor * scaling_factor,
        r_max=r_max,
        inverted=aligned.inverted,
        pose=pose,
        fsc_q=fsc_q,
        fsc=shell_correlation(ball.amplitude(average), ball.amplitude(aligned.density), bins, ball.radial.q_weights),
        sharp=sharp.astype(np.float32),
        blurred=blurred.astype(np.float32),
        difference=(ball.synthesise(average)[0] / factor - blurred).astype(np.float32),
        truth=truth,
        truth_in_pose=aligned.density,
        sharp_coef=sharp_coef,
        sharp_deviation=sharp_norm,
    )


def compare_run(ball: BallTransform, density: NDArray, run: Volume, comparison: Comparison) -> RunAgreement:
    """Agreement of one aligned run with the truth; `density` (n_theta, n_phi, N) is the reconstruction as stored."""
    n, truth = ball.radial.n_points, comparison.truth
    weights = np.where(ball.radial.r <= comparison.r_max, ball.radial.r_weights, 0.0)
    aligned, blurred = run.density[..., :n], comparison.truth_in_pose
    factor = inner_product(aligned, blurred, weights) / inner_product(blurred, blurred, weights) * run.scaling_factor
    from_stored = comparison.pose.after(pose_of(run))
    stored = np.asarray(density.real, dtype=float)
    sharp = _at_grid(ball, truth, from_stored, comparison.r_max, run.centre)
    level = HOT_LEVEL * factor * max(float(comparison.sharp.max()), float(comparison.blurred.max()))
    within = ball.radial.r <= comparison.r_max
    return RunAgreement(
        raw=_grid_correlation(ball, stored, sharp, weights),
        clean=_with_sharp(aligned, comparison.sharp_coef, comparison.sharp_deviation, weights),
        band_limited=correlation(aligned, blurred, weights),
        scale=factor,
        maximum=float(stored.max()),
        hot_voxels=int(np.count_nonzero(stored[..., within] > level)),
    )


def _lay_onto(ball: BallTransform, average: Coefficients, truth: Coefficients, weights: NDArray) -> Volume:
    reference = Volume(average, ball.amplitude(average), average, 1.0, np.zeros(3))
    model = Volume(truth, ball.amplitude(truth), truth, 1.0, np.zeros(3))
    factor = np.sqrt(inner_product(average, average, weights) / inner_product(truth, truth, weights))
    scaled = replace(model, density=truth * factor, matched=truth * factor)
    found = align(ball, reference, scaled, weights)
    found = align(ball, reference, found, weights, from_here=True)
    return replace(found, density=found.density / factor)


def _at_grid(
    ball: BallTransform, truth: Truth, pose: Pose, r_max: float, centre: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Sharp truth at the grid points brought to it by `pose`; shells out of its reach (about `centre`) stay zero."""
    reach = r_max + (0.0 if centre is None else float(np.linalg.norm(centre)))
    field = np.zeros((ball.angular.n_theta, ball.angular.n_phi, ball.radial.n_points))
    directions = ball.angular.directions()
    for shell in np.flatnonzero(ball.radial.r <= reach):
        field[..., shell] = truth.density_at(pose(ball.radial.r[shell] * directions))
    return field


def _bins(ball: BallTransform) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    edges = np.linspace(0, ball.radial.q_max, min(FSC_BINS, ball.radial.n_points) + 1)
    bins = np.clip(np.digitize(ball.radial.q, edges) - 1, 0, len(edges) - 2)
    return bins, (edges[1:] + edges[:-1]) / 2


def _moments(ball: BallTransform, weights: NDArray, field: NDArray) -> float:
    return float(((field @ weights) * ball.angular.solid_angle).sum() / (4 * np.pi * weights.sum()))


def _deviation(ball: BallTransform, field: NDArray, weights: NDArray) -> float:
    """Standard deviation over the volume of the weighted shells."""
    field = np.asarray(field, dtype=float)
    mean = _moments(ball, weights, field)
    return float(np.sqrt(_moments(ball, weights, (field - mean) ** 2)))


def _grid_correlation(ball: BallTransform, a: NDArray, b: NDArray, weights: NDArray) -> float:
    mean_a, mean_b = _moments(ball, weights, a), _moments(ball, weights, b)
    cross = _moments(ball, weights, (a - mean_a) * (b - mean_b))
    return cross / (_deviation(ball, a, weights) * _deviation(ball, b, weights))


def _with_sharp(density: Coefficients, sharp: Coefficients, sharp_norm: float, weights: NDArray) -> float:
    """Correlation of a band-limited density with the sharp truth: the cross term needs the common orders alone."""
    within_band = correlation(density, sharp, weights)
    volume = 4 * np.pi * weights.sum()
    mean = np.sqrt(4 * np.pi) * float(sharp[0, 0, 0] @ weights) / volume
    band_norm = np.sqrt(max(inner_product(sharp, sharp, weights) / volume - mean**2, 0.0))
    return within_band * band_norm / sharp_norm
