"""The phasing loop: carries a schedule out on an engine and keeps the errors and the best density.

Iterative phasing from rotational invariants: J. J. Donatelli, P. H. Zwart, J. A. Sethian, PNAS 112, 10286 (2015); HIO:
J. R. Fienup, Appl. Opt. 21, 2758 (1982); shrink-wrap: S. Marchesini et al., Phys. Rev. B 68, 140101 (2003); RAAR: D. R. Luke,
Inverse Problems 21, 37 (2005).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Engine
from fxs_hpc.errors import NumericalError
from fxs_hpc.fluctuation.schedule import EndOfBlock, Operation, Resolution, ShrinkWrap, Step

Transfer = Callable[[NDArray[np.float64], float], NDArray[np.float64]]

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
    """

    q: NDArray[np.float64]
    blur: Transfer = gaussian
    enforce_above: float = 6e-3
    metrics: tuple[str, ...] = ("real/l2_projection_diff",)
    main: tuple[str, ...] = ("real/l2_projection_diff",)
    combine: str = "mean"


@dataclass
class Progress:
    """Where a reconstruction stands.

    Attributes
    ----------
    position : number of operations of the schedule that are done.
    errors : one value per step for 'main' and every metric.
    best_error, best_step : smallest main error and the step (from 0) it was found at.
    """

    position: int = 0
    errors: dict[str, list[float]] = field(default_factory=lambda: {"main": []})
    best_error: float = math.inf
    best_step: int = -1

    @property
    def steps(self) -> int:
        """Steps made."""
        return len(self.errors["main"])

    @property
    def last_error(self) -> float:
        """Main error of the last step (infinite before the first)."""
        return self.errors["main"][-1] if self.errors["main"] else math.inf


def run(engine: Engine, operations: Sequence[Operation], rules: Rules, progress: Progress) -> Iterator[Operation]:
    """Carry out the operations from `progress.position` on; yields each one when it is done and `progress` is up to date.

    Raises
    ------
    NumericalError
        The error is not a number, or the support is empty.
    """
    opened = [operation for operation in operations[: progress.position] if isinstance(operation, Resolution)]
    if opened:
        engine.limit_resolution(opened[-1].fraction)
    for operation in operations[progress.position :]:
        match operation:
            case Step():
                _step(engine, operation, rules, progress)
            case ShrinkWrap():
                confined = progress.last_error > rules.enforce_above
                engine.shrink_wrap(rules.blur(rules.q, operation.sigma), operation.threshold, confined)
            case Resolution():
                _open(engine, operation, operations[: progress.position], progress)
            case EndOfBlock():
                if progress.best_step >= operation.first_step + operation.patience:
                    engine.recall()
        progress.position += 1
        yield operation


def _open(engine: Engine, operation: Resolution, before: Sequence[Operation], progress: Progress) -> None:
    """Limit the resolution; errors against other data than before do not compare, so that the best is sought anew."""
    fractions = [1.0, *(earlier.fraction for earlier in before if isinstance(earlier, Resolution))]
    engine.limit_resolution(operation.fraction)
    if operation.fraction != fractions[-1]:
        progress.best_error, progress.best_step = math.inf, -1


def _step(engine: Engine, operation: Step, rules: Rules, progress: Progress) -> None:
    found = {"real/l2_projection_diff": engine.step(operation.update)}
    if any(name.startswith("reciprocal/") for name in rules.metrics):
        found |= {f"reciprocal/{name}": value for name, value in engine.reciprocal_errors().items()}
    if "real/support_size" in rules.metrics:
        found["real/support_size"] = engine.support_fraction()
    error = float(_COMBINE[rules.combine]([found[name] for name in rules.main]))
    if not math.isfinite(error):
        raise NumericalError(
            f"phasing broke down in block {operation.block!r}, step {progress.steps + 1}: the error is {error}. The support is empty or "
            "the density vanished; lower the shrink-wrap threshold or check the invariants"
        )
    progress.errors["main"].append(error)
    for name in rules.metrics:
        progress.errors.setdefault(name, []).append(found[name])
    if error < progress.best_error:
        progress.best_error, progress.best_step = error, progress.steps - 1
        engine.remember()
