"""Bringing reconstructions into one pose: centre, scale, hand, rotation, and the rest of the shift.

Phasing from rotational invariants fixes an object only up to a rotation, a shift and the hand. Each reconstruction is centred and
normalised (`prepare`) and then laid onto the reference (`align`). Everything works on harmonic coefficients (see `field_transform`), in
space and in the plane; d is 3 or 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.field_transform import FieldTransform, density_fields, total
from fxs_hpc.harmonics.wigner import Coefficients, inner_product


@dataclass(frozen=True)
class Volume:
    """One object: coefficients of its density and of the amplitude stored with it, and how it got here.

    `matched` is what hand, rotation and shift are searched on (the density, or its part inside the support). `scaling_factor` is
    what density and amplitude were divided by, `centre` (d,) in A what was moved to the origin first. The pose relative to the reference:
    `angles` of each round, (alpha, beta, gamma) or in the plane (alpha,), `shift` (d,) in A added up over the rounds, `inverted` the
    other hand, and `error`, int (f - g)^2 / int f^2 against the reference f.
    """

    density: Coefficients
    amplitude: Coefficients
    matched: Coefficients
    scaling_factor: float
    centre: NDArray[np.float64]
    shift: NDArray[np.float64]
    inverted: bool = False
    angles: tuple[NDArray[np.float64], ...] = ()
    error: float = 0.0


def centre_of_mass(space: FieldTransform, density: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centre of mass (d,) in A of a real field (..., N).

    Raises
    ------
    DataError
        The field's integral is not positive.
    """
    weights = space.radial.r_weights
    mass = total(space, density, weights)
    if not mass > 0:
        raise DataError(f"the density integrates to {mass:.3g}; a centre of mass needs a positive value")
    moment = (density @ (weights * space.radial.r)) * space.angle_weights
    return np.asarray(moment.ravel() @ space.directions.reshape(-1, space.dimensions) / mass)


def prepare(
    space: FieldTransform,
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
    density, amplitude : (..., N) as stored; the density real or complex.
    centred : multiply FT(density) and amplitude by exp(+i q.c), c the centre of mass of Re density.
    normalisation : 'max' or 'mean': divide both by the largest or the mean value of Re density where it is positive.
    support : match only what lies in this mask; it is moved with the density and is inside where it exceeds `support_threshold`.

    Notes
    -----
    A centred density has passed the Fourier transform and back once, which limits its band and removes single hot voxels.
    """
    fields = density_fields(density)
    coef = space.analyse(fields)
    amplitudes = space.analyse(space.amplitude_fields(amplitude, len(fields)))
    centre = np.zeros(space.dimensions)
    if centred:
        centre = centre_of_mass(space, fields[0])
        coef, amplitudes = _moved_together(space, coef, amplitudes, centre)
    factor = _scale(space.synthesise(coef)[0], normalisation)
    coef, amplitudes = coef / space.dtype.type(factor), amplitudes / space.dtype.type(factor)
    matched = coef if support is None else _within(space, coef, support, centre, support_threshold)
    return Volume(coef, amplitudes, matched, factor, centre, np.zeros(space.dimensions))


def _scale(density: NDArray[np.floating], normalisation: str | None) -> float:
    if normalisation is None:
        return 1.0
    positive = density[density > 0]
    if positive.size == 0:
        raise DataError("the density has no positive voxel, it cannot be normalised")
    return float(positive.max() if normalisation == "max" else positive.mean())


def _within(
    space: FieldTransform, coef: Coefficients, support: NDArray, centre: NDArray, threshold: float
) -> Coefficients:
    mask = space.synthesise(moved(space, space.analyse(support[None].astype(float)), centre))[0] > threshold
    return space.analyse(space.synthesise(coef) * mask)


def moved_amplitude(space: FieldTransform, amplitude: Coefficients, centre: NDArray[np.floating]) -> Coefficients:
    """Amplitude of the density moved such that `centre` (d,) in A comes to the origin."""
    return space.moved_amplitudes((amplitude,), centre)[0]


def moved(space: FieldTransform, density: Coefficients, centre: NDArray[np.floating]) -> Coefficients:
    """Density moved such that `centre` (d,) in A comes to the origin, by a phase ramp on its Fourier transform."""
    return space.density(moved_amplitude(space, space.amplitude(density), centre))


def _moved_together(
    space: FieldTransform, density: Coefficients, amplitude: Coefficients, centre: NDArray[np.floating]
) -> tuple[Coefficients, Coefficients]:
    """`moved` and `moved_amplitude` with one phase ramp."""
    first, second = space.moved_amplitudes((space.amplitude(density), amplitude), centre)
    return space.density(first), second


def other_hand(space: FieldTransform, volume: Volume) -> Volume:
    """The volume inverted through the origin."""
    density = space.inverted(volume.density)
    matched = density if volume.matched is volume.density else space.inverted(volume.matched)
    amplitude = space.inverted(volume.amplitude)
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
    """Part of the angular variation (all but the mean of each shell) of a density that lies on shells with non-zero weight, 0..1."""
    varying = density[..., : len(radial_weights)].astype(np.float64)
    varying[0, 0] = 0
    varying = np.einsum("mlcr,mlcr->mr", varying, varying)
    varying = (2 * varying.sum(axis=0) - varying[0]) * radial_weights
    return float(varying[weights > 0].sum() / varying.sum()) if varying.sum() > 0 else 0.0


def relative_error(reference: Coefficients, other: Coefficients, radial_weights: NDArray[np.floating]) -> float:
    """int (Re f - Re g)^2 / int (Re f)^2 over the space."""
    n = len(radial_weights)
    f, difference = reference[..., :n], reference[..., :n] - other[..., :n]
    return inner_product(difference, difference, radial_weights) / inner_product(f, f, radial_weights)


def correlation(a: Coefficients, b: Coefficients, radial_weights: NDArray[np.floating]) -> float:
    """Pearson correlation of the real densities over ball or disc, weighted by volume."""
    n = len(radial_weights)
    a, b = _without_mean(a[..., :n], radial_weights), _without_mean(b[..., :n], radial_weights)
    norms = inner_product(a, a, radial_weights) * inner_product(b, b, radial_weights)
    return inner_product(a, b, radial_weights) / float(np.sqrt(norms))


def _without_mean(coef: Coefficients, radial_weights: NDArray[np.floating]) -> Coefficients:
    coef = coef.copy()
    coef[0, 0, 0] -= coef[0, 0, 0] @ radial_weights / radial_weights.sum()
    return coef


def align(
    space: FieldTransform,
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
    error of what is matched is taken.
    """
    n = space.radial.n_points
    f, g = reference.matched[..., :n], candidate.matched[..., :n]
    if from_here:
        best = _turned(space, candidate, space.refine_rotation(f, g, weights))
    else:
        best = _better_hand(space, reference, (candidate, other_hand(space, candidate)), weights)
    if refine_shift:
        best = _shifted_onto(space, reference, best)
    return replace(best, error=relative_error(reference.density, best.density, space.radial.r_weights))


def _better_hand(
    space: FieldTransform, reference: Volume, hands: tuple[Volume, Volume], weights: NDArray[np.floating]
) -> Volume:
    n = space.radial.n_points
    rotations = [space.find_rotation(reference.matched[..., :n], hand.matched[..., :n], weights) for hand in hands]
    errors = [
        relative_error(reference.matched, space.rotated(hand.matched, angles), space.radial.r_weights)
        for hand, angles in zip(hands, rotations)
    ]
    best = int(np.argmin(errors))
    return _turned(space, hands[best], rotations[best])


def _turned(space: FieldTransform, volume: Volume, angles: NDArray[np.float64]) -> Volume:
    density = space.rotated(volume.density, angles)
    matched = density if volume.matched is volume.density else space.rotated(volume.matched, angles)
    return replace(
        volume,
        density=density,
        amplitude=space.rotated(volume.amplitude, angles),
        matched=matched,
        angles=(*volume.angles, angles),
        shift=space.rotation_matrix(angles) @ volume.shift,
    )


def _shifted_onto(space: FieldTransform, reference: Volume, volume: Volume) -> Volume:
    centre = find_shift(space, reference.matched, volume.matched)
    density, amplitude = _nudged(space, volume.density, volume.amplitude, centre)
    matched = density if volume.matched is volume.density else _nudged(space, volume.matched, volume.amplitude, centre)[0]
    return replace(volume, density=density, amplitude=amplitude, matched=matched, shift=volume.shift - centre)


def _nudged(
    space: FieldTransform, density: Coefficients, amplitude: Coefficients, centre: NDArray[np.floating]
) -> tuple[Coefficients, Coefficients]:
    """A small shift: what transform and back leave out of the density (they are inverse to each other only nearly) is kept in place."""
    transform = space.amplitude(density)
    first, second = space.moved_amplitudes((transform, amplitude), centre)
    return density + space.density(first - transform), second


def find_shift(
    space: FieldTransform, f: Coefficients, g: Coefficients, tolerance: float = 0.02, max_steps: int = 10
) -> NDArray[np.float64]:
    """The c (d,) in A such that g(x + c) overlaps best with f (real densities), near c = 0.

    Newton's method on O(c) = <h_f, ramp_c h_g>: with P_a h = q_a h(-q) the (antisymmetric) derivative of the ramp, the
    gradient is <h_f, P_a h_g> and the Hessian -int q_a q_b h_f h_g. Steps are never longer than 1/q_max; it ends after one
    shorter than `tolerance` (A), which leaves far less than that.
    """
    n, q = space.radial.n_points, space.radial.q
    h_f = space.synthesise(space.amplitude(f[..., :n]))[0]
    start: NDArray[np.floating] = space.synthesise(space.amplitude(g[..., :n]))
    h_g = start
    unit, solid = space.directions.reshape(-1, space.dimensions), space.angle_weights
    centre, longest = np.zeros(space.dimensions), 1.0 / space.radial.q_max
    for _ in range(max_steps):
        slope = (h_f * space.point_inverted(h_g[0])) @ (space.radial.q_weights * q) * solid
        bend = (h_f * h_g[0]) @ (space.radial.q_weights * q**2) * solid
        gradient = slope.ravel() @ unit
        hessian = unit.T @ (bend.reshape(-1, 1) * unit)
        curvature, axes = np.linalg.eigh(hessian)
        step = axes @ ((axes.T @ gradient) / np.maximum(np.abs(curvature), np.finfo(float).tiny))
        step *= min(1.0, longest / max(np.linalg.norm(step), np.finfo(float).tiny))
        centre = centre + step
        if np.linalg.norm(step) < tolerance:
            break
        h_g = space.shifted(start, centre)
    return centre


@dataclass(frozen=True)
class Pose:
    """An isometry: points x (..., d) go to ``x @ matrix.T + offset``."""

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


def pose_of(space: FieldTransform, volume: Volume) -> Pose:
    """Where each point of the object as stored lies in the aligned volume: inversion, rotation and shift, after centring."""
    matrix = -np.eye(space.dimensions) if volume.inverted else np.eye(space.dimensions)
    for angles in volume.angles:
        matrix = space.rotation_matrix(angles) @ matrix
    return Pose(matrix, volume.shift - matrix @ volume.centre)
