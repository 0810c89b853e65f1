"""One reconstruction in a worker process: start or continue, checkpoint every few seconds, report, and give the result."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from fxs_hpc.engine.interface import Engine, PlaneGeometry
from fxs_hpc.engine.numpy_engine import NumpyEngine
from fxs_hpc.engine.plane_engine import PlaneEngine
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from fxs_hpc.files.data_h5 import Reconstruction
from fxs_hpc.fluctuation import phasing, schedule
from fxs_hpc.stages.fxs.output_placement import Placement, Side
from fxs_hpc.stages.fxs.phasing_problem import Problem
from fxs_hpc.stages.profiling import profiled

CHECKPOINT_SECONDS = 5.0
REPORT_SECONDS = 0.5

PROFILE = "profile_{}.prof"
"""File of the profile of one reconstruction."""


@dataclass(frozen=True)
class Report:
    """Where a reconstruction stands, for the progress display. steps_total counts projection steps.

    ended_iteration : whether this was the last operation of an iteration of its block.
    failure : why it ended without a result; died : its process is gone, so that it can be continued.
    """

    reconstruction: int
    steps: int
    steps_total: int
    block: str
    iteration: int
    method: str
    error: float
    best_error: float
    ended_iteration: bool = False
    finished: bool = False
    failure: str = ""
    died: bool = False


def failed(number: int, message: str, died: bool = False) -> Report:
    """Report of a reconstruction that ended without a result."""
    return Report(number, 0, 1, "", 0, "", float("nan"), float("nan"), failure=message, died=died)


def checkpoint_path(folder: Path, reconstruction: int) -> Path:
    """File of one reconstruction's state in the run folder."""
    return folder / f"checkpoint_{reconstruction}.h5"


def fingerprint(text: str) -> str:
    """Short hash of everything a result depends on."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cpu_engine(problem: Problem) -> Engine:
    """Engine of the CPU for the grids of `problem`."""
    if isinstance(problem.geometry, PlaneGeometry):
        return PlaneEngine(problem.geometry, problem.constraints, problem.precision)
    return NumpyEngine(problem.geometry, problem.constraints, problem.precision)


def _start(engine: Engine, problem: Problem, reconstruction: int) -> None:
    engine.load(problem.start(reconstruction), problem.initial_support, problem.initial_support)
    engine.band_limit()


def _resumed(engine: Engine, path: Path, mark: str, problem: Problem) -> phasing.Progress:
    if not path.exists():
        return phasing.Progress()
    found = read_checkpoint(path)
    if found.fingerprint != mark:
        raise InputFileError(
            f"{path}: belongs to a run with other settings, other invariants or another version; start anew without --resume, or restore "
            "what was changed"
        )
    engine.restore(found.snapshots, problem.initial_support)
    return found.progress


def reconstruct(
    problem: Problem, reconstruction: int, folder: Path, mark: str, report: Callable[[Report], None], engine: Engine | None = None
) -> None:
    """Run one reconstruction to the end of the schedule; its last checkpoint is the result.

    Parameters
    ----------
    mark : fingerprint that a checkpoint must carry to be continued.
    report : receives a `Report` at least every half second and at the end of each method of a block.
    engine : what computes; by default one core of the CPU.
    """
    path = checkpoint_path(folder, reconstruction)
    operations = problem.operations
    profile = folder / PROFILE.format(reconstruction) if reconstruction == problem.profiled else None
    with threadpool_limits(limits=1, user_api="blas"), profiled(profile):
        engine = engine or cpu_engine(problem)
        _start(engine, problem, reconstruction)
        progress = _resumed(engine, path, mark, problem)
        saved = reported = time.monotonic()
        for operation in phasing.run(engine, operations, problem.rules, progress):
            now = time.monotonic()
            ended = _ends_iteration(operations, progress.position, operation)
            if progress.steps and (ended or now - reported > REPORT_SECONDS):
                report(_report(reconstruction, progress, operations, operation, ended_iteration=ended))
                reported = now
            if now - saved > CHECKPOINT_SECONDS:
                write_checkpoint(path, Checkpoint(mark, progress, tuple(engine.snapshots())))
                saved = time.monotonic()
        write_checkpoint(path, Checkpoint(mark, progress, tuple(engine.snapshots())))
        report(_report(reconstruction, progress, operations, operations[-1], finished=True))


def _ends_iteration(operations: Sequence[schedule.Operation], following: int, operation: schedule.Operation) -> bool:
    """Whether `operation` is the last one of an iteration of its block and more follow."""
    if isinstance(operation, schedule.EndOfBlock) or all(isinstance(rest, schedule.EndOfBlock) for rest in operations[following:][:2]):
        return False
    after = operations[following]
    return (after.block, getattr(after, "iteration", -1)) != (operation.block, operation.iteration)


def _report(
    number: int,
    progress: phasing.Progress,
    operations: Sequence[schedule.Operation],
    operation: schedule.Operation,
    ended_iteration: bool = False,
    finished: bool = False,
) -> Report:
    method = operation.update.method if isinstance(operation, schedule.Step) else "SW"
    iteration = getattr(operation, "iteration", 0) + 1
    where = (operation.block, iteration, method)
    total = phasing.steps_in_all(operations, progress)
    return Report(number, progress.steps, total, *where, progress.last_error, progress.best_error, ended_iteration, finished)


def result(
    engine: Engine, problem: Problem, reconstruction: int, folder: Path, mark: str, placement: Placement | None = None
) -> Reconstruction:
    """The finished reconstruction whose last checkpoint lies in `folder`; the state of `engine` is overwritten.

    Parameters
    ----------
    placement : moves last and best density before they are stored.
    """
    _start(engine, problem, reconstruction)
    initial = engine.density()
    progress = _resumed(engine, checkpoint_path(folder, reconstruction), mark, problem)
    phasing.prepare(engine, problem.operations[: progress.position], problem.rules, progress)
    last = _side(engine)
    engine.recall()
    best = _side(engine)
    if placement is not None:
        last, best = placement.placed(last), placement.placed(best)
    half = "complex64" if problem.precision == "single" else "complex128"
    return Reconstruction(
        real_density=best.density,
        last_real_density=last.density,
        last_cleaned_density=last.cleaned,
        initial_density=initial,
        reciprocal_density=best.projected.amplitude.astype(half, copy=False),
        last_reciprocal_density=last.projected.amplitude.astype(half, copy=False),
        support_mask=best.support,
        last_support_mask=last.support,
        initial_support=problem.initial_support,
        errors=progress.errors,
        particles=progress.particles,
        best_error=progress.best_error,
        unknowns=best.projected.unknowns,
        last_deg2_invariant=last.projected.invariants,
    )


def _side(engine: Engine) -> Side:
    """The present state of the engine, which then is the cleaned one."""
    density, support, projected = engine.density(), engine.support(), engine.project()
    engine.band_limit()
    return Side(density, engine.density(), support, projected)
