"""The phasing schedule: named blocks of HIO, ER, RAAR and shrink-wrap, written out as one flat sequence of operations.

Every parameter that changes along the way (feedback, blur, threshold) depends on counts alone, so that the whole schedule is known
before the first step, a position in it is one integer, and a resumed run is the same sequence from there on.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fxs_hpc.engine.interface import Update

Ramp = Callable[[int], float]


@dataclass(frozen=True)
class Step:
    """One projection step of a block."""

    block: str
    iteration: int
    update: Update


@dataclass(frozen=True)
class ShrinkWrap:
    """New support: |rho| blurred by `sigma` (A), cut at `threshold` (0..1) of its range."""

    block: str
    iteration: int
    sigma: float
    threshold: float


@dataclass(frozen=True)
class Resolution:
    """From here on only q up to `fraction` of q_max takes part."""

    block: str
    iteration: int
    fraction: float


@dataclass(frozen=True)
class EndOfBlock:
    """Go back to the best density if it was found after `patience` iterations of this block."""

    block: str
    first_step: int
    patience: float


Operation = Step | ShrinkWrap | Resolution | EndOfBlock


@dataclass(frozen=True)
class Method:
    """A method of a block: 'HIO', 'ER', 'RAAR' (repeated `iterations` times) or 'SW'."""

    name: Literal["HIO", "ER", "RAAR", "SW"]
    iterations: int
    stabilised: bool = True


@dataclass(frozen=True)
class Block:
    """A named block: its methods in order, repeated `iterations` times.

    Parameters
    ----------
    hio_beta, raar_beta : parameter as a function of the number of steps made in this block.
    sigma, threshold : of shrink-wrap, as functions of the number of its calls in this block.
    feedback : constraints that take part in HIO's feedback.
    patience : see `EndOfBlock`; infinite = never go back.
    resolutions : fraction of q_max per iteration (the last one stays); empty = leave it.
    """

    name: str
    methods: Sequence[Method]
    iterations: int
    hio_beta: Ramp
    raar_beta: Ramp
    sigma: Ramp
    threshold: Ramp
    feedback: frozenset[str]
    patience: float = math.inf
    resolutions: Sequence[float] = ()

    def describe(self) -> str:
        """As the reference program prints it: main: 5x( 60xHIO 1xSW 40xER )."""
        return f"{self.name}: {self.iterations}x( {' '.join(f'{m.iterations}x{m.name}' for m in self.methods)} )"


def exponential_ramp(start: float, stop: float, rate: float, stop_step: float) -> Ramp:
    """a exp(k s) + b from `start` at s = 0 to `stop` at s = stop_step, constant from there; only the magnitude of `rate` counts."""
    rate = math.copysign(rate, stop - start)
    if stop == start or rate == 0:
        return lambda step: start
    scale = (start - stop) / (1 - math.exp(rate * stop_step))
    clip = max if stop < start else min
    return lambda step: stop if step >= stop_step else clip(scale * math.exp(rate * step) + (start - scale), stop)


def linear_ramp(start: float, stop: float, slope: float) -> Ramp:
    """start + slope n, not past `stop`."""
    if slope == 0:
        return lambda call: start
    clip = min if slope > 0 else max
    return lambda call: clip(start + slope * call, stop)


def _operations(block: Block, first_step: int) -> Iterator[Operation]:
    steps = calls = 0
    for iteration in range(block.iterations):
        if block.resolutions:
            fraction = block.resolutions[min(iteration, len(block.resolutions) - 1)]
            yield Resolution(block.name, iteration, fraction)
        for method in block.methods:
            for _ in range(method.iterations):
                if method.name == "SW":
                    yield ShrinkWrap(block.name, iteration, block.sigma(calls), block.threshold(calls))
                    calls += 1
                else:
                    beta = {"HIO": block.hio_beta, "RAAR": block.raar_beta}.get(method.name, lambda _: 0.0)(steps)
                    yield Step(block.name, iteration, Update(method.name, beta, block.feedback, method.stabilised))
                    steps += 1
    if math.isfinite(block.patience):
        per_iteration = sum(method.iterations for method in block.methods if method.name != "SW")
        yield EndOfBlock(block.name, first_step, block.patience * per_iteration)


def step_count(operations: Sequence[Operation]) -> int:
    """Number of projection steps among `operations`."""
    return sum(isinstance(operation, Step) for operation in operations)


def schedule(blocks: Sequence[Block]) -> tuple[Operation, ...]:
    """All operations of `blocks`, in order."""
    operations: list[Operation] = []
    for block in blocks:
        operations += _operations(block, step_count(operations))
    return tuple(operations)
