"""Grids of a reconstruction, from the settings and what the data say about the particle."""

import math

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Geometry
from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.fluctuation import phasing_data
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid

_SPHERE_MARGIN = 0.6
"""Radius of the particle about its centre in units of its largest distance: 1/2 for a ball, at most sqrt(3/8) (Jung's theorem)."""


def radial_grid(settings: Reconstruct, data: InvariantData) -> RadialGrid:
    """Shells of the reconstruction."""
    grid, fourier = settings.grid, settings.fourier_transform
    n_points = len(data.q) if grid.n_radial_points == "data" else grid.n_radial_points
    return RadialGrid(n_points, grid.max_q or float(data.q[-1]), fourier.reciprocity_coefficient, fourier.type)


def amplitude_order(settings: Reconstruct, data: InvariantData, q_max: float) -> int:
    """Angular band limit of the amplitudes: what q_max times the particle's radius asks for, and 6 more.

    The radius is grid.amplitude_radius, or estimated from the data: 0.6 of the largest distance seen in <I>(q), at most
    particle_radius.
    """
    grid = settings.grid
    if grid.amplitude_order != "auto":
        return int(grid.amplitude_order)
    radius = grid.amplitude_radius
    if not radius:
        radius = min(settings.particle_radius, _SPHERE_MARGIN * phasing_data.largest_distance(data.q, data.average_intensity))
    return max(grid.max_order, math.ceil(q_max * radius) + 6)


def geometry(settings: Reconstruct, data: InvariantData) -> Geometry:
    """Grids of the reconstruction.

    Raises
    ------
    SettingsError
        The grid does not hold the particle, or does not carry its orders.
    """
    if settings.dimensions != 3:
        raise SettingsError(f"dimensions: {settings.dimensions} is not available yet in reconstruct; use dimensions: 3")
    if data.dimensions != settings.dimensions:
        raise DataError(f"the invariants are {data.dimensions}D, the settings say dimensions: {settings.dimensions}")
    radial = radial_grid(settings, data)
    if radial.r_max < settings.particle_radius:
        raise SettingsError(
            f"particle_radius: {settings.particle_radius:g} A does not fit the grid, whose radius is x N / q_max = {radial.r_max:.4g} A; "
            "raise grid.n_radial_points or fourier_transform.reciprocity_coefficient, or lower grid.max_q"
        )
    order, grid = amplitude_order(settings, data, radial.q_max), settings.grid
    used = max(settings.projections.reciprocal.used_order_ids)
    chosen = AngularGrid.shtns(order) if grid.angular_grid == "shtns" else AngularGrid.alias_free(order, used)
    angular = AngularGrid(grid.n_theta or chosen.n_theta, grid.n_phi or chosen.n_phi)
    if angular.n_theta % 4 or angular.n_phi % 2 or angular.n_theta <= order or angular.n_phi < 2 * order + 2:
        raise SettingsError(
            f"grid: n_theta x n_phi = {angular.n_theta} x {angular.n_phi} cannot carry amplitudes of order {order}; n_theta must be a "
            f"multiple of 4 and at least {order + 1}, n_phi even and at least {2 * order + 2}; 0 has them chosen"
        )
    real = "assert_real" in settings.projections.real.projections.apply or settings.projections.reciprocal.odd_orders_to_0
    return Geometry(radial, angular, order, complex_density=not real)


def warnings(settings: Reconstruct, data: InvariantData, grids: Geometry) -> list[str]:
    """What a user should know before the run."""
    lines = []
    angular, order = grids.angular, grids.amplitude_order
    used = max(settings.projections.reciprocal.used_order_ids)
    needed = AngularGrid.alias_free(order, used)
    radius = settings.grid.amplitude_radius or _SPHERE_MARGIN * phasing_data.largest_distance(data.q, data.average_intensity)
    radius = min(radius, settings.particle_radius)
    if order < math.floor(grids.radial.q_max * radius):
        lines.append(
            f"amplitudes are cut at order {order}, but q_max times the particle's radius is {grids.radial.q_max * radius:.0f}: detail at "
            "high q is lost"
        )
    aliased = angular.n_theta < needed.n_theta or angular.n_phi < 2 * order + used + 1
    if settings.projections.reciprocal.keep_unknown_orders and aliased:
        lines.append(
            f"keep_unknown_orders on an aliased grid ({angular.n_theta} x {angular.n_phi}; alias-free: {needed.n_theta} x {needed.n_phi}) "
            "is worse than not keeping them"
        )
    if not grids.complex_density and "assert_real" not in settings.projections.real.projections.apply:
        lines.append("odd orders of the intensity are 0 and the start is real: the density stays real, no imaginary part is carried")
    return lines
