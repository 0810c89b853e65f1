"""The phasing loop: carries a schedule out on an engine and keeps the errors and the best density.

Iterative phasing from rotational invariants: J. J. Donatelli, P. H. Zwart, J. A. Sethian, PNAS 112, 10286 (2015); HIO:
J. R. Fienup, Appl. Opt. 21, 2758 (1982); shrink-wrap: S. Marchesini et al., Phys. Rev. B 68, 140101 (2003); RAAR: D. R. Luke,
Inverse Problems 21, 37 (2005).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Engine, Update
from fxs_hpc.errors import NumericalError
from fxs_hpc.fluctuation.centring import Centring
from fxs_hpc.fluctuation.error_metrics import InvariantErrors
from fxs_hpc.fluctuation.particle_number import ParticleSearch, gradient, least
from fxs_hpc.fluctuation.schedule import (
    Centre,
    CountParticles,
    EndOfBlock,
    Freeze,
    Operation,
    Resolution,
    ShrinkWrap,
    Step,
    step_count,
)
from fxs_hpc.fluctuation.stopping import GainLimit, Limits

Transfer = Callable[[NDArray[np.float64], float], NDArray[np.float64]]

_BY_ENGINE = frozenset({"l2_projection_diff", "deg2_invariant_l2_diff"})
"""Reciprocal metrics that engines compute themselves."""

ORDER_ERROR = "reciprocal/deg2_invariant_l2_diff_order_{order}"
"""Name of the error of one order's invariant."""

_COMBINE: Mapping[str, Callable[[Sequence[float]], float]] = {"mean": np.mean, "min": min, "max": max, "prod": np.prod}


def gaussian(q: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Transfer function of a Gaussian blur of width `sigma` (A); q in 1/A with 2 pi included."""
    return np.exp(-(sigma**2) * q**2 / 2)


def flat_top(q: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Blur of the reference program, a flat-topped low-pass (its exponent holds q^4)."""
    return np.sqrt(2 * np.pi) * sigma * np.exp(-2 * np.pi**2 * sigma**2 * q**4)


@dataclass(frozen=True)
class Rules:
    """What the loop needs besides schedule and engine.

    Parameters
    ----------
    q : (N,) momentum transfers, for the blur of shrink-wrap.
    blur : its transfer function.
    enforce_above : shrink-wrap stays within the initial support while the main error is larger than this (0: always; infinite: never).
    metrics : names of the error metrics recorded in each step, 'real/...' or 'reciprocal/...'.
    main : those that make the main error, and how: 'mean', 'min', 'max' or 'prod'.
    error_orders : orders whose deg2_invariant_l2_diff is recorded one by one, as `ORDER_ERROR`.
    invariant_errors : computes the reciprocal metrics that engines do not; None where there are none.
    limits, gain_limit : rules that end a block or the run before its schedule does.
    centring : moves densities to the origin; None where the schedule does not ask for it.
    particles : how the number of particles is estimated; None where it is known.
    """

    q: NDArray[np.float64]
    blur: Transfer = gaussian
    enforce_above: float = 6e-3
    metrics: tuple[str, ...] = ("real/l2_projection_diff",)
    main: tuple[str, ...] = ("real/l2_projection_diff",)
    combine: str = "mean"
    error_orders: tuple[int, ...] = ()
    invariant_errors: InvariantErrors | None = None
    limits: Limits | None = None
    gain_limit: GainLimit | None = None
    centring: Centring | None = None
    particles: ParticleSearch | None = None


@dataclass
class Progress:
    """Where a reconstruction stands.

    Attributes
    ----------
    position : number of operations of the schedule that are done or skipped.
    errors : one value per step for 'main' and every metric.
    best_error, best_step : smallest main error and the step (from 0) it was found at.
    block_start : steps made when the present block began.
    comparable_from : steps made when the data were last changed (another resolution or number of particles) or the block began:
        errors compare from there on.
    particles : with an estimate of the number of particles, 'assumed' per step, and per estimate 'estimated', 'fraction' (it over the
        number assumed before) and 'gradient' (of the error there, see `particle_number.gradient`).
    """

    position: int = 0
    errors: dict[str, list[float]] = field(default_factory=lambda: {"main": []})
    best_error: float = math.inf
    best_step: int = -1
    block_start: int = 0
    comparable_from: int = 0
    particles: dict[str, list[float]] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps made."""
        return len(self.errors["main"])

    @property
    def last_error(self) -> float:
        """Main error of the last step (infinite before the first)."""
        return self.errors["main"][-1] if self.errors["main"] else math.inf

    def on_other_data(self) -> None:
        """Errors before do not compare with errors from now on: the best is sought anew."""
        self.best_error, self.best_step = math.inf, -1
        self.comparable_from = self.steps


def steps_in_all(operations: Sequence[Operation], progress: Progress) -> int:
    """Projection steps of the whole run, as far as is known: rules may still end it earlier."""
    return progress.steps + step_count(operations[progress.position :])


def run(engine: Engine, operations: Sequence[Operation], rules: Rules, progress: Progress) -> Iterator[Operation]:
    """Carry out the operations from `progress.position` on; yields each one when it is done and `progress` is up to date.

    Raises
    ------
    NumericalError
        The error is not a number, or the support is empty.
    """
    prepare(engine, operations[: progress.position], rules, progress)
    while progress.position < len(operations):
        operation = operations[progress.position]
        following = progress.position + 1
        match operation:
            case Step():
                _step(engine, operation, rules, progress)
                following = _following(operations, rules, progress)
            case ShrinkWrap():
                engine.shrink_wrap(rules.blur(rules.q, operation.sigma), operation.cut, _confined(rules, progress))
            case Centre():
                assert rules.centring is not None
                engine.replace(rules.centring.centred(engine.density(), engine.support()))
            case Freeze():
                engine.freeze()
            case CountParticles():
                assert rules.particles is not None
                _count_particles(engine, rules.particles, progress)
            case Resolution():
                _open(engine, operation, operations[: progress.position], progress)
            case EndOfBlock():
                if progress.best_step >= progress.block_start + operation.patience:
                    engine.recall()
                progress.block_start = progress.comparable_from = progress.steps
        progress.position = following
        yield operation


def prepare(engine: Engine, done: Sequence[Operation], rules: Rules, progress: Progress) -> None:
    """Tell the engine what the operations that are done told it beside its density: resolution and number of particles."""
    opened = [operation for operation in done if isinstance(operation, Resolution)]
    if opened:
        engine.limit_resolution(opened[-1].fraction)
    if rules.particles is not None:
        engine.scale_average(rules.particles.factor(_assumed(rules.particles, progress)))


def _confined(rules: Rules, progress: Progress) -> bool:
    """Whether the support is kept within the initial one."""
    return progress.last_error > rules.enforce_above


def _open(engine: Engine, operation: Resolution, before: Sequence[Operation], progress: Progress) -> None:
    """Limit the resolution."""
    fractions = [1.0, *(earlier.fraction for earlier in before if isinstance(earlier, Resolution))]
    engine.limit_resolution(operation.fraction)
    if operation.fraction != fractions[-1]:
        progress.on_other_data()


def _assumed(search: ParticleSearch, progress: Progress) -> float:
    return search.assumed(progress.particles.get("estimated", ()))


def _count_particles(engine: Engine, search: ParticleSearch, progress: Progress) -> None:
    """Try every candidate from the present density and go on from there with the one of least error."""
    if search.settled(progress.particles.get("fraction", ())):
        return
    density, assumed, errors = engine.density(), _assumed(search, progress), []
    for number in search.candidates:
        engine.replace(density)
        engine.scale_average(search.factor(number))
        errors.append(engine.step(Update("ER")))
    if not np.isfinite(errors).all():
        raise NumericalError("the number of particles cannot be estimated: the support is empty or the density vanished")
    found = least(search.candidates, errors)
    series = {"estimated": found, "fraction": found / assumed, "gradient": gradient(search.candidates, errors, assumed)}
    for name, value in series.items():
        progress.particles.setdefault(name, []).append(value)
    engine.replace(density)
    engine.scale_average(search.factor(_assumed(search, progress)))
    if search.project:
        progress.on_other_data()


def _following(operations: Sequence[Operation], rules: Rules, progress: Progress) -> int:
    """Position after a step: the next one, or where a rule that ends the block or the run leads.

    While the resolution of the block is still to rise, errors are small for want of data: the rules wait.
    """
    place = progress.position
    if rules.limits is None and rules.gain_limit is None:
        return place + 1
    end = next(i for i in range(place, len(operations)) if isinstance(operations[i], EndOfBlock))
    ahead = [operation.fraction for operation in operations[place:end] if isinstance(operation, Resolution)]
    present = [operation.fraction for operation in operations[:place] if isinstance(operation, Resolution)]
    if set(ahead) - set(present[-1:] or [1.0]):
        return place + 1
    if rules.limits is not None and rules.limits.met(progress.errors):
        return end if rules.limits.ends == "block" else len(operations)
    closing, main = operations[end], progress.errors["main"][progress.comparable_from :]
    assert isinstance(closing, EndOfBlock)
    stalled = rules.gain_limit is not None and rules.gain_limit.met(main, closing.steps_per_iteration)
    return end if stalled else place + 1


def _step(engine: Engine, operation: Step, rules: Rules, progress: Progress) -> None:
    error = engine.step(_update(operation, rules, progress))
    found = {"real/l2_projection_diff": error, **_reciprocal(engine, rules)}
    if "real/support_size" in rules.metrics:
        found["real/support_size"] = engine.support_fraction()
    _record(operation, rules, progress, found)
    if progress.best_step == progress.steps - 1:
        engine.remember()


def _update(operation: Step, rules: Rules, progress: Progress) -> Update:
    """The update, stabilised as its block asks for."""
    if operation.delay is None:
        return operation.update
    recent = [math.inf, *progress.errors["main"]][-(operation.delay + 1) :]
    return replace(operation.update, stabilised=any(error > rules.enforce_above for error in recent))


def _reciprocal(engine: Engine, rules: Rules) -> dict[str, float]:
    names = [name.removeprefix("reciprocal/") for name in rules.metrics if name.startswith("reciprocal/")]
    found: dict[str, float] = engine.reciprocal_errors() if _BY_ENGINE & set(names) else {}
    rest = [name for name in names if name not in _BY_ENGINE]
    labelled = {}
    if rules.invariant_errors is not None and (rest or rules.error_orders):
        pair = engine.intensity()
        found |= rules.invariant_errors(rest, pair)
        by_order = rules.invariant_errors.by_order(pair, rules.error_orders)
        labelled = {ORDER_ERROR.format(order=order): value for order, value in by_order.items()}
    return {f"reciprocal/{name}": value for name, value in found.items()} | labelled


def _record(operation: Step, rules: Rules, progress: Progress, found: Mapping[str, float]) -> None:
    main = float(_COMBINE[rules.combine]([found[name] for name in rules.main]))
    if not math.isfinite(main):
        raise NumericalError(
            f"phasing broke down in block {operation.block!r}, step {progress.steps + 1}: the error is {main}. The support is empty or "
            "the density vanished; lower the shrink-wrap threshold or check the invariants"
        )
    if rules.particles is not None:
        progress.particles.setdefault("assumed", []).append(_assumed(rules.particles, progress))
    progress.errors["main"].append(main)
    by_order = [name for order in rules.error_orders if (name := ORDER_ERROR.format(order=order)) in found]
    for name in (*rules.metrics, *by_order):
        progress.errors.setdefault(name, []).append(found[name])
    if main < progress.best_error:
        progress.best_error, progress.best_step = main, progress.steps - 1
