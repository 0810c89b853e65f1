"""The sub loops of the settings as blocks of the phasing schedule, and the rules of the loop."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.loops import Method
from fxs_hpc.config.ramps import ExponentialRamp, LinearRamp
from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.fluctuation import phasing, schedule

Entry = TypeVar("Entry")

_FEEDBACK = frozenset({"support", "value_threshold", "limit_imag"})

_OPENS_FROM = 8
"""Iterations of a block from which on it may begin with half of q: shorter ones end before all of q has been phased."""

_BASE: Mapping[str, Literal["HIO", "ER", "RAAR", "SW"]] = {
    "HIO": "HIO",
    "ER": "ER",
    "RAAR": "RAAR",
    "SW": "SW",
    "HIO_ft_stab": "HIO",
    "ER_ft_stab": "ER",
    "RAAR_ft_stab": "RAAR",
}


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


def _method(name: str, settings: Method) -> schedule.Method:
    return schedule.Method(_BASE[name], settings.iterations, settings.ft_stab is True or name.endswith("_ft_stab"))


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
    considered = real.HIO.considered_projections
    feedback = _FEEDBACK if "all" in considered else frozenset(considered)
    found = []
    for number, name in enumerate(loops.order):
        loop = loops.loops[name]
        methods = {str(key): method for key, method in loop.methods.items()}
        found.append(
            schedule.Block(
                name,
                [_method(method, methods[method]) for method in loop.order],
                loop.iterations,
                _exponential(_entry(real.HIO.beta, number)),
                _exponential(_entry(real.RAAR.beta, number)),
                _linear(_entry(real.shrink_wrap.sigmas, number), np.pi / q_max),
                _linear(_entry(real.shrink_wrap.thresholds, number), 0.0),
                feedback,
                loop.best_density_not_in_first_n_iterations,
                _resolutions(settings, number),
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
