"""The iterations of EMC: flag after flag, each kept as a whole, until the last, convergence, a signal or the end of the time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.convergence import FlagRecord, angle, converged
from fxs_hpc.emc.likelihood import LEAST
from fxs_hpc.emc.probabilities import Assignment
from fxs_hpc.emc.pruning import Pruning, PruningRule, hopeful, returned
from fxs_hpc.emc.workload import distinct
from fxs_hpc.parallel.communicator import Communicator
from fxs_hpc.stages.duration import duration
from fxs_hpc.stages.emc.emc_engine import Engine, NewIntensity, Searched, Task
from fxs_hpc.stages.emc.flags import INTENSITY, Flag, Numbering
from fxs_hpc.stages.emc.stopping import Stopping
from fxs_hpc.stages.emc.stopwatch import Stopwatch


@dataclass(frozen=True)
class LoopState:
    """Where the iteration stands; the same on all ranks but for `pruning`, which is about a rank's own frames.

    Attributes
    ----------
    intensity : float64[voxels]
    phi, start_phi : float64[frames]
        Now, and at the start of the run.
    best : int32[frames]
        Most probable rotation, -1 = none.
    pruning : Pruning
    history : tuple of FlagRecord
    symmetric : bool
        Whether the intensity obeys the Laue group, so that equivalent candidates share their likelihoods.
    """

    intensity: NDArray[np.float64]
    phi: NDArray[np.float64]
    start_phi: NDArray[np.float64]
    best: NDArray[np.int32]
    pruning: Pruning
    history: tuple[FlagRecord, ...] = ()
    symmetric: bool = True


@dataclass(frozen=True)
class FlagResult:
    """One flag as it is written: new state, probabilities of this rank's frames (numbers among all samples), details of an intensity."""

    flag: Flag
    state: LoopState
    assignment: Assignment
    details: NewIntensity | None


@dataclass(frozen=True)
class Goal:
    """How far to go: iterations, the pruning rule, and the angle in degrees below which the run has converged (None: ITER alone counts)."""

    iterations: int
    rule: PruningRule
    convergence_angle: float | None = None


class Loop:
    """Carries out flags and keeps what comes of them.

    Parameters
    ----------
    engine, task, ranks, watch :
        See `Engine`.
    numbering : Numbering
    keep : callable
        Writes a flag.
    say : callable
        Prints one line.
    """

    def __init__(
        self,
        engine: Engine,
        task: Task,
        ranks: Communicator,
        watch: Stopwatch,
        numbering: Numbering,
        keep: Callable[[FlagResult], None],
        say: Callable[[str], None],
    ) -> None:
        self._engine, self._task, self._ranks, self._watch = engine, task, ranks, watch
        self._numbering, self._keep, self._say = numbering, keep, say

    def run(self, state: LoopState, goal: Goal, stopping: Stopping) -> tuple[LoopState, str]:
        """All flags that are left; returns the last state and why it is the last: 'done', 'converged', or what interrupted."""
        done = state.history[-1].flag if state.history else 0
        flags = list(self._numbering.after(done, goal.iterations))
        for left, flag in zip(range(len(flags) - 1, -1, -1), flags):
            result = self._flag(flag, state, goal.rule)
            state = result.state
            with self._watch.of("write"):
                self._keep(result)
            self._report(flag, goal, state.history[-1], left)
            if goal.convergence_angle is not None and flag.last and converged(state.history, goal.convergence_angle):
                return state, "converged"
            if left and (reason := stopping.reason()):
                return state, reason
        return state, "done"

    def _flag(self, flag: Flag, state: LoopState, rule: PruningRule) -> FlagResult:
        start = time.perf_counter()
        full = not state.symmetric or state.pruning.full(rule, flag.number)
        work = self._task.work if state.symmetric else distinct(self._task.work)
        active = np.ones(len(work.evaluations.wanted), bool) if full else state.pruning.active
        details: NewIntensity | None = None
        if flag.kind == INTENSITY:
            details, found = self._engine.intensity_flag(state.intensity, state.phi, active, work)
            model = self._task.model
            change = angle(model.sums(state.intensity), model.sums(details.intensity))
            new = replace(state, intensity=details.intensity, symmetric=True)
        else:
            phi, factor, found = self._engine.phi_flag(state.intensity, state.phi, state.start_phi, active, work)
            change = angle(state.phi, phi)
            new = replace(state, phi=phi, intensity=state.intensity * factor)
        back, pruning = self._pruned(state, found, rule, full, change)
        with self._watch.of("communicate"):
            best = self._best(found)
            counts = self._ranks.sum(np.array([np.count_nonzero(active), len(active), back], np.int64))
            evidence = np.concatenate(self._ranks.all_gather(np.stack(found.evidence, axis=1)))
        used = (new.phi > LEAST) & (best >= 0)
        record = FlagRecord(
            flag=flag.number,
            kind=flag.kind,
            angle=change,
            log_likelihood=float(evidence[:, 0].sum()),
            information=float(evidence[used, 1].mean()) if used.any() else 0.0,
            accepted=float(used.mean()),
            moved=float(np.mean(best != state.best)),
            evaluated=float(counts[0] / max(counts[1], 1)),
            returned=int(counts[2]),
            seconds=time.perf_counter() - start,
            parts=self._slowest(),
        )
        new = replace(new, best=best, pruning=pruning, history=(*state.history, record))
        return FlagResult(flag, new, found.assignment._replace(rotation=work.number[found.assignment.rotation]), details)

    def _pruned(self, state: LoopState, found: Searched, rule: PruningRule, full: bool, change: float) -> tuple[int, Pruning]:
        """How many given-up candidates matter after all, and what is given up from now on."""
        plan = self._task.work.evaluations
        if not full or not state.symmetric:
            return 0, state.pruning.after(None, change)
        # Directly after a full search nothing has been left out yet.
        back = returned(plan.start, found.log_likelihood, state.pruning.active) if state.pruning.since else 0
        return back, state.pruning.after(hopeful(rule, plan.start, found.log_likelihood), change)

    def _best(self, found: Searched) -> NDArray[np.int32]:
        """Most probable rotation of every frame of all ranks."""
        first = found.assignment.first
        some = np.diff(first) > 0
        own = np.full(len(some), -1, np.int32)
        own[some] = self._task.work.number[found.assignment.rotation[first[:-1][some]]]
        return np.concatenate(self._ranks.all_gather(own))

    def _slowest(self) -> dict[str, float]:
        taken = self._ranks.all_gather(self._watch.taken())
        return {part: max(times.get(part, 0.0) for times in taken) for part in sorted({part for times in taken for part in times})}

    def _report(self, flag: Flag, goal: Goal, record: FlagRecord, left: int) -> None:
        past = f", {record.returned} given-up candidates came back" if record.returned else ""
        rest = f", about {duration(left * record.seconds)} left" if left else ""
        self._say(
            f"flag {flag.number} (iteration {flag.iteration} of {goal.iterations}, {flag.kind}): {record.seconds:.1f} s, "
            f"change {record.angle:.3g} degrees, log-likelihood {record.log_likelihood:.7g}, "
            f"{100 * record.accepted:.0f} % of frames take part, {100 * record.moved:.1f} % moved, "
            f"{100 * record.evaluated:.0f} % of candidates searched{past}{rest}"
        )


def packed(ranks: Communicator, active: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The evaluations still made on all ranks, as bits, on rank 0."""
    parts = ranks.gather(active)
    return np.packbits(np.concatenate(parts)) if parts else np.empty(0, np.uint8)


def unpacked(ranks: Communicator, bits: NDArray[np.uint8], own: int) -> NDArray[np.bool_]:
    """This rank's part of `packed`, of `own` evaluations."""
    counts = ranks.all_gather(own)
    begin = sum(counts[: ranks.rank])
    return np.unpackbits(bits, count=sum(counts))[begin : begin + own].astype(bool)
