"""A run of EMC in its folder: begun or continued, locked, logged, kept flag by flag."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.emc.convergence import FlagRecord
from fxs_hpc.emc.orbit_means import orbit_means
from fxs_hpc.emc.pruning import Pruning, PruningRule
from fxs_hpc.emc.space_groups import crystfel
from fxs_hpc.errors import UsageError
from fxs_hpc.files.emc import crystfel_hkl, emc_log, emc_state, hkl_values, intensity, mean_std, phi
from fxs_hpc.files.emc import history as history_file
from fxs_hpc.files.lock import locked
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc import emc_inputs, inputs
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.emc_engine import Engine, Task
from fxs_hpc.stages.emc.emc_inputs import SearchFiles
from fxs_hpc.stages.emc.emc_loop import FlagResult, Goal, Loop, LoopState, packed, unpacked
from fxs_hpc.stages.emc.finished_runs import half
from fxs_hpc.stages.emc.flag_folder import flag_folders, last_state, write_flag
from fxs_hpc.stages.emc.flag_maker import maker_keys, refuse_others
from fxs_hpc.stages.emc.flags import PHI, Numbering
from fxs_hpc.stages.emc.intensity_map import write_voxels
from fxs_hpc.stages.emc.merged_intensities import MERGED
from fxs_hpc.stages.emc.run_keys import data_files, refuse_other, run_keys
from fxs_hpc.stages.emc.run_log import RunLog
from fxs_hpc.stages.emc.stopping import Stopping
from fxs_hpc.stages.emc.stopwatch import Stopwatch

SYMMETRIC = 1e-6
"""Part of the largest voxel by which equivalent ones may differ in an intensity that counts as symmetric."""
ENDS = ("done", "converged")
"""Reasons for which a run is over."""
DRAWING = 10.0
"""Seconds between two drawings of the convergence: on small sets a drawing takes longer than an iteration."""


@dataclass(frozen=True)
class RunFiles:
    """Where a run lies: `results` = prob_dir with the iter_flag folders, history and plot; `logs` = folder of EMC.log; `stage` makes it."""

    results: Path
    logs: Path
    stage: str


Start = Callable[[Task, Engine], tuple[NDArray[np.float64], NDArray[np.float64]]]


def reconstruct(
    context: Context,
    files: RunFiles,
    search: SearchFiles,
    make_task: Callable[[], Task],
    start: Start,
    numbering: Numbering,
    iterations: int,
    resume: bool,
    convergence_angle: float | None,
    time_limit: float | None,
) -> bool:
    """Begin or continue a run and carry it to its end.

    Parameters
    ----------
    make_task : callable
        Reads all inputs.
    start : callable
        Intensity and scale factors to begin with.

    Returns
    -------
    bool
        Whether it came to its end, all iterations or convergence; False where it was stopped before.
    """
    ranks, whose = context.ranks, half(context.config)
    with ExitStack() as stack:
        first(ranks, lambda: stack.enter_context(locked(files.results)) and None)
        first(ranks, lambda: refuse_others(files.results, files.stage, whose))
        found = first(ranks, lambda: _state_to_continue(files.results, resume))
        keys = first(ranks, lambda: _keys(context, search, numbering, maker_keys(files.stage, whose)))
        before = first(ranks, lambda: _checked(found, keys)) if found else None
        context = _logged(context, files, fresh=before is None)
        stopping = stack.enter_context(Stopping(ranks, time_limit))
        task = make_task()
        watch = Stopwatch()
        engine = Engine(task, ranks, context.threads, watch)
        state = _continued(context, task, before) if before else _begun(context, task, engine, start)
        if ranks.rank == 0:
            emc_log.begin(files.logs / "EMC.log", _head(context, task, search), fresh=before is None)
        rule = _rule(context)
        keeper = FlagKeeper(context, files, task, keys)
        loop = Loop(engine, task, ranks, watch, numbering, keeper.keep, context.say)
        state, reason = loop.run(state, Goal(iterations, rule, convergence_angle), stopping)
        keeper.draw(state.history)
        keeper.map(state)
        _farewell(context, state, reason)
    return reason in ENDS


def _state_to_continue(results: Path, resume: bool) -> Path | None:
    folders = flag_folders(results)
    if not resume:
        if folders:
            raise UsageError(
                f"{results}: iter_flag-{max(folders)} is there already. `--resume` continues after it; `fxs-hpc emc move-recon-files` "
                "moves the results to a folder of their own, and then a new run can begin"
            )
        return None
    state = last_state(results)
    if folders and state is None:
        raise UsageError(
            f"{results}: iter_flag-{max(folders)} has no {emc_state.NAME}, so it is not of this program and --resume cannot continue "
            "it. To go on from it, replace start_phi_file by its total-phi.dat and start_intens_file by its finish_intensity.bin, move "
            "the iter_flag folders away and start without --resume"
        )
    return state


def _logged(context: Context, files: RunFiles, fresh: bool) -> Context:
    """The context with what it says kept in run.log."""
    if context.ranks.rank:
        return context
    files.logs.mkdir(parents=True, exist_ok=True)
    return replace(context, say=RunLog(context.say, files.logs / "run.log", fresh))


def _keys(context: Context, search: SearchFiles, numbering: Numbering, maker: Mapping[str, Any]) -> dict[str, Any]:
    files = data_files(context) | {"quat_file": search.samples, "r2peak_file": search.r2peak, "prob_orien_file": search.candidates}
    updates = " and ".join(numbering.kinds)
    return run_keys(context, inputs.geometry(context), inputs.lattice(context), files, cutoff=search.resolution, updates=updates, **maker)


def _checked(path: Path, keys: dict[str, Any]) -> emc_state.EmcState:
    state = emc_state.read(path)
    refuse_other(path, state.keys, keys)
    return state


def _continued(context: Context, task: Task, before: emc_state.EmcState) -> LoopState:
    context.say(f"continuing after flag {before.history[-1].flag}")
    active = unpacked(context.ranks, before.active, len(task.work.evaluations.wanted))
    return LoopState(
        before.intensity, before.phi, before.start_phi, before.best, Pruning(active, before.since, before.turned), tuple(before.history)
    )


def _begun(context: Context, task: Task, engine: Engine, start: Start) -> LoopState:
    intensity_, scale = start(task, engine)
    off = float(np.abs(engine.symmetric_mean(intensity_) - intensity_).max())
    active = np.ones(len(task.work.evaluations.wanted), bool)
    symmetric = off <= SYMMETRIC * float(np.abs(intensity_).max())
    return LoopState(intensity_, scale, scale, np.full(task.frames, -1, np.int32), Pruning(active), symmetric=symmetric)


def _rule(context: Context) -> PruningRule:
    keys = context.config.section(Reconstruction)
    return PruningRule(keys.prune_margin, keys.prune_interval)


def _head(context: Context, task: Task, search: SearchFiles) -> emc_log.RunHead:
    return emc_log.RunHead(context.ranks.size, emc_inputs.rotation_count(search), task.frames, len(task.detector.x))


class FlagKeeper:
    """Writes iter_flag-N, and then what people look at.

    Parameters
    ----------
    keys : dict
        What the run depends on (`run_keys`).
    drawing : float
        Seconds between two drawings.
    """

    def __init__(self, context: Context, files: RunFiles, task: Task, keys: dict[str, Any], drawing: float = DRAWING) -> None:
        self._context, self._files, self._task, self._keys, self._drawing = context, files, task, keys, drawing
        self._drawn = time.monotonic()

    def keep(self, result: FlagResult) -> None:
        """Keep one flag; all ranks call this."""
        ranks, flag, state = self._context.ranks, result.flag, result.state
        active = packed(ranks, state.pruning.active)
        parts = emc_inputs.number_of_parts(self._context)
        first_frame = self._task.work.first
        write_flag(
            ranks, self._files.results, flag.number, result.assignment, first_frame, parts, lambda path: self._write(path, result, active)
        )
        record = state.history[-1]
        if ranks.rank == 0:
            emc_log.append(self._files.logs / "EMC.log", flag.iteration, flag.kind, record.seconds, record.angle, flag.last)
            history_file.write(self._files.results / history_file.NAME, state.history)
        if flag.last and time.monotonic() - self._drawn > self._drawing:
            self.draw(state.history)

    def draw(self, history: Sequence[FlagRecord]) -> None:
        """Draw the convergence so far."""
        self._drawn = time.monotonic()
        if self._context.ranks.rank == 0 and history:
            # Here, not above: the other ranks, which are many, do without the 25 MB of the plotting library.
            from fxs_hpc.report.emc_convergence import plot_convergence

            plot_convergence(self._files.results / "convergence.png", history)

    def map(self, state: LoopState) -> None:
        """Write the intensity as a map, where there is one and it is wanted."""
        edge = self._context.config.section(Reconstruction).map_edge
        if self._context.ranks.rank == 0 and state.history and edge:
            self._context.say(write_voxels(self._files.results, self._task.model.reflections, state.intensity, edge))

    def _write(self, folder: Path, result: FlagResult, active: NDArray[np.uint8]) -> None:
        state, pruning = result.state, result.state.pruning
        kept = emc_state.EmcState(
            self._keys, state.history, state.intensity, state.phi, state.start_phi, state.best, active, pruning.since, pruning.turned
        )
        emc_state.write(folder / emc_state.NAME, kept)
        if result.flag.kind == PHI:
            phi.write(folder / "total-phi.dat", state.phi)
        else:
            _write_intensity(folder, self._task, result)


def _write_intensity(folder: Path, task: Task, result: FlagResult) -> None:
    assert result.details is not None
    reflections, new = task.model.reflections, result.details
    seen = np.flatnonzero(new.seen).astype(np.int32)
    intensity.write(folder / "finish_intensity.bin", new.intensity)
    hkl_values.write(folder / "hkl-val.dat", reflections.largest_index, reflections.hkl, task.model.sums(new.intensity))
    mean_std.write(folder / "intens-mean-std.dat", mean_std.MeanStd(seen, reflections.hkl[seen], new.sums[seen], new.std[seen]))
    means = orbit_means(task.model, new.sums, new.seen, new.merged_std)
    crystfel_hkl.write(folder / MERGED, means, crystfel(task.model.group))


def _farewell(context: Context, state: LoopState, reason: str) -> None:
    last = state.history[-1].flag if state.history else 0
    if reason == "done":
        context.say(f"flag {last} was the last" if state.history else "nothing to do")
    elif reason == "converged":
        context.say(f"converged at flag {last}")
    else:
        context.say(f"stopped after flag {last} because {reason}; everything is kept, `--resume` continues")
