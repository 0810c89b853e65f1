"""Run stages here and now, one after another: on this machine, or inside the allocation of a job."""

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fxs_hpc.cluster import child, mpi, slurm
from fxs_hpc.cluster.request import request
from fxs_hpc.cluster.sbatch import EARLIEST
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.errors import FxsError, InputFileError
from fxs_hpc.stages.duration import duration
from fxs_hpc.stages.emc.row import EmcRow
from fxs_hpc.stages.row import Row, Standing
from fxs_hpc.stages.table import PIPELINES, parents

Say = Callable[[str], None]
MOST_RESTARTS = 100
"""Times that a job without a count of its progress goes back into the queue."""
DEATH_ROW = 120
"""Seconds in which SLURM ends a job that was put back into the queue."""


class StageError(FxsError):
    """A stage has failed; it has said why."""


class UnfinishedError(FxsError):
    """A stage stopped in order before it was done."""

    exit_code = 75


@dataclass(frozen=True)
class Place:
    """Where stages run.

    Attributes
    ----------
    requeue : bool
        Put this job back into the queue where its time is up before the stage is done.
    continued : bool
        Another job goes on from here: stopping before the stage is done is no failure.
    share : tuple of int, optional
        Which share of an array stage, of how many.
    collect : bool
        Merge the shares of an array stage.
    early : bool
        The stage was asked to stop long before the end of its wall time.
    """

    requeue: bool = False
    continued: bool = False
    share: tuple[int, int] | None = None
    collect: bool = False
    early: bool = False


def run(rows: Sequence[Row], config: RunConfig, say: Say, place: Place | None = None) -> None:
    """Run `rows` in their order; what is done is left out.

    Raises
    ------
    InputFileError
        An input is missing.
    StageError
        A stage failed.
    UnfinishedError
        Time was up.
    """
    for number, row in enumerate(rows, start=1):
        say(f"[{number}/{len(rows)}] {row.name}: {row.summary}" if len(rows) > 1 else f"{row.name}: {row.summary}")
        standing = row.standing(config)
        if standing.done:
            say(f"  done before: {standing.words}")
            continue
        if standing.words:
            say(f"  to be done: {standing.words}")
        refuse_missing_inputs(row, config)
        _run_one(row, config, say, place or Place(), standing)


def refuse_missing_inputs(row: Row, config: RunConfig) -> None:
    """All inputs must lie there.

    Raises
    ------
    InputFileError
        One does not; names the stage that makes it.
    """
    for path in row.missing(config):
        makers = [other.name for other in parents(row, PIPELINES[row.pipeline], config) if path in other.outputs(config)]
        remedy = f"it is made by {' or '.join(makers)}: start there (--from {makers[0]})" if makers else "put it there"
        raise InputFileError(f"{row.name}: {path} is missing; {remedy}")


def _run_one(row: Row, config: RunConfig, say: Say, place: Place, before: Standing) -> None:
    began = time.monotonic()
    words = _command(row, config, say, place)
    say(f"  $ {shlex.join(words)}")
    environment = mpi.launch_environment() | {"PYTHONUNBUFFERED": "1"}
    outcome = child.run(words, environment, gentle=child.TIME_IS_UP[0] if _stops_cleanly(row) else child.TERMINATE)
    if place.share or place.collect:
        _judge_share(row, outcome, say, place)
        return
    after = row.standing(config)
    if outcome.code == 0 and isinstance(row, EmcRow) and not row.resumable:
        row.record(config)
        after = row.standing(config)
    if outcome.code == 0 and after.done:
        say(f"  {row.name} took {duration(time.monotonic() - began)}")
    elif outcome.time_was_up or (outcome.code == 0 and row.resumable and after.made is not None):
        _stop(row, before, after, say, replace(place, early=_early(row, config, began)))
    else:
        raise StageError(failure(row, outcome, config))


def failure(row: Row, outcome: child.Outcome, config: RunConfig) -> str:
    """Why a stage is not done, in a sentence."""
    if outcome.code == 0:
        lacking = [str(path) for path in row.outputs(config) if not path.exists()]
        return f"{row.name} ended without an error, but {', '.join(lacking) or 'what it should have made'} is not there"
    how = f"signal {-outcome.code}" if outcome.code < 0 else f"exit status {outcome.code}"
    return f"{row.name} failed ({how}); its messages are above"


def _judge_share(row: Row, outcome: child.Outcome, say: Say, place: Place) -> None:
    if outcome.time_was_up:
        if place.requeue and _restarts() < MOST_RESTARTS:
            _back_into_the_queue(row, say)
        raise UnfinishedError(f"{row.name}: time was up; `fxs-hpc resume` goes on")
    if outcome.code:
        raise StageError(f"{row.name}: this {'share' if place.share else 'collecting'} failed (exit status {outcome.code})")


def _restarts() -> int:
    """Times that this job was in the queue before."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def _stop(row: Row, before: Standing, after: Standing, say: Say, place: Place) -> None:
    """The time was up before the stage was done."""
    if not row.resumable:
        raise StageError(f"{row.name} does not fit into its wall time; give it more: `time = ...` under [slurm:{row.name}] in config.ini")
    reached = f"{row.name}: {after.made} of {after.wanted} are done" if after.made is not None else f"{row.name}: not done yet"
    progress = after.made > (before.made or 0) if after.made is not None else _restarts() < MOST_RESTARTS
    if place.continued:
        say(f"  {reached}; the next job goes on")
        return
    if place.requeue and not progress and not place.early:
        raise StageError(f"{reached}; none fits into the wall time; give it more: `time = ...` under [slurm:{row.name}] in config.ini")
    if place.requeue:
        say(f"  {reached}; back into the queue")
        _back_into_the_queue(row, say)
    raise UnfinishedError(f"{reached}; the same command, or `fxs-hpc resume`, goes on")


def _early(row: Row, config: RunConfig, began: float) -> bool:
    """Whether the job was asked to stop in the first half of its wall time: nodes are taken away, or SLURM was too early."""
    return time.monotonic() - began < request(row, config).seconds / 2


def _back_into_the_queue(row: Row, say: Say) -> None:
    number = os.environ.get("SLURM_JOB_ID", "")
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    shown = f"{array}_{task}" if array else number
    try:
        slurm.requeue(number)
    except slurm.SlurmError as error:
        raise UnfinishedError(
            f"{row.name}: job {shown} cannot go back into the queue ({error}); `fxs-hpc resume` goes on; "
            f"`parts = 4`, say, under [slurm:{row.name}] splits it over jobs beforehand"
        ) from None
    say(f"  job {shown} is back in the queue")
    # SLURM ends this job now, all of it. Ending by ourselves first would look like a result.
    time.sleep(DEATH_ROW)


def _stops_cleanly(row: Row) -> bool:
    return isinstance(row, EmcRow) and row.stage.timed


def _command(row: Row, config: RunConfig, say: Say, place: Place) -> list[str]:
    words = list(row.words(config))
    if place.share:
        words += ["--share", "/".join(map(str, place.share))]
    elif place.collect:
        words += ["--collect"]
    if _stops_cleanly(row) and (left := _time_left()) is not None:
        words += ["--time-limit", f"0:{max(1, int(left))}"]
    if row.launch != "mpi":
        return [sys.executable, "-m", "fxs_hpc", *words]
    wanted = request(row, config)
    ranks, nodes = _ranks(config)
    if ranks == 1:
        say("  one rank")
        return [sys.executable, "-m", "fxs_hpc", *words]
    found = mpi.launcher(ranks, wanted.launcher, nodes)
    say(f"  {ranks} ranks by {found}")
    return [*found.words, *mpi.program(words)]


def _ranks(config: RunConfig) -> tuple[int, int]:
    """Ranks and nodes: those of the allocation, or of config.ini."""
    if "SLURM_JOB_ID" in os.environ and "SLURM_NTASKS" in os.environ:
        return int(os.environ["SLURM_NTASKS"]), int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
    return config.ranks or config.cores, 1


def _time_left() -> float | None:
    """Seconds for the stage inside a job; None outside."""
    if "SLURM_JOB_ID" not in os.environ:
        return None
    left = slurm.time_left(os.environ["SLURM_JOB_ID"])
    return None if left is None else left - EARLIEST
