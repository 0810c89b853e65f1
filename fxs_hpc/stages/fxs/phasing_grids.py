"""Grids of a reconstruction, from the settings and what the data say about the particle."""

import math

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Geometry, PlaneGeometry
from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.fluctuation import phasing_data
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

_MARGIN = 0.6
"""Radius of the particle about its centre in units of its largest distance: 1/2 for a ball or disc, at most sqrt(3/8) in space and
sqrt(1/3) in the plane (Jung's theorem)."""


def radial_grid(settings: Reconstruct, data: InvariantData) -> RadialGrid:
    """Shells (rings) of the reconstruction."""
    grid, fourier = settings.grid, settings.fourier_transform
    n_points = len(data.q) if grid.n_radial_points == "data" else grid.n_radial_points
    q_max = grid.max_q or float(data.q[-1])
    return RadialGrid(n_points, q_max, fourier.reciprocity_coefficient, fourier.type, settings.dimensions)


def _radius(settings: Reconstruct, data: InvariantData) -> float:
    """Radius of the particle: grid.amplitude_radius, or 0.6 of the largest distance seen in <I>(q), at most particle_radius."""
    distance = phasing_data.largest_distance(data.q, data.average_intensity, dimensions=data.dimensions)
    return settings.grid.amplitude_radius or min(settings.particle_radius, _MARGIN * distance)


def amplitude_order(settings: Reconstruct, data: InvariantData, q_max: float) -> int:
    """Angular band limit of the amplitudes: what q_max times the particle's radius asks for, and 6 more."""
    grid = settings.grid
    if grid.amplitude_order != "auto":
        return int(grid.amplitude_order)
    return max(grid.max_order, math.ceil(q_max * _radius(settings, data)) + 6)


def geometry(settings: Reconstruct, data: InvariantData) -> Geometry | PlaneGeometry:
    """Grids of the reconstruction.

    Raises
    ------
    DataError
        The data have another dimension than the settings.
    SettingsError
        The grid does not hold the particle, or does not carry its orders.
    """
    if data.dimensions != settings.dimensions:
        raise DataError(
            f"the invariants are {data.dimensions}D, the settings say dimensions: {settings.dimensions}; give the same dimensions to "
            "simulate_ccd or correlate, extract, and reconstruct"
        )
    radial = radial_grid(settings, data)
    if radial.r_max < settings.particle_radius:
        raise SettingsError(
            f"particle_radius: {settings.particle_radius:g} A does not fit the grid, whose radius is x N / q_max = {radial.r_max:.4g} A; "
            "raise grid.n_radial_points or fourier_transform.reciprocity_coefficient, or lower grid.max_q"
        )
    order = amplitude_order(settings, data, radial.q_max)
    reciprocal = settings.projections.reciprocal
    real = "assert_real" in settings.projections.real.projections.apply or reciprocal.odd_orders_to_0
    if settings.dimensions == 2:
        circle = _circle(settings, order)
        return PlaneGeometry(radial, circle, order, complex_density=not real or circle.n_phi % 2 == 1)
    return Geometry(radial, _sphere(settings, order), order, complex_density=not real)


def _sphere(settings: Reconstruct, order: int) -> AngularGrid:
    grid, used = settings.grid, max(settings.projections.reciprocal.used_order_ids)
    chosen = AngularGrid.shtns(order) if grid.angular_grid == "shtns" else AngularGrid.alias_free(order, used)
    angular = AngularGrid(grid.n_theta or chosen.n_theta, grid.n_phi or chosen.n_phi)
    if angular.n_theta % 4 or angular.n_phi % 2 or angular.n_theta <= order or angular.n_phi < 2 * order + 2:
        raise SettingsError(
            f"grid: n_theta x n_phi = {angular.n_theta} x {angular.n_phi} cannot carry amplitudes of order {order}; n_theta must be a "
            f"multiple of 4 and at least {order + 1}, n_phi even and at least {2 * order + 2}; 0 has them chosen"
        )
    return angular


def _circle(settings: Reconstruct, order: int) -> CircleGrid:
    grid, used = settings.grid, max(settings.projections.reciprocal.used_order_ids)
    chosen = CircleGrid.reference(order) if grid.angular_grid == "shtns" else CircleGrid.alias_free(order, used)
    angular = CircleGrid(grid.n_phi or chosen.n_phi)
    if angular.max_order < order:
        raise SettingsError(
            f"grid.n_phi: {angular.n_phi} angles cannot carry amplitudes of order {order}; it must be at least {2 * order + 1}; 0 has it "
            "chosen"
        )
    return angular


def describe(grids: Geometry | PlaneGeometry) -> str:
    """The grid in words."""
    shells = "shells" if isinstance(grids, Geometry) else "rings"
    size = f"{grids.radial.n_points} {shells}, {' x '.join(map(str, grids.angular.shape))} angles"
    kind = "complex" if grids.complex_density else "real"
    return f"{size}, amplitudes to order {grids.amplitude_order}, {kind} density"


def warnings(settings: Reconstruct, data: InvariantData, grids: Geometry | PlaneGeometry) -> list[str]:
    """What a user should know before the run."""
    lines = []
    radius, order = min(_radius(settings, data), settings.particle_radius), grids.amplitude_order
    if order < math.floor(grids.radial.q_max * radius):
        lines.append(
            f"amplitudes are cut at order {order}, but q_max times the particle's radius is {grids.radial.q_max * radius:.0f}: detail at "
            "high q is lost"
        )
    needed = _alias_free(settings, grids)
    if settings.projections.reciprocal.keep_unknown_orders and needed:
        found = " x ".join(map(str, grids.angular.shape))
        lines.append(f"keep_unknown_orders on an aliased grid ({found}; alias-free: {needed}) is worse than not keeping them")
    applied = settings.projections.real.projections.apply
    if not grids.complex_density and "assert_real" not in applied:
        lines.append("odd orders of the intensity are 0 and the start is real: the density stays real, no imaginary part is carried")
    if isinstance(grids, PlaneGeometry) and grids.angular.n_phi % 2:
        lines.append(f"n_phi = {grids.angular.n_phi} is odd: the density is computed as a complex one, at twice the cost")
    particles = settings.projections.reciprocal.number_of_particles
    if data.n_particles > 0 and not particles.estimate and not math.isclose(data.n_particles, particles.initial):
        lines.append(
            f"the data are of {data.n_particles:g} particles per pattern, projections.reciprocal.number_of_particles.initial is "
            f"{particles.initial:g}: order 0 does not fit the others"
        )
    return lines


def _alias_free(settings: Reconstruct, grids: Geometry | PlaneGeometry) -> str:
    """The smallest grid without aliases where that of the run is smaller, in words; else nothing."""
    order, used = grids.amplitude_order, max(settings.projections.reciprocal.used_order_ids)
    enough = grids.angular.n_phi >= 2 * order + used + 1
    if isinstance(grids, PlaneGeometry):
        return "" if enough else str(CircleGrid.alias_free(order, used).n_phi)
    needed = AngularGrid.alias_free(order, used)
    return "" if enough and grids.angular.n_theta >= needed.n_theta else f"{needed.n_theta} x {needed.n_phi}"
