"""From the settings of `reconstruct` and its input data to a phasing problem: plain values that a worker process needs."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.loops import SubLoop
from fxs_hpc.config.ramps import ExponentialRamp, LinearRamp
from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Constraints, Geometry, Precision
from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.fxs import density_guess, phasing, phasing_data, schedule
from fxs_hpc.fxs.invariants import InvariantData
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid

_SPHERE_MARGIN = 0.55
"""Radius of the particle about its centre in units of its largest distance, with a tenth to spare."""

_SINGLE_RANGE = (1e-15, 1e16)
"""Intensities whose products, summed over the shells, single precision can hold."""

_FEEDBACK = frozenset({"support", "value_threshold", "limit_imag"})


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


def radial_grid(settings: Reconstruct, data: InvariantData) -> RadialGrid:
    """Shells of the reconstruction."""
    grid, fourier = settings.grid, settings.fourier_transform
    n_points = len(data.q) if grid.n_radial_points == "data" else grid.n_radial_points
    return RadialGrid(n_points, grid.max_q or float(data.q[-1]), fourier.reciprocity_coefficient, fourier.type)


def amplitude_order(settings: Reconstruct, data: InvariantData, q_max: float) -> int:
    """Angular band limit of the amplitudes: what q_max times the particle's radius asks for, and 6 more.

    The radius is grid.amplitude_radius, or estimated from the data: 0.55 of the largest distance seen in <I>(q), at most
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
            f"particle_radius: {settings.particle_radius:g} A does not fit the grid, whose radius is x N / q_max = {radial.r_max:.4g} A; raise "
            "grid.n_radial_points or fourier_transform.reciprocity_coefficient, or lower grid.max_q"
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
    if order < math.floor(grids.radial.q_max * min(radius, settings.particle_radius)):
        lines.append(
            f"amplitudes are cut at order {order}, but q_max times the particle's radius is {grids.radial.q_max * radius:.0f}: detail at high q is lost"
        )
    aliased = angular.n_theta < needed.n_theta or angular.n_phi < 2 * order + used + 1
    if settings.projections.reciprocal.keep_unknown_orders and aliased:
        lines.append(
            f"keep_unknown_orders on an aliased grid ({angular.n_theta} x {angular.n_phi}; alias-free: {needed.n_theta} x {needed.n_phi}) is "
            "worse than not keeping them"
        )
    if not grids.complex_density and "assert_real" not in settings.projections.real.projections.apply:
        lines.append("odd orders of the intensity are 0 and the start is real, so the density stays real: the imaginary part is not carried")
    return lines


def constraints(settings: Reconstruct, data: InvariantData, grids: Geometry) -> Constraints:
    """Constraints of the loop, from the settings and the data."""
    real, reciprocal, radial = settings.projections.real.projections, settings.projections.reciprocal, grids.radial
    lower, upper = (-np.inf, np.inf)
    if "value_threshold" in real.apply:
        low, high = real.value_threshold.threshold
        lower, upper = (-np.inf if low is False else low), (np.inf if high is False else high)
    if not lower <= 0 <= upper:
        raise SettingsError(
            f"projections.real.projections.value_threshold.threshold: [{lower:g}, {upper:g}] does not contain 0, the density outside the "
            "particle; use lower <= 0 <= upper"
        )
    if "limit_imag" in real.apply and real.limit_imag.threshold == 0:
        raise SettingsError("projections.real.projections.limit_imag.threshold: 0 leaves no imaginary part; apply assert_real instead")
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


def _exponential(ramp: ExponentialRamp) -> schedule.Ramp:
    if ramp.constant:
        return lambda step: ramp.start
    return schedule.exponential_ramp(ramp.start, float(ramp.stop), float(ramp.exponent), float(ramp.stop_argument))


def _linear(ramp: LinearRamp, own_default: float) -> schedule.Ramp:
    start = own_default if ramp.start is False else ramp.start
    if ramp.constant:
        return lambda call: start
    stop = own_default if ramp.stop is False else ramp.stop
    slope = ramp.slope or (stop - start) / float(ramp.stop_argument)
    return schedule.linear_ramp(start, stop, float(slope))


def _method(name: str, loop: SubLoop, where: str) -> schedule.Method:
    settings, base = loop.methods[name], name.removesuffix("_ft_stab")
    if base not in ("HIO", "ER", "RAAR", "SW"):
        raise SettingsError(f"{where}.methods.{name} is not available yet; use HIO, ER, RAAR and SW")
    if not isinstance(settings.ft_stab, bool):
        raise SettingsError(f"{where}.methods.{name}.ft_stab: {settings.ft_stab!r} is not available yet; use True or False")
    return schedule.Method(base, settings.iterations, settings.ft_stab or name.endswith("_ft_stab"))


def blocks(settings: Reconstruct, q_max: float) -> list[schedule.Block]:
    """The sub loops of the settings as blocks of the schedule."""
    real, loops = settings.projections.real, settings.main_loop.sub_loops
    considered = real.HIO.considered_projections
    feedback = _FEEDBACK if "all" in considered else frozenset(considered)
    found = []
    for number, name in enumerate(loops.order):
        loop = loops.loops[name]

        def of(values: tuple, number: int = number) -> ExponentialRamp | LinearRamp:
            return values[min(number, len(values) - 1)]

        resolutions = settings.main_loop.resolution_schedule
        found.append(
            schedule.Block(
                name,
                [_method(method, loop, f"main_loop.sub_loops.{name}") for method in loop.order],
                loop.iterations,
                _exponential(of(real.HIO.beta)),
                _exponential(of(real.RAAR.beta)),
                _linear(of(real.shrink_wrap.sigmas), np.pi / q_max),
                _linear(of(real.shrink_wrap.thresholds), 0.0),
                feedback,
                loop.best_density_not_in_first_n_iterations,
                of(resolutions) if resolutions else (),
            )
        )
    return found


def rules(settings: Reconstruct, q: NDArray[np.float64]) -> phasing.Rules:
    """Errors and support rules of the loop."""
    methods = settings.main_loop.error.methods
    enforce = settings.projections.real.projections.support.enforce_initial_support
    above = enforce.if_error_bigger_than if enforce.if_error_bigger_than is not False else -np.inf
    names = {space: getattr(methods, space).calculate for space in ("real", "reciprocal")}
    main = {space: getattr(methods.main.metrics, space) for space in ("real", "reciprocal")}
    return phasing.Rules(
        q=q,
        blur=phasing.flat_top if settings.projections.real.shrink_wrap.kernel == "flat_top" else phasing.gaussian,
        enforce_above=above if enforce.apply else np.inf,
        metrics=tuple(f"{space}/{name}" for space in names for name in names[space]),
        main=tuple(f"{space}/{name}" for space in main for name in main[space]),
        combine=methods.main.type,
    )


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
    if precision == "single" and not _SINGLE_RANGE[0] < np.abs(average).max() < _SINGLE_RANGE[1]:
        raise DataError(
            f"intensities of {np.abs(average).max():.1e} leave the range of single precision when they are squared; set precision = double in "
            "config.ini, or bring the data to another unit"
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
