"""From the settings of `reconstruct` and its input data to a phasing problem: plain values that a worker process needs."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Constraints, Geometry, Precision
from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.fluctuation import density_guess, phasing, phasing_data, schedule
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.harmonics.grids import RadialGrid
from fxs_hpc.stages.fxs.phasing_grids import geometry
from fxs_hpc.stages.fxs.phasing_schedule import blocks, rules

_SINGLE_RANGE = (1e-15, 1e16)
"""Intensities whose products, summed over the shells, single precision can hold."""

@dataclass(frozen=True)
class Problem:
    """Everything that fixes a reconstruction but its number.

    Parameters
    ----------
    guess : (N, n_theta, n_phi) envelope of the starting density.
    total : int rho^2 of the starting density.
    signal_to_noise, seed : of the random factor on the envelope.
    initial_support : (N, n_theta, n_phi).
    """

    geometry: Geometry
    constraints: Constraints
    operations: tuple[schedule.Operation, ...]
    rules: phasing.Rules
    guess: NDArray[np.float64]
    total: float
    signal_to_noise: float
    seed: int
    initial_support: NDArray[np.bool_]
    precision: Precision

    def start(self, reconstruction: int) -> NDArray[np.float64]:
        """Starting density of one reconstruction, before it is band limited."""
        factor = density_guess.random_factor(self.guess.shape, self.signal_to_noise, self.seed, reconstruction)
        return density_guess.scaled(self.guess * factor, self.geometry.radial, self.geometry.angular, self.total)


def constraints(settings: Reconstruct, data: InvariantData, grids: Geometry) -> Constraints:
    """Constraints of the loop, from the settings and the data."""
    real, reciprocal, radial = settings.projections.real.projections, settings.projections.reciprocal, grids.radial
    lower, upper = (-np.inf, np.inf)
    if "value_threshold" in real.apply:
        low, high = real.value_threshold.threshold
        lower, upper = (-np.inf if low is False else low), (np.inf if high is False else high)
    options = phasing_data.ConstraintOptions(
        reciprocal.used_order_ids,
        reciprocal.regrid.interpolation,
        reciprocal.odd_orders_to_0,
        reciprocal.use_averaged_intensity,
        reciprocal.number_of_particles.initial,
        reciprocal.rank_tolerance,
        reciprocal.scale,
    )
    known = [_known(settings, data, order, radial.q) for order in range(max(reciprocal.used_order_ids) + 1)]
    reference = settings.preset == "reference"
    if not grids.complex_density:
        options = replace(options, orders=tuple(order for order in options.orders if order % 2 == 0))
    return Constraints(
        reciprocal=phasing_data.reciprocal_constraint(data, radial.q, options, known),
        keep_unknown_orders=reciprocal.keep_unknown_orders,
        lower=lower,
        upper=upper,
        largest_imag=real.limit_imag.threshold if "limit_imag" in real.apply else np.inf,
        use_support="support" in real.apply,
        error_radial_weights=_trapezium(radial) if reference else None,
        stabilised_from=1 if reference else 0,
        r_max_convention="reference" if reference else "exact",
    )


def _trapezium(radial: RadialGrid) -> NDArray[np.float64]:
    weights = np.gradient(radial.r)
    weights[[0, -1]] /= 2
    return weights * radial.r**2


def _known(settings: Reconstruct, data: InvariantData, order: int, q: NDArray[np.float64]) -> NDArray[np.bool_]:
    mask = settings.projections.reciprocal.q_mask
    if mask.type == "from_projection_matrices":
        return phasing_data.inside_limits(data, order, q)
    if mask.type == "none":
        return np.ones(len(q), bool)
    if mask.manual.type == "order_dependent_line":
        return phasing_data.above_line(order, q, mask.manual.order_dependent_line)
    low, high = mask.manual.region
    return (q >= low) & (q <= (np.inf if high is False else high))


def problem(settings: Reconstruct, data: InvariantData, seed: int, precision: Precision) -> Problem:
    """Everything a worker needs to make any of the reconstructions."""
    grids = geometry(settings, data)
    limits = constraints(settings, data, grids)
    radial, angular = grids.radial, grids.angular
    narrowest = float(radial.q.max())
    shape = (radial.n_points, angular.n_theta, angular.n_phi)
    average = limits.reciprocal.spherical_average
    if average is None:
        average = 2 * np.sqrt(np.pi) * phasing_data.regrid(data.average_intensity, data.q, radial.q, "cubic")
    if not np.abs(average).max() > 0:
        raise DataError("average_intensity is zero throughout the shells of the reconstruction; check the invariants and grid.max_q")
    if precision == "single" and not _SINGLE_RANGE[0] < np.abs(average).max() < _SINGLE_RANGE[1]:
        raise DataError(
            f"intensities of {np.abs(average).max():.1e} leave the range of single precision when they are squared; set precision = double "
            "in config.ini, or bring the data to another unit"
        )
    return Problem(
        geometry=grids,
        constraints=limits,
        operations=schedule.schedule(blocks(settings, narrowest)),
        rules=rules(settings, radial.q),
        guess=np.ascontiguousarray(np.broadcast_to(_envelope(settings, grids, limits, average), shape)),
        # Parseval: int rho^2 = int |F|^2 = 4 pi int <I> q^2 dq, with I_00 = 2 sqrt(pi) <I>.
        total=float(2 * np.sqrt(np.pi) * (radial.q_weights @ average)),
        signal_to_noise=settings.density_guess.random.SNR,
        seed=seed,
        initial_support=_initial_support(settings, grids, limits, average),
        precision=precision,
    )


def _autocorrelation(grids: Geometry, limits: Constraints, average: NDArray[np.float64]) -> NDArray[np.float64]:
    constraint = limits.reciprocal
    coefficients = density_guess.intensity_coefficients(dict(constraint.projection_matrices), average, constraint.max_order)
    return density_guess.autocorrelation(grids.radial, grids.angular, coefficients)


def _envelope(settings: Reconstruct, grids: Geometry, limits: Constraints, average: NDArray[np.float64]) -> NDArray[np.float64]:
    guess, r = settings.density_guess, grids.radial.r[:, None, None]
    radius = guess.radius if guess.radius >= 0 else grids.radial.r_max * (1 + 1e-9)
    if guess.type == "ball":
        return density_guess.ball(r, radius)
    if guess.type == "bump":
        return density_guess.bump(r, radius, guess.bump.slope)
    correlation = np.maximum(_autocorrelation(grids, limits, average), 0)
    correlation[correlation < guess.low_resolution_autocorrelation.threshold_to_max * correlation.max()] = 0
    return correlation * density_guess.bump(r, radius, 0.1)


def _initial_support(
    settings: Reconstruct, grids: Geometry, limits: Constraints, average: NDArray[np.float64]
) -> NDArray[np.bool_]:
    support, r = settings.projections.real.projections.support.initial_support, grids.radial.r[:, None, None]
    shape = (grids.radial.n_points, grids.angular.n_theta, grids.angular.n_phi)
    if support.type == "max_radius":
        inside = np.broadcast_to(r < support.max_radius, shape)
    else:
        correlation = _autocorrelation(grids, limits, average)
        inside = (correlation >= support.auto_correlation.threshold * correlation.max()) & (r <= settings.particle_radius)
    if not inside.any():
        raise SettingsError("projections.real.projections.support.initial_support: no voxel lies inside; enlarge its radius")
    return np.ascontiguousarray(inside)
