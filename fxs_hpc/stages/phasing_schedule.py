"""The sub loops of the settings as blocks of the phasing schedule, and the rules of the loop."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.loops import Method
from fxs_hpc.config.ramps import ExponentialRamp, LinearRamp
from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.fxs import phasing, schedule

Entry = TypeVar("Entry")

_FEEDBACK = frozenset({"support", "value_threshold", "limit_imag"})

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


def blocks(settings: Reconstruct, q_max: float) -> list[schedule.Block]:
    """The sub loops of the settings as blocks of the schedule."""
    real, loops = settings.projections.real, settings.main_loop.sub_loops
    considered = real.HIO.considered_projections
    feedback = _FEEDBACK if "all" in considered else frozenset(considered)
    found = []
    for number, name in enumerate(loops.order):
        loop = loops.loops[name]
        methods = {str(key): method for key, method in loop.methods.items()}

        resolutions = settings.main_loop.resolution_schedule
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
                _entry(resolutions, number) if resolutions else (),
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
