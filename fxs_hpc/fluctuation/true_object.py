"""The true object of a simulation, as something that can be laid onto a reconstruction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from fxs_hpc.fluctuation import shapes as solids
from fxs_hpc.fluctuation.alignment import centre_of_mass
from fxs_hpc.fluctuation.field_transform import FieldTransform
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.harmonics.wigner import Coefficients

Model = solids.Model | PlaneModel
Sampler = Callable[[NDArray[np.float64]], NDArray[np.floating]]


@dataclass(frozen=True)
class Truth:
    """The true object, its centre of mass at the origin: density at points (..., d) in A, outer radius in A, band-limited density."""

    density_at: Sampler
    outer_radius: float
    band_limited: Coefficients


def truth_of(model: Model, space: FieldTransform) -> Truth:
    """Truth from the exact shapes of a model where it has them, else from its samples."""
    return truth_of_shapes(model.shapes, space) if model.shapes else truth_of_samples(model, space)


def truth_of_shapes(shapes: Sequence[solids.Body], space: FieldTransform) -> Truth:
    """Truth from exact shapes: analytic amplitudes up to q_max, so no error of sampling enters the band-limited density."""
    sampled = on_grid(space, lambda points: solids.density_at(shapes, points), solids.outer_radius(shapes))
    centre = centre_of_mass(space, sampled)
    field = _amplitude_field(space, lambda q: solids.amplitude(shapes, q) * np.exp(1j * (q @ centre)))
    return Truth(
        lambda points: solids.density_at(shapes, points + centre),
        max(float(np.linalg.norm(np.asarray(shape.center) - centre)) + shape.circumradius for shape in shapes),
        space.density(space.analyse(field[None])),
    )


def truth_of_samples(model: Model, space: FieldTransform) -> Truth:
    """Truth from a density sampled on a spherical or polar grid: linear interpolation, zero outside."""
    at = _plane_sampler(model) if isinstance(model, PlaneModel) else _ball_sampler(model)
    centre = centre_of_mass(space, on_grid(space, at))
    sampled = on_grid(space, lambda points: at(points + centre))
    outer = space.radial.r[(sampled > 0).any(axis=tuple(range(sampled.ndim - 1)))].max(initial=0.0)
    return Truth(
        lambda points: at(points + centre), float(outer), space.density(space.amplitude(space.analyse(sampled[None])))
    )


def on_grid(space: FieldTransform, density: Sampler, reach: float = np.inf) -> NDArray[np.float64]:
    """Field (..., N) of a density at the grid points; shells beyond `reach` (A) stay zero."""
    field = np.zeros((*space.shape, space.radial.n_points))
    for shell in np.flatnonzero(space.radial.r <= reach):
        field[..., shell] = density(space.radial.r[shell] * space.directions)
    return field


def _amplitude_field(space: FieldTransform, amplitude: Callable[[NDArray], NDArray]) -> NDArray[np.float64]:
    """The real field h = Re F + Im F on the q grid; in space F is evaluated on one half of the sphere, F(-q) = F*(q) gives the other."""
    rows = (space.shape[0] + 1) // 2 if space.dimensions == 3 else space.shape[0]
    values = np.zeros((*space.shape, space.radial.n_points), dtype=complex)
    for shell, q in enumerate(space.radial.q):
        values[:rows, ..., shell] = amplitude(q * space.directions[:rows])
    if rows < len(values):
        values[rows:] = space.point_inverted(values)[rows:].conj()
    return values.real + values.imag


def _ball_sampler(model: solids.Model) -> Sampler:
    phi, density = _closed(model.phi, model.density)
    poles = [density[:, row].mean(axis=1, keepdims=True)[:, None].repeat(len(phi), axis=2) for row in (0, -1)]
    theta = np.concatenate([[0.0], model.theta, [np.pi]])
    r, density = _with_centre(model.r, np.concatenate([poles[0], density, poles[1]], axis=1))
    table = RegularGridInterpolator((r, theta, phi), density, bounds_error=False, fill_value=0.0)

    def at(points: NDArray[np.float64]) -> NDArray[np.floating]:
        radius = np.linalg.norm(points, axis=-1)
        polar = np.arccos(np.clip(points[..., 2] / np.maximum(radius, 1e-300), -1, 1))
        return np.asarray(table(np.stack([radius, polar, _azimuth(points, phi[0])], axis=-1)))

    return at


def _plane_sampler(model: PlaneModel) -> Sampler:
    phi, density = _closed(model.phi, model.density)
    r, density = _with_centre(model.r, density)
    table = RegularGridInterpolator((r, phi), density, bounds_error=False, fill_value=0.0)
    return lambda points: np.asarray(table(np.stack([np.linalg.norm(points, axis=-1), _azimuth(points, phi[0])], axis=-1)))


def _closed(phi: NDArray[np.float64], density: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """The first azimuth once more at the end."""
    return np.concatenate([phi, [phi[0] + 2 * np.pi]]), np.concatenate([density, density[..., :1]], axis=-1)


def _with_centre(r: NDArray[np.float64], density: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    """The innermost shell once more at r = 0."""
    return (np.concatenate([[0.0], r]), np.concatenate([density[:1], density])) if r[0] > 0 else (r, density)


def _azimuth(points: NDArray[np.float64], first: float) -> NDArray[np.float64]:
    return np.asarray((np.arctan2(points[..., 1], points[..., 0]) - first) % (2 * np.pi) + first)
