"""From the settings of `reconstruct` and its input data to a phasing problem: plain values that a worker process needs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Constraints, Geometry, PlaneGeometry, Precision
from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation import density_guess, phasing, phasing_data, schedule
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.harmonics.grids import CircleGrid
from fxs_hpc.stages.fxs import phasing_start
from fxs_hpc.stages.fxs.phasing_grids import geometry
from fxs_hpc.stages.fxs.phasing_schedule import blocks, rules

_SINGLE_RANGE = (1e-15, 1e16)
"""Intensities whose products, summed over the shells, single precision can hold."""


@dataclass(frozen=True)
class Problem:
    """Everything that fixes a reconstruction but its number.

    Parameters
    ----------
    guess : envelope of the starting density, shaped as a density.
    total : int rho^2 of the starting density.
    signal_to_noise, seed : of the random factor on the envelope.
    initial_support : shaped as a density.
    profiled : the reconstruction that writes a profile of its process; None: none does.
    """

    geometry: Geometry | PlaneGeometry
    constraints: Constraints
    operations: tuple[schedule.Operation, ...]
    rules: phasing.Rules
    guess: NDArray[np.float64]
    total: float
    signal_to_noise: float
    seed: int
    initial_support: NDArray[np.bool_]
    precision: Precision
    profiled: int | None = None

    def start(self, reconstruction: int) -> NDArray[np.float64]:
        """Starting density of one reconstruction, before it is band limited."""
        factor = density_guess.random_factor(self.guess.shape, self.signal_to_noise, self.seed, reconstruction)
        volumes = density_guess.voxels(self.geometry.radial, self.geometry.angular)
        return density_guess.scaled(self.guess * factor, volumes, self.total)


def constraints(settings: Reconstruct, data: InvariantData, grids: Geometry | PlaneGeometry) -> Constraints:
    """Constraints of the loop, from the settings and the data."""
    real, reciprocal, radial = settings.projections.real.projections, settings.projections.reciprocal, grids.radial
    lower, upper = (-np.inf, np.inf)
    if "value_threshold" in real.apply:
        low, high = real.value_threshold.threshold
        lower, upper = (-np.inf if low is False else low), (np.inf if high is False else high)
    known = [_known(settings, data, order, radial.q) for order in range(max(reciprocal.used_order_ids) + 1)]
    reference = settings.preset == "reference"
    return Constraints(
        reciprocal=phasing_data.reciprocal_constraint(data, radial.q, _options(settings, grids), known),
        keep_unknown_orders=reciprocal.keep_unknown_orders,
        lower=lower,
        upper=upper,
        largest_imag=_largest_imag(settings),
        use_support="support" in real.apply,
        error_radial_weights=_trapezium(grids) if reference else None,
        stabilised_from=1 if reference else 0,
        r_max_convention="reference" if reference else "exact",
        averaged_shells=real.average_center.max_radial_id if "average_center" in real.apply else 0,
        error_inside_initial_support=settings.main_loop.error.methods.real.l2_projection_diff.inside_initial_support,
    )


def _options(settings: Reconstruct, grids: Geometry | PlaneGeometry) -> phasing_data.ConstraintOptions:
    reciprocal = settings.projections.reciprocal
    # The intensity of a real density has even orders alone.
    orders = tuple(order for order in reciprocal.used_order_ids if grids.complex_density or order % 2 == 0)
    freedom = reciprocal.SO_freedom
    return phasing_data.ConstraintOptions(
        orders,
        reciprocal.regrid.interpolation,
        reciprocal.odd_orders_to_0,
        reciprocal.use_averaged_intensity,
        reciprocal.number_of_particles.initial,
        reciprocal.rank_tolerance,
        reciprocal.scale,
        freedom.radial_high_pass if freedom.use else None,
    )


def _largest_imag(settings: Reconstruct) -> float:
    """Imaginary parts of this size are set to 0; all of them where the density is real by assertion but the grid carries both parts."""
    real = settings.projections.real.projections
    if "assert_real" in real.apply:
        return 0.0
    return real.limit_imag.threshold if "limit_imag" in real.apply else np.inf


def _trapezium(grids: Geometry | PlaneGeometry) -> NDArray[np.float64]:
    """The reference program's quadrature of the error: trapezoidal in r, and in the plane in phi without its last wedge."""
    radial = grids.radial
    weights = np.gradient(radial.r)
    weights[[0, -1]] /= 2
    shells = weights * radial.r ** (radial.dimensions - 1)
    if not isinstance(grids.angular, CircleGrid):
        return np.asarray(shells)
    angles = np.ones(grids.angular.n_phi)
    angles[[0, -1]] /= 2
    return np.outer(shells, angles)


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
    order_0 = _order_0(data, grids, limits, precision)
    return Problem(
        geometry=grids,
        constraints=limits,
        operations=schedule.schedule(blocks(settings, float(grids.radial.q.max()))),
        rules=rules(settings, grids, limits, data.wavelength),
        guess=phasing_start.envelope(settings, grids, limits, order_0),
        total=phasing_start.norm(grids, order_0),
        signal_to_noise=settings.density_guess.random.SNR,
        seed=seed,
        initial_support=phasing_start.initial_support(settings, grids, limits, order_0),
        precision=precision,
        profiled=settings.profiling.reconstruction_process_id if settings.profiling.enable else None,
    )


def _order_0(data: InvariantData, grids: Geometry | PlaneGeometry, limits: Constraints, precision: Precision) -> NDArray[np.float64]:
    """I_0(q) on the shells, also where it is not imposed."""
    found = limits.reciprocal.spherical_average
    if found is None:
        average = phasing_data.regrid(data.average_intensity, data.q, grids.radial.q, "cubic")
        found = phasing_data.isotropic(data.dimensions) * average
    largest = np.abs(found).max()
    if not largest > 0:
        raise DataError("average_intensity is zero throughout the shells of the reconstruction; check the invariants and grid.max_q")
    if precision == "single" and not _SINGLE_RANGE[0] < largest < _SINGLE_RANGE[1]:
        raise DataError(
            f"intensities of {largest:.1e} leave the range of single precision when they are squared; set precision = double "
            "in config.ini, or bring the data to another unit"
        )
    return found
