"""reconstruct: invariants -> phased densities, many random starts side by side, checkpointed and resumable."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.errors import NumericalError, SettingsError
from fxs_hpc.files.atomic import remove_leftovers
from fxs_hpc.files.checkpoint import CHECKPOINTS, read_checkpoint
from fxs_hpc.files.data_h5 import Reconstruction, RunDescription, write_data
from fxs_hpc.files.lock import locked
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.fluctuation import schedule
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.stages import provenance
from fxs_hpc.stages.cores import available_memory
from fxs_hpc.stages.duration import duration
from fxs_hpc.stages.fxs import computed_on, device, phasing_footprint, phasing_grids, phasing_problem, phasing_schedule, settings_copy
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.finished import differing
from fxs_hpc.stages.fxs.output_placement import placement
from fxs_hpc.stages.fxs.phasing_output import draw_one, draw_run, used_invariants
from fxs_hpc.stages.fxs.phasing_problem import Problem
from fxs_hpc.stages.fxs.phasing_worker import Report, checkpoint_path, cpu_engine, fingerprint, result
from fxs_hpc.stages.fxs.progress import display
from fxs_hpc.stages.fxs.runners import runner

FEWEST = 4
"""Reconstructions made when the settings leave the number open: `average` needs some, even on a laptop."""


_IRRELEVANT = ("IO", "multi_process", "GPU", "profiling", "settings_version", "seed")
"""Sections that the result does not depend on (the seed counts as the number it stands for)."""


def number_wanted(settings: Reconstruct, threads: int) -> int:
    """How many reconstructions to make."""
    given = settings.multi_process.n_parallel_reconstructions
    return max(threads, FEWEST) if isinstance(given, bool) else given


def processes_for(settings: Reconstruct, wanted: int, threads: int, each: int) -> int:
    """Processes that run at a time: as many as there are cores, reconstructions, and room in memory."""
    if not settings.multi_process.use:
        return 1
    return max(1, min(wanted, threads, int(0.9 * available_memory() / each)))


def plan(settings: Reconstruct, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes."""
    data = read_proj_data(context.workspace.find("invariants"), with_invariants=False)
    grids = phasing_grids.geometry(settings, data)
    wanted = number_wanted(settings, context.threads)
    each = phasing_footprint.memory_each(grids, context.precision)
    processes = processes_for(settings, wanted, context.threads, each)
    steps = schedule.step_count(schedule.schedule(phasing_schedule.blocks(settings, grids.radial.q_max)))
    lines = (
        f"grid: {phasing_grids.describe(grids)}",
        f"{wanted} reconstructions of {steps} steps, {processes} at a time",
        *device.plan(settings.GPU, grids, max(settings.projections.reciprocal.used_order_ids), context.precision),
    )
    memory = max(processes * each, phasing_footprint.memory_storing(settings, grids, context.precision))
    return Plan(memory, phasing_footprint.disk(settings, grids, wanted, context.precision), lines)


def _is_unfinished(folder: Path, name: str) -> bool:
    return (folder / "settings.yaml").exists() and (not (folder / name).exists() or any(folder.glob(CHECKPOINTS)))


def unfinished_run(context: Context, settings: Reconstruct) -> Path | None:
    """The newest run folder without data.h5 or with checkpoints, if there is one."""
    workspace, name = context.workspace, settings.IO.files.reconstructions.name
    runs = workspace.folder("results", run=0).parent.parent.glob("*/run_*")
    unfinished = [folder for folder in runs if _is_unfinished(folder, name)]
    return max(unfinished, key=lambda path: (path / "settings.yaml").stat().st_mtime) if unfinished else None


def _run_folder(context: Context, settings: Reconstruct) -> tuple[Path, bool]:
    """Folder to write to, and whether it holds a run to be continued."""
    begun = unfinished_run(context, settings) if context.resume else None
    if begun is not None:
        return begun, True
    if context.resume:
        context.say("  nothing was begun with these inputs: a new run")
    number = context.workspace.next_run("results")
    return context.workspace.folder("results", run=number), False


def _relevant(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if key not in (*_IRRELEVANT, "provenance")}


def differences(folder: Path, settings: Reconstruct, context: Context, source: Path) -> list[str]:
    """What the run in `folder` was begun with and would now be otherwise, in words; nothing if it can be continued."""
    seed = seed_of(settings, folder)
    stored = yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))
    different = differing(stored, settings, (*_IRRELEVANT, "provenance"))
    block = stored.get("provenance", {})
    for name, value in (("precision", context.precision), ("seed", seed)):
        if block.get(name) != value:
            different.append(f"{name} ({block.get(name)} then, {value} now)")
    if provenance.sha256(source) not in block.get("inputs", {}).values():
        different.append(f"the invariants in {source}")
    return different


def _refuse_other_settings(folder: Path, settings: Reconstruct, context: Context, source: Path) -> None:
    """A run is continued only with what it was begun with."""
    different = differences(folder, settings, context, source)
    if different:
        raise SettingsError(
            f"{folder}: was begun with other values of {', '.join(different)}; restore them to resume, or start anew without --resume. "
            "Safe to change: IO, multi_process, GPU, threads"
        )


def run(settings: Reconstruct, context: Context) -> Path:
    """Reconstruct and write data.h5 with its companions; returns the result folder."""
    started = time.monotonic()
    source = context.workspace.find("invariants").resolve()
    data = read_proj_data(source, with_invariants=False)
    folder, begun = _run_folder(context, settings)
    if begun:
        _refuse_other_settings(folder, settings, context, source)
    problem = phasing_problem.problem(settings, data, seed_of(settings, folder), context.precision)
    wanted = number_wanted(settings, context.threads)
    with locked(folder):
        remove_leftovers(folder)
        if not begun:
            settings_copy.write(folder, "settings.yaml", settings, context, inputs=[source], seed=problem.seed)
        mark = mark_of(settings, problem, source)
        announce(settings, context, problem, data)
        failures = phase(settings, context, problem, range(wanted), folder, mark)
        done = ranked([n for n in range(wanted) if n not in failures], folder)
        store(settings, context, problem, data, folder, mark, done, started)
        if not any(report.died for report in failures.values()):
            remove_checkpoints(folder)
        _warn_of(failures, wanted, context)
    return folder


def seed_of(settings: Reconstruct, folder: Path) -> int:
    """The seed of the run in `folder`: the number of the run where the settings leave it open."""
    return int(folder.name.removeprefix("run_")) if settings.seed == "auto" else int(settings.seed)


def mark_of(settings: Reconstruct, problem: Problem, source: Path) -> str:
    """Hash of everything that the result depends on; every checkpoint carries it."""
    return fingerprint(provenance.as_yaml([_relevant(settings.tree()), problem.seed, problem.precision, provenance.sha256(source)]))


def remove_checkpoints(folder: Path) -> None:
    """Remove the states of a run that is complete."""
    for left in folder.glob(CHECKPOINTS):
        left.unlink()


def announce(settings: Reconstruct, context: Context, problem: Problem, data: InvariantData) -> None:
    """Say what will be done."""
    grids = problem.geometry
    context.say("  Loops:")
    for block in phasing_schedule.blocks(settings, grids.radial.q_max):
        context.say(f"    {block.describe()}")
    context.say(
        f"  grid: {phasing_grids.describe(grids)}; "
        f"orders {min(settings.projections.reciprocal.used_order_ids)}..{max(settings.projections.reciprocal.used_order_ids)} of the data, "
        f"{context.precision} precision, seed {problem.seed}"
    )
    for line in phasing_grids.warnings(settings, data, grids):
        context.say(f"  note: {line}")


def phase(settings: Reconstruct, context: Context, problem: Problem, numbers: Sequence[int], folder: Path, mark: str) -> dict[int, Report]:
    """Run the reconstructions `numbers`, on a GPU or on the cores; returns those that failed."""
    processes = processes_for(settings, len(numbers), context.threads, phasing_footprint.memory_each(problem.geometry, context.precision))
    run_them = runner(settings, context, problem, numbers, folder, processes)
    shown = display(context.say, len(numbers), schedule.step_count(problem.operations))
    try:
        return run_them(numbers, folder, mark, shown.show)
    finally:
        shown.close()


def ranked(numbers: Sequence[int], folder: Path) -> list[int]:
    """Numbers of the finished reconstructions, smallest last error first."""
    errors = {number: read_checkpoint(checkpoint_path(folder, number)).progress.last_error for number in numbers}
    return sorted(errors, key=lambda number: (errors[number], number))


def _warn_of(failures: dict[int, Report], wanted: int, context: Context) -> None:
    if failures:
        context.say(f"  {wanted - len(failures)} of {wanted} reconstructions finished; failed: {_listed(failures)}")
    died = [number for number, report in failures.items() if report.died]
    if died:
        context.say(f"  the same command with --resume continues {_listed(died)}")


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def store(
    settings: Reconstruct, context: Context, problem: Problem, data: InvariantData, folder: Path, mark: str, done: list[int], started: float
) -> None:
    """Write the reconstructions `done` into one data.h5, with pictures."""
    if not done:
        raise NumericalError(f"{folder}: none of the reconstructions finished; see the messages above")
    loops = settings.main_loop.sub_loops
    description = RunDescription(
        radial=problem.geometry.radial,
        angular=problem.geometry.angular,
        wavelength=data.wavelength,
        projection_matrices={**problem.constraints.reciprocal.projection_matrices, **_order_0(problem)},
        max_order=max(settings.projections.reciprocal.used_order_ids),
        n_particles=settings.projections.reciprocal.number_of_particles.initial,
        loop_iterations=sum(loops.loops[name].iterations for name in loops.order),
        run_time=time.monotonic() - started,
        computed_on=computed_on.lines(folder),
        invariants=used_invariants(problem) if settings.IO.files.invariants.options.save_invariant else None,
    )
    errors: dict[int, dict[str, list[float]]] = {}
    estimates: dict[int, str] = {}

    def results() -> Iterator[tuple[int, Reconstruction]]:
        engine, moved = cpu_engine(problem), placement(settings, problem)
        for rank, number in enumerate(done):
            found = result(engine, problem, number, folder, mark, moved)
            errors[number] = {name: list(series) for name, series in found.errors.items()}
            estimates[number] = _estimate(problem, found)
            draw_one(settings, context.workspace, folder, problem, number, found, rank, len(done))
            yield number, found

    write_data(folder / settings.IO.files.reconstructions.name, description, results())
    draw_run(settings, folder, problem, data, errors, done)
    best = errors[done[0]]["main"][-1]
    context.say(f"  {len(done)} reconstructions in {duration(time.monotonic() - started)}; best last error {best:.3e} (number {done[0]})")
    if settings.projections.reciprocal.number_of_particles.estimate:
        told = ", ".join(f"{estimates[number]} (number {number})" for number in done)
        context.say(f"  particles per pattern, as estimated, best last error first: {told}")


def _estimate(problem: Problem, found: Reconstruction) -> str:
    """The last estimate of the number of particles, in words."""
    search, made = problem.rules.particles, found.particles.get("estimated", ())
    if search is None or not made:
        return "none"
    settled = not search.project or search.settled(found.particles["fraction"])
    return f"{made[-1]:.3g}" if settled else f"{made[-1]:.3g}, not settled"


def _order_0(problem: Problem) -> dict[int, np.ndarray]:
    average = problem.constraints.reciprocal.spherical_average
    return {} if average is None else {0: average[:, None]}
