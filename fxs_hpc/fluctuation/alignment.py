"""Bringing reconstructions into one pose: centre, scale, hand, rotation, and the rest of the shift.

Phasing from rotational invariants fixes an object only up to a rotation, a shift and the hand. Each reconstruction is centred and
normalised (`prepare`) and then laid onto the reference (`align`). Everything works on harmonic coefficients (see `fxs.fourier`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.fourier import BallTransform, amplitude_fields, density_fields, inverted, point_inverted
from fxs_hpc.fluctuation.so3 import Match, find_rotation, refine_rotation, rotation_of
from fxs_hpc.harmonics.wigner import Coefficients, inner_product, rotate


@dataclass(frozen=True)
class Volume:
    """One object: coefficients of its density and of the amplitude stored with it, and how it got here.

    `matched` is what rotations are searched on (the density, or its part inside the support). `scaling_factor` is what density
    and amplitude were divided by, `centre` (3,) in A what was moved to the origin first. The pose relative to the reference:
    `angles` (alpha, beta, gamma) of each round, `shift` (3,) in A added up over the rounds, `inverted` the other hand, and `error`,
    int (f - g)^2 / int f^2 against the reference f.
    """

    density: Coefficients
    amplitude: Coefficients
    matched: Coefficients
    scaling_factor: float
    centre: NDArray[np.float64]
    inverted: bool = False
    angles: tuple[NDArray[np.float64], ...] = ()
    shift: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    error: float = 0.0


def centre_of_mass(ball: BallTransform, density: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centre of mass (3,) in A of a real field (n_theta, n_phi, N).

    Raises
    ------
    DataError
        The field's integral is not positive.
    """
    weights = ball.radial.r_weights
    mass = (density @ weights) * ball.angular.solid_angle
    moment = (density @ (weights * ball.radial.r)) * ball.angular.solid_angle
    total = mass.sum()
    if not total > 0:
        raise DataError(f"the density integrates to {total:.3g}; a centre of mass needs a positive value")
    return np.tensordot(moment, ball.angular.directions(), axes=([0, 1], [0, 1])) / total


def prepare(
    ball: BallTransform,
    density: NDArray,
    amplitude: NDArray[np.complexfloating],
    centred: bool = True,
    normalisation: str | None = "max",
    support: NDArray[np.bool_] | None = None,
    support_threshold: float = 0.5,
) -> Volume:
    """Centre and normalise a reconstruction.

    Parameters
    ----------
    density, amplitude : (n_theta, n_phi, N) as stored; the density real or complex.
    centred : multiply FT(density) and amplitude by exp(+i q.c), c the centre of mass of Re density.
    normalisation : 'max' or 'mean': divide both by the largest or the mean value of Re density where it is positive.
    support : match only what lies in this mask; it is moved with the density and is inside where it exceeds `support_threshold`.

    Notes
    -----
    A centred density has passed the Fourier transform and back once, which limits its band and removes single hot voxels.
    """
    fields = density_fields(density)
    coef = ball.analyse(fields)
    amplitudes = ball.analyse(amplitude_fields(amplitude, len(fields)))
    centre = np.zeros(3)
    if centred:
        centre = centre_of_mass(ball, fields[0])
        coef, amplitudes = _moved_together(ball, coef, amplitudes, centre)
    factor = _scale(ball.synthesise(coef)[0], normalisation)
    coef, amplitudes = coef / ball.dtype.type(factor), amplitudes / ball.dtype.type(factor)
    matched = coef if support is None else _within(ball, coef, support, centre, support_threshold)
    return Volume(coef, amplitudes, matched, factor, centre)


def _scale(density: NDArray[np.floating], normalisation: str | None) -> float:
    if normalisation is None:
        return 1.0
    positive = density[density > 0]
    if positive.size == 0:
        raise DataError("the density has no positive voxel, it cannot be normalised")
    return float(positive.max() if normalisation == "max" else positive.mean())


def _within(
    ball: BallTransform, coef: Coefficients, support: NDArray, centre: NDArray, threshold: float
) -> Coefficients:
    mask = ball.synthesise(moved(ball, ball.analyse(support[None].astype(float)), centre))[0] > threshold
    return ball.analyse(ball.synthesise(coef) * mask)


def moved_amplitude(ball: BallTransform, amplitude: Coefficients, centre: NDArray[np.floating]) -> Coefficients:
    """Amplitude of the density moved such that `centre` (3,) in A comes to the origin."""
    return ball.analyse(ball.shifted(ball.synthesise(amplitude), centre))


def moved(ball: BallTransform, density: Coefficients, centre: NDArray[np.floating]) -> Coefficients:
    """Density moved such that `centre` (3,) in A comes to the origin, by a phase ramp on its Fourier transform."""
    return ball.density(moved_amplitude(ball, ball.amplitude(density), centre))


def _moved_together(
    ball: BallTransform, density: Coefficients, amplitude: Coefficients, centre: NDArray[np.floating]
) -> tuple[Coefficients, Coefficients]:
    """`moved` and `moved_amplitude` with one phase ramp."""
    both = moved_amplitude(ball, np.concatenate([ball.amplitude(density), amplitude], axis=-1), centre)
    width = density.shape[-1]
    return ball.density(both[..., :width]), both[..., width:]


def other_hand(volume: Volume, n_points: int) -> Volume:
    """The volume inverted through the origin."""
    density = inverted(volume.density, n_points)
    matched = density if volume.matched is volume.density else inverted(volume.matched, n_points)
    amplitude = inverted(volume.amplitude, n_points)
    return replace(volume, density=density, amplitude=amplitude, matched=matched, inverted=not volume.inverted)


def shell_weights(radial_weights: NDArray[np.floating], shells: Sequence[int] | NDArray | None) -> NDArray[np.float64]:
    """Weights (N,) of ``int f r^2 dr`` over the listed shells alone; None = all. Numbers beyond the grid are left out."""
    if shells is None:
        return np.array(radial_weights, dtype=np.float64)
    ids = np.asarray(shells, dtype=int)
    weights = np.zeros(len(radial_weights))
    ids = ids[(ids >= 0) & (ids < len(weights))]
    weights[ids] = radial_weights[ids]
    return weights


def share_of_shells(density: Coefficients, radial_weights: NDArray[np.floating], weights: NDArray[np.floating]) -> float:
    """Part of the angular variation (orders l > 0) of a density that lies on the shells with non-zero weight, 0..1."""
    n = len(radial_weights)
    varying = np.einsum("mlcr,mlcr->r", density[:, 1:, :, :n], density[:, 1:, :, :n]) * radial_weights
    return float(varying[weights > 0].sum() / varying.sum()) if varying.sum() > 0 else 0.0


def relative_error(reference: Coefficients, other: Coefficients, radial_weights: NDArray[np.floating]) -> float:
    """int (Re f - Re g)^2 / int (Re f)^2 over the ball."""
    n = len(radial_weights)
    f, difference = reference[..., :n], reference[..., :n] - other[..., :n]
    return inner_product(difference, difference, radial_weights) / inner_product(f, f, radial_weights)


def correlation(a: Coefficients, b: Coefficients, radial_weights: NDArray[np.floating]) -> float:
    """Pearson correlation of the real densities over the ball, weighted by volume."""
    n = len(radial_weights)
    a, b = _without_mean(a[..., :n], radial_weights), _without_mean(b[..., :n], radial_weights)
    norms = inner_product(a, a, radial_weights) * inner_product(b, b, radial_weights)
    return inner_product(a, b, radial_weights) / float(np.sqrt(norms))


def _without_mean(coef: Coefficients, radial_weights: NDArray[np.floating]) -> Coefficients:
    coef = coef.copy()
    coef[0, 0, 0] -= coef[0, 0, 0] @ radial_weights / radial_weights.sum()
    return coef


def align(
    ball: BallTransform,
    reference: Volume,
    candidate: Volume,
    weights: NDArray[np.floating],
    refine_shift: bool = True,
    from_here: bool = False,
) -> Volume:
    """Lay a prepared volume onto the reference.

    Parameters
    ----------
    weights : (N,) of the shells used for the rotation (`shell_weights`).
    refine_shift : remove the rest of the shift as well, by Newton steps on the overlap of the amplitudes.
    from_here : the volume is nearly aligned: refine the rotation without searching, and keep the hand.

    Returns
    -------
    Volume with the pose of this round added and its `error` against the reference. Of the two hands the one with the smaller
    error is taken.
    """
    n = ball.radial.n_points
    f, g = reference.matched[..., :n], candidate.matched[..., :n]
    if from_here:
        best = _turned(candidate, refine_rotation(f, g, weights, np.zeros(3)))
    else:
        best = _better_hand(reference, (candidate, other_hand(candidate, n)), weights, ball.radial.r_weights)
    if refine_shift:
        best = _shifted_onto(ball, reference, best)
    return replace(best, error=relative_error(reference.density, best.density, ball.radial.r_weights))


def _better_hand(
    reference: Volume, hands: tuple[Volume, Volume], weights: NDArray[np.floating], radial_weights: NDArray[np.floating]
) -> Volume:
    n = len(radial_weights)
    matches = [find_rotation(reference.matched[..., :n], hand.matched[..., :n], weights) for hand in hands]
    errors = [
        relative_error(reference.density, rotate(hand.density, match.angles), radial_weights)
        for hand, match in zip(hands, matches)
    ]
    best = int(np.argmin(errors))
    return _turned(hands[best], matches[best])


def _turned(volume: Volume, match: Match) -> Volume:
    density = rotate(volume.density, match.angles)
    matched = density if volume.matched is volume.density else rotate(volume.matched, match.angles)
    shift = match.rotation.apply(volume.shift)
    return replace(
        volume,
        density=density,
        amplitude=rotate(volume.amplitude, match.angles),
        matched=matched,
        angles=(*volume.angles, match.angles),
        shift=shift,
    )


def _shifted_onto(ball: BallTransform, reference: Volume, volume: Volume) -> Volume:
    centre = find_shift(ball, reference.density, volume.density)
    density, amplitude = _moved_together(ball, volume.density, volume.amplitude, centre)
    matched = density if volume.matched is volume.density else moved(ball, volume.matched, centre)
    return replace(volume, density=density, amplitude=amplitude, matched=matched, shift=volume.shift - centre)


def find_shift(
    ball: BallTransform, f: Coefficients, g: Coefficients, tolerance: float = 0.02, max_steps: int = 10
) -> NDArray[np.float64]:
    """The c (3,) in A such that g(x + c) overlaps best with f (real densities), near c = 0.

    Newton's method on O(c) = <h_f, ramp_c h_g>: with P_a h = q_a h(-q) the (antisymmetric) derivative of the ramp, the
    gradient is <h_f, P_a h_g> and the Hessian -int q_a q_b h_f h_g. Steps are never longer than 1/q_max; it ends after one
    shorter than `tolerance` (A), which leaves far less than that.
    """
    n, q = ball.radial.n_points, ball.radial.q
    h_f = ball.synthesise(ball.amplitude(f[..., :n]))[0]
    start: NDArray[np.floating] = ball.synthesise(ball.amplitude(g[..., :n]))
    h_g = start
    unit, solid = ball.angular.directions(), ball.angular.solid_angle
    centre, longest = np.zeros(3), 1.0 / ball.radial.q_max
    for _ in range(max_steps):
        slope = (h_f * point_inverted(h_g[0])) @ (ball.radial.q_weights * q) * solid
        bend = (h_f * h_g[0]) @ (ball.radial.q_weights * q**2) * solid
        gradient = np.tensordot(slope, unit, axes=([0, 1], [0, 1]))
        hessian = np.einsum("ij,ija,ijb->ab", bend, unit, unit)
        curvature, axes = np.linalg.eigh(hessian)
        step = axes @ ((axes.T @ gradient) / np.maximum(np.abs(curvature), np.finfo(float).tiny))
        step *= min(1.0, longest / max(np.linalg.norm(step), np.finfo(float).tiny))
        centre = centre + step
        if np.linalg.norm(step) < tolerance:
            break
        h_g = ball.shifted(start, centre)
    return centre


@dataclass(frozen=True)
class Pose:
    """An isometry of space: points x (..., 3) go to ``x @ matrix.T + offset``."""

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        return points @ self.matrix.T + self.offset

    def after(self, first: "Pose") -> "Pose":
        """This pose applied to the result of `first`."""
        return Pose(self.matrix @ first.matrix, self.matrix @ first.offset + self.offset)

    def inverse(self) -> "Pose":
        """The isometry that undoes this one."""
        return Pose(self.matrix.T, -self.matrix.T @ self.offset)


def pose_of(volume: Volume) -> Pose:
    """Where each point of the object as stored lies in the aligned volume: inversion, rotation and shift, after centring."""
    matrix = -np.eye(3) if volume.inverted else np.eye(3)
    for angles in volume.angles:
        matrix = rotation_of(angles).as_matrix() @ matrix
    return Pose(matrix, volume.shift - matrix @ volume.centre)
