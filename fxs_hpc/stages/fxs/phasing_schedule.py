"""The sub loops of the settings as blocks of the phasing schedule, and the rules of the loop."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from fxs_hpc.config.loops import Method
from fxs_hpc.config.phasing import ShrinkWrap
from fxs_hpc.config.ramps import ExponentialRamp, LinearRamp
from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Constraints, Geometry, PlaneGeometry, Volume
from fxs_hpc.fluctuation import phasing, schedule
from fxs_hpc.fluctuation.centring import Centring
from fxs_hpc.fluctuation.error_metrics import InvariantErrors
from fxs_hpc.fluctuation.particle_number import ParticleSearch, spaced
from fxs_hpc.fluctuation.stopping import GainLimit, Limits

Entry = TypeVar("Entry")

_FEEDBACK = frozenset({"support", "value_threshold", "limit_imag", "average_center"})

_OPENS_FROM = 8
"""Iterations of a block from which on it may begin with half of q: shorter ones end before all of q has been phased."""


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


def _entry(values: tuple[Entry, ...], number: int) -> Entry:
    """Entry of a list that has one value per block, or one for all."""
    return values[min(number, len(values) - 1)]


_STEPS: Mapping[str, schedule.StepName] = {"HIO": "HIO", "ER": "ER", "RAAR": "RAAR"}


def _method(name: str, settings: Method, counts_particles: bool) -> schedule.Method:
    """A method of the settings: [HIO, ER, RAAR][_non_FXS][_ft_stab], SW or SW_center."""
    if name.startswith("SW"):
        return schedule.Method("SW", settings.iterations, centred=name == "SW_center")
    stem = name.removesuffix("_ft_stab")
    linked = settings.ft_stab == "link_to_enforce_initial_support" and stem == name
    return schedule.Method(
        _STEPS[stem.removesuffix("_non_FXS")],
        settings.iterations,
        stabilised=settings.ft_stab is True or stem != name,
        delay=settings.link_to_enforce_initial_support.delay if linked else None,
        frozen=stem.endswith("_non_FXS"),
        counts_particles=counts_particles,
    )


def _cut(settings: ShrinkWrap, number: int) -> Callable[[int], float | Volume]:
    """Level at which the support is cut, per call."""
    if settings.mode == "fixed_volume":
        fraction = _linear(_entry(settings.fixed_volume.fractions, number), 1.0)
        return lambda call: Volume(fraction(call))
    return _linear(_entry(settings.thresholds, number), 0.0)


def opening(iterations: int) -> tuple[float, ...]:
    """Fractions of q_max for a block that opens up: half of q for a fifth of its iterations, all of it for the last fifth.

    Phasing half of q first and then opening up solves objects that phasing all of q at once does not (docs/benchmarks.md).
    """
    place = np.arange(iterations) / (iterations - 1)
    return tuple(float(fraction) for fraction in np.clip(0.5 + 0.9 * (place - 2 / 9), 0.5, 1.0))


def _resolutions(settings: Reconstruct, number: int) -> tuple[float, ...]:
    """Fractions of q_max for the iterations of one block; `auto` opens up in the first block that is long enough."""
    given, loops = settings.main_loop.resolution_schedule, settings.main_loop.sub_loops
    if given is False:
        return ()
    if isinstance(given, tuple):
        return _entry(given, number)
    iterations = [loops.loops[name].iterations for name in loops.order]
    long_enough = [index for index, count in enumerate(iterations) if count >= _OPENS_FROM]
    return opening(iterations[number]) if long_enough and long_enough[0] == number else ()


def blocks(settings: Reconstruct, q_max: float) -> list[schedule.Block]:
    """The sub loops of the settings as blocks of the schedule."""
    real, loops = settings.projections.real, settings.main_loop.sub_loops
    considered, particles = real.HIO.considered_projections, settings.projections.reciprocal.number_of_particles
    counting = particles.settings.estimate_in if particles.estimate else ()
    feedback = _FEEDBACK if "all" in considered else frozenset(considered)
    found = []
    for number, name in enumerate(loops.order):
        loop = loops.loops[name]
        methods = {str(key): method for key, method in loop.methods.items()}
        found.append(
            schedule.Block(
                name,
                [_method(method, methods[method], method in counting) for method in loop.order],
                loop.iterations,
                _exponential(_entry(real.HIO.beta, number)),
                _exponential(_entry(real.RAAR.beta, number)),
                _linear(_entry(real.shrink_wrap.sigmas, number), np.pi / q_max),
                _cut(real.shrink_wrap, number),
                feedback,
                loop.best_density_not_in_first_n_iterations,
                _resolutions(settings, number),
            )
        )
    return found


def rules(settings: Reconstruct, grids: Geometry | PlaneGeometry, limits: Constraints, wavelength: float) -> phasing.Rules:
    """Errors, support rules and stopping rules of the loop."""
    errors = settings.main_loop.error
    enforce = settings.projections.real.projections.support.enforce_initial_support
    above = enforce.if_error_bigger_than if enforce.if_error_bigger_than is not False else -np.inf
    names = {space: getattr(errors.methods, space).calculate for space in ("real", "reciprocal")}
    main = {space: getattr(errors.methods.main.metrics, space) for space in ("real", "reciprocal")}
    gain = errors.gain_limits
    return phasing.Rules(
        q=grids.radial.q,
        blur=phasing.flat_top if settings.projections.real.shrink_wrap.kernel == "flat_top" else phasing.gaussian,
        enforce_above=above if enforce.apply else np.inf,
        metrics=tuple(f"{space}/{name}" for space in names for name in names[space]),
        main=tuple(f"{space}/{name}" for space in main for name in main[space]),
        combine=errors.methods.main.type,
        error_orders=settings.IO.files.reconstructions.options.plot_invariant_error or (),
        invariant_errors=InvariantErrors(
            limits.reciprocal,
            grids.radial.q * wavelength / (4 * np.pi),
            errors.methods.reciprocal.deg2_ranked_invariant_l2_diff.order,
            errors.methods.reciprocal.ccd_diff.C_order,
        ),
        limits=Limits(errors.limits.below, errors.limits.ends) if errors.limits.use else None,
        gain_limit=GainLimit(gain.main, gain.steps or None) if gain.use else None,
        centring=Centring(grids, limits.r_max_convention),
        particles=_particles(settings),
    )


def _particles(settings: Reconstruct) -> ParticleSearch | None:
    number = settings.projections.reciprocal.number_of_particles
    if not number.estimate:
        return None
    return ParticleSearch(number.initial, spaced(*number.settings.scan_space), number.settings.project)
