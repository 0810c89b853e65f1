"""Where a reconstruction starts: envelope of the random density, its norm, and the initial support."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Constraints, Geometry, PlaneGeometry
from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation import density_guess, phasing_data


def _radii(grids: Geometry | PlaneGeometry) -> NDArray[np.float64]:
    """r of the voxels, to be broadcast against a density."""
    return grids.radial.r.reshape(-1, *[1] * len(grids.angular.shape))


def norm(grids: Geometry | PlaneGeometry, order_0: NDArray[np.float64]) -> float:
    """int rho^2 = int |F|^2 = surface x int <I> q^(d-1) dq (Parseval), with I_0 = `isotropic` x <I> on the grid's q."""
    surface = 4 * np.pi if isinstance(grids, Geometry) else 2 * np.pi
    average = order_0 / phasing_data.isotropic(grids.radial.dimensions)
    return float(surface * (grids.radial.q_weights @ average))


def autocorrelation(grids: Geometry | PlaneGeometry, limits: Constraints, order_0: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse Fourier transform of the intensity whose unknowns are all 1, shaped as a density."""
    constraint = limits.reciprocal
    if isinstance(grids, Geometry):
        matrices = dict(constraint.projection_matrices)
        coefficients = density_guess.intensity_coefficients(matrices, order_0, constraint.max_order)
        return density_guess.autocorrelation(grids.radial, grids.angular, coefficients)
    rows = np.zeros((constraint.max_order + 1, len(order_0)), complex)
    rows[0] = order_0
    for order, vector in constraint.projection_matrices.items():
        rows[order] = vector[:, 0]
    return density_guess.plane_autocorrelation(grids.radial, grids.angular, rows)


def envelope(
    settings: Reconstruct, grids: Geometry | PlaneGeometry, limits: Constraints, order_0: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Envelope of the starting density."""
    guess, r = settings.density_guess, _radii(grids)
    radius = guess.radius if guess.radius >= 0 else grids.radial.r_max * (1 + 1e-9)
    if guess.type == "ball":
        found = density_guess.ball(r, radius)
    elif guess.type == "bump":
        found = density_guess.bump(r, radius, guess.bump.slope)
    else:
        correlation = np.maximum(autocorrelation(grids, limits, order_0), 0)
        correlation[correlation < guess.low_resolution_autocorrelation.threshold_to_max * correlation.max()] = 0
        found = correlation * density_guess.bump(r, radius, 0.1)
    return np.ascontiguousarray(np.broadcast_to(found, grids.shape))


def initial_support(
    settings: Reconstruct, grids: Geometry | PlaneGeometry, limits: Constraints, order_0: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Support at the start.

    Raises
    ------
    SettingsError
        No voxel lies inside.
    """
    support, r = settings.projections.real.projections.support.initial_support, _radii(grids)
    if support.type == "max_radius":
        inside = np.broadcast_to(r < support.max_radius, grids.shape)
    else:
        correlation = autocorrelation(grids, limits, order_0)
        inside = (correlation >= support.auto_correlation.threshold * correlation.max()) & (r <= settings.particle_radius)
    if not inside.any():
        raise SettingsError("projections.real.projections.support.initial_support: no voxel lies inside; enlarge its radius")
    return np.ascontiguousarray(inside)
