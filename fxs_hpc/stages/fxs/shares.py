"""reconstruct in shares: tasks that know nothing of each other do some of the reconstructions each, one more collects what they made.

Random numbers are keyed by the number of a reconstruction, so that the split does not change a bit. All tasks write their checkpoints
into one run folder, the newest that was begun with the same settings and invariants and is not complete.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.errors import InputFileError, NumericalError
from fxs_hpc.files.atomic import remove_leftovers, write_text
from fxs_hpc.files.checkpoint import read_checkpoint, read_standing
from fxs_hpc.files.lock import in_turn, locked, shared
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.fluctuation import schedule
from fxs_hpc.stages.fxs import phasing_grids, phasing_problem, phasing_schedule, reconstruct, settings_copy
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.phasing_problem import Problem
from fxs_hpc.stages.fxs.phasing_worker import Report, checkpoint_path

FAILURE = "failed_{number}.txt"
"""Says why a reconstruction will never have a result."""


def number_wanted(settings: Reconstruct) -> int:
    """How many reconstructions all shares make together: the same number on every machine."""
    given = settings.multi_process.n_parallel_reconstructions
    return reconstruct.FEWEST if isinstance(given, bool) else given


def share_of(numbers: int, share: int, shares: int) -> range:
    """Reconstructions of one share; those of all shares are 0 .. `numbers` - 1."""
    return range(share, numbers, shares)


def run(settings: Reconstruct, context: Context, share: int, shares: int) -> Path:
    """Make the reconstructions of one share, 0 <= `share` < `shares`; returns the run folder.

    Raises
    ------
    NumericalError
        One or more of them failed; the others have their checkpoints.
    """
    source = context.workspace.find("invariants").resolve()
    data = read_proj_data(source)
    folder = _joined(settings, context, source)
    problem = phasing_problem.problem(settings, data, reconstruct.seed_of(settings, folder), context.precision)
    mark = reconstruct.mark_of(settings, problem, source)
    wanted = number_wanted(settings)
    numbers = [number for number in share_of(wanted, share, shares) if not _is_finished(folder, number, problem, mark)]
    context.say(f"  share {share + 1} of {shares} of {wanted} reconstructions: {', '.join(map(str, numbers)) or 'all done before'}")
    if numbers:
        with shared(folder):
            reconstruct.announce(settings, context, problem, data)
            _note(folder, numbers, reconstruct.phase(settings, context, problem, numbers, folder, mark))
    return folder


def collect(settings: Reconstruct, context: Context) -> Path:
    """Merge what the shares finished into one data.h5; returns the run folder.

    The checkpoints stay while reconstructions are missing that may still be made.

    Raises
    ------
    InputFileError
        Nothing was begun.
    NumericalError
        Nothing was finished.
    """
    started = time.monotonic()
    source = context.workspace.find("invariants").resolve()
    data = read_proj_data(source)
    folder = _begun(settings, context, source)
    if folder is None:
        raise InputFileError(f"{context.workspace.folder('results', run=0).parent}: holds no reconstructions to collect; none was begun")
    with locked(folder):
        remove_leftovers(folder)
        problem = phasing_problem.problem(settings, data, reconstruct.seed_of(settings, folder), context.precision)
        mark, wanted = reconstruct.mark_of(settings, problem, source), number_wanted(settings)
        done = [number for number in range(wanted) if _is_finished(folder, number, problem, mark)]
        missing = {number: _failure(folder, number) for number in range(wanted) if number not in done}
        context.say(f"  {len(done)} of {wanted} reconstructions finished")
        for number, why in missing.items():
            context.say(f"  P{number} is missing: {why or 'its task ended before it; it can be continued'}")
        reconstruct.store(settings, context, problem, data, folder, mark, reconstruct.ranked(done, folder), started)
        if all(missing.values()):
            reconstruct.remove_checkpoints(folder)
    return folder


def standing(settings: Reconstruct, context: Context) -> tuple[int, float]:
    """How many reconstructions of the run in progress are finished, and the smallest error of all."""
    source = context.workspace.find("invariants").resolve()
    folder = _begun(settings, context, source)
    if folder is None:
        return 0, math.inf
    q_max = phasing_grids.geometry(settings, read_proj_data(source)).radial.q_max
    length = len(schedule.schedule(phasing_schedule.blocks(settings, q_max)))
    paths = [checkpoint_path(folder, number) for number in range(number_wanted(settings))]
    found = [read_standing(path) for path in paths if path.exists()]
    return sum(position >= length for position, _ in found), min((error for _, error in found), default=math.inf)


def _joined(settings: Reconstruct, context: Context, source: Path) -> Path:
    """The run folder that all tasks share; made by whoever comes first."""
    with in_turn(context.workspace.folder("results", run=0).parent.parent):
        folder = _begun(settings, context, source)
        if folder is None:
            folder = _new_folder(context)
            seed = reconstruct.seed_of(settings, folder)
            settings_copy.write(folder, "settings.yaml", settings, context, inputs=[source], seed=seed)
        return folder


def _new_folder(context: Context) -> Path:
    run = context.workspace.next_run("results")
    while (folder := context.workspace.folder("results", run=run)).joinpath("settings.yaml").exists():
        run += 1
    return folder


def _begun(settings: Reconstruct, context: Context, source: Path) -> Path | None:
    folder = reconstruct.unfinished_run(context, settings)
    return None if folder is None or reconstruct.differences(folder, settings, context, source) else folder


def _is_finished(folder: Path, number: int, problem: Problem, mark: str) -> bool:
    path = checkpoint_path(folder, number)
    if not path.exists():
        return False
    found = read_checkpoint(path)
    return found.fingerprint == mark and found.progress.position >= len(problem.operations)


def _note(folder: Path, numbers: Sequence[int], failures: dict[int, Report]) -> None:
    for number in numbers:
        path = folder / FAILURE.format(number=number)
        path.unlink(missing_ok=True)
        if number in failures and not failures[number].died:
            write_text(path, failures[number].failure + "\n")
    if failures:
        raise NumericalError(f"{folder}: {len(failures)} of {len(numbers)} reconstructions of this share failed; see the messages above")


def _failure(folder: Path, number: int) -> str:
    path = folder / FAILURE.format(number=number)
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""
