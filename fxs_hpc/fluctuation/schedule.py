"""The phasing schedule: named blocks of HIO, ER, RAAR and shrink-wrap, written out as one flat sequence of operations.

Every parameter that changes along the way (feedback, blur, threshold) depends on counts alone, so that the whole schedule is known
before the first step, a position in it is one integer, and a resumed run is the same sequence from there on. A rule that ends a block
early makes the loop jump to its `EndOfBlock`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fxs_hpc.engine.interface import Update, Volume

Ramp = Callable[[int], float]


@dataclass(frozen=True)
class Step:
    """One projection step of a block.

    delay : the step is stabilised while the initial support is enforced and this many steps longer, whatever `update` says; None = as
        `update` says.
    """

    block: str
    iteration: int
    update: Update
    delay: int | None = None


@dataclass(frozen=True)
class ShrinkWrap:
    """New support: |rho| blurred by `sigma` (A), cut at a fraction (0..1) of its range, or so that it has a volume."""

    block: str
    iteration: int
    sigma: float
    cut: float | Volume


@dataclass(frozen=True)
class Centre:
    """Move the density's centre of mass to the origin."""

    block: str
    iteration: int


@dataclass(frozen=True)
class Freeze:
    """Keep the intensity that the invariants make of the present density, for the frozen steps that follow."""

    block: str
    iteration: int


@dataclass(frozen=True)
class CountParticles:
    """Estimate the number of particles from the present density."""

    block: str
    iteration: int


@dataclass(frozen=True)
class Resolution:
    """From here on only q up to `fraction` of q_max takes part."""

    block: str
    iteration: int
    fraction: float


@dataclass(frozen=True)
class EndOfBlock:
    """Go back to the best density if it was found after `patience` steps of this block.

    steps_per_iteration : steps of one iteration of the block.
    """

    block: str
    patience: float
    steps_per_iteration: int


Operation = Step | ShrinkWrap | Centre | Freeze | CountParticles | Resolution | EndOfBlock

StepName = Literal["HIO", "ER", "RAAR"]


@dataclass(frozen=True)
class Method:
    """A method of a block: 'HIO', 'ER', 'RAAR' or 'SW', repeated `iterations` times.

    Parameters
    ----------
    stabilised : see `Update`.
    delay : see `Step`.
    frozen : the intensity stays what it was when the first of a row of such methods began, instead of following the invariants.
    centred : the density is centred before each new support of 'SW', which then fits it.
    counts_particles : the number of particles is estimated after the method's steps.
    """

    name: StepName | Literal["SW"]
    iterations: int
    stabilised: bool = True
    delay: int | None = None
    frozen: bool = False
    centred: bool = False
    counts_particles: bool = False


@dataclass(frozen=True)
class Block:
    """A named block: its methods in order, repeated `iterations` times.

    Parameters
    ----------
    hio_beta, raar_beta : parameter as a function of the number of steps made in this block.
    sigma, cut : of shrink-wrap, as functions of the number of its calls in this block.
    feedback : constraints that take part in HIO's feedback.
    patience : iterations of the block after which its best density must have been found to be gone back to; infinite = never.
    resolutions : fraction of q_max per iteration (the last one stays); empty = leave it.
    """

    name: str
    methods: Sequence[Method]
    iterations: int
    hio_beta: Ramp
    raar_beta: Ramp
    sigma: Ramp
    cut: Callable[[int], float | Volume]
    feedback: frozenset[str]
    patience: float = math.inf
    resolutions: Sequence[float] = ()

    @property
    def steps_per_iteration(self) -> int:
        """Projection steps of one iteration."""
        return sum(method.iterations for method in self.methods if method.name != "SW")

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


@dataclass
class _Counts:
    """What has been done in a block: projection steps, shrink-wraps; and whether the intensity is frozen."""

    steps: int = 0
    calls: int = 0
    frozen: bool = False


def _operations(block: Block) -> Iterator[Operation]:
    counts = _Counts()
    for iteration in range(block.iterations):
        if block.resolutions:
            fraction = block.resolutions[min(iteration, len(block.resolutions) - 1)]
            yield Resolution(block.name, iteration, fraction)
        for method in block.methods:
            if method.name == "SW":
                yield from _supports(block, iteration, method, counts)
            else:
                yield from _steps(block, iteration, method, method.name, counts)
    yield EndOfBlock(
        block.name, block.patience * block.steps_per_iteration if math.isfinite(block.patience) else math.inf, block.steps_per_iteration
    )


def _supports(block: Block, iteration: int, method: Method, counts: _Counts) -> Iterator[Operation]:
    for _ in range(method.iterations):
        if method.centred:
            yield Centre(block.name, iteration)
        yield ShrinkWrap(block.name, iteration, block.sigma(counts.calls), block.cut(counts.calls))
        counts.calls += 1


def _steps(block: Block, iteration: int, method: Method, name: StepName, counts: _Counts) -> Iterator[Operation]:
    if method.frozen and not counts.frozen and method.iterations:
        yield Freeze(block.name, iteration)
    ramps: Mapping[str, Ramp] = {"HIO": block.hio_beta, "RAAR": block.raar_beta}
    for _ in range(method.iterations):
        beta = ramps[name](counts.steps) if name in ramps else 0.0
        update = Update(name, beta, block.feedback, method.stabilised, method.frozen)
        yield Step(block.name, iteration, update, method.delay)
        counts.steps += 1
        counts.frozen = method.frozen
    if method.counts_particles and method.iterations:
        yield CountParticles(block.name, iteration)


def step_count(operations: Sequence[Operation]) -> int:
    """Number of projection steps among `operations`."""
    return sum(isinstance(operation, Step) for operation in operations)


def schedule(blocks: Sequence[Block]) -> tuple[Operation, ...]:
    """All operations of `blocks`, in order; the number of particles is estimated only where steps follow that can use it."""
    operations = [operation for block in blocks for operation in _operations(block)]
    last_step = max((place for place, operation in enumerate(operations) if isinstance(operation, Step)), default=-1)
    return tuple(operation for place, operation in enumerate(operations) if place < last_step or not isinstance(operation, CountParticles))
