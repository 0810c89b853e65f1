"""A pipeline as SLURM jobs that wait for each other, through submitit."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

from fxs_hpc.cluster import job as body
from fxs_hpc.cluster import sbatch, slurm, state
from fxs_hpc.cluster.environment import for_submission
from fxs_hpc.cluster.local import refuse_missing_inputs
from fxs_hpc.cluster.request import COLLECT as SUFFIX
from fxs_hpc.cluster.request import OPTIONS, Request, request
from fxs_hpc.cluster.state import Chain, Submitted
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.errors import UsageError
from fxs_hpc.files.lock import locked
from fxs_hpc.stages.row import Row
from fxs_hpc.stages.table import chain_of, parents

STAGE, PART, COLLECT = "stage", "part", "collect"


class Submission:
    """Submits stages of one pipeline.

    Parameters
    ----------
    pipeline : str
        `fxs` or `emc`.
    config : RunConfig
        What config.ini says.
    say : callable
        Prints one line.
    """

    def __init__(self, pipeline: str, config: RunConfig, say: Callable[[str], None] = print) -> None:
        self._pipeline, self._config, self._say = pipeline, config, say
        self._overrides: dict[str, Mapping[str, str]] = {}
        self._home = config.home

    def override(self, stage: str, keys: Mapping[str, str]) -> None:
        """Let `keys` (those of [slurm] in config.ini) win over config.ini for one stage.

        Raises
        ------
        UsageError
            There is no such key.
        """
        allowed = (*OPTIONS, "setup", "options", "launcher", "tasks", "parts")
        for key in keys:
            if key not in allowed:
                raise UsageError(f"{key}: no key of [slurm]{suggestion(key, allowed)}; allowed are {', '.join(allowed)}")
        self._config = replace(
            self._config, slurm={**self._config.slurm, stage: {**self._config.slurm.get(stage, {}), **keys}}
        )

    def submit(self, first: str | None = None, last: str | None = None) -> list[Submitted]:
        """Submit what is not done; returns the jobs.

        Raises
        ------
        UsageError
            Jobs of this pipeline are waiting or running.
        InputFileError
            An input is missing that no earlier job will make.
        """
        rows = chain_of(self._pipeline, self._config, first, last)
        requests = {row.name: request(row, self._config) for row in rows}
        with locked(self._home / state.FOLDER):
            old, states = state.refreshed(self._home, self._pipeline)
            refuse_live(old, states)
            self._cancel_orphans(states)
            chain = Chain(self._pipeline, first, last)
            try:
                for row in rows:
                    for job in self._jobs_of(row, rows, requests[row.name], chain):
                        chain = chain.with_job(job)
                        # After each: a submission that breaks off must not lose the jobs it has made.
                        state.write(self._home, chain)
            except slurm.SlurmError:
                slurm.cancel(job.number for job in chain.jobs)
                raise
        return list(chain.jobs)

    def _jobs_of(self, row: Row, rows: Sequence[Row], wanted: Request, chain: Chain) -> Iterator[Submitted]:
        """Submit one stage behind those that it waits for."""
        before = [job for parent in parents(row, rows, self._config) for job in chain.of_stage(parent.name)[-1:]]
        standing = row.standing(self._config)
        if standing.done and not before:
            self._say(f"{row.name}: done before, {standing.words}")
            return
        if not before:
            refuse_missing_inputs(row, self._config)
        numbers = [job.number for job in before]
        new = self._array(row, wanted, numbers) if row.launch == "array" else self._plain(row, wanted, numbers)
        for job in new:
            self._say(f"{row.name}: job {job.number}{_described(job)}{f', after {job.after}' if job.after else ''}")
            yield job

    def _plain(self, row: Row, wanted: Request, before: Sequence[str]) -> Iterator[Submitted]:
        """One job, or several that go on one after another."""
        parts = (wanted.parts or 1) if row.resumable else 1
        waits_for = sbatch.dependency(before)
        words = sbatch.stage_words(row, str(self._config.path))
        if parts > 1:
            words.remove("--requeue")
        for part in range(parts):
            last = part == parts - 1
            yield (job := self._send(row, wanted, waits_for, [words if last else [*words, "--continued"]], STAGE if last else PART))
            waits_for = sbatch.dependency(after_end=[job.number])

    def _array(self, row: Row, wanted: Request, before: Sequence[str]) -> Iterator[Submitted]:
        """Tasks that know nothing of each other, and a job that collects what they have finished."""
        tasks = array_tasks(row.parts(self._config), wanted, slurm.largest_array())
        words = sbatch.stage_words(row, str(self._config.path))
        shares = [[*words, "--share", f"{task}/{tasks}"] for task in range(tasks)]
        yield (array := self._send(row, wanted, sbatch.dependency(before), shares, STAGE))
        collecting = request(row, self._config, SUFFIX)
        yield self._send(row, collecting, sbatch.dependency(before, [array.number]), [[*words, "--collect"]], COLLECT)

    def _send(self, row: Row, wanted: Request, waits_for: str, commands: Sequence[list[str]], role: str) -> Submitted:
        """Submit a new job; an array has a command for each of its tasks."""
        folder = self._home / state.FOLDER / row.name
        folder.mkdir(parents=True, exist_ok=True)
        name = row.name + SUFFIX if role == COLLECT else row.name
        number = send(folder, sbatch.submitit_parameters(wanted, name, waits_for, len(commands)), commands)
        shown = folder.relative_to(self._home)
        tasks = len(commands) if row.launch == "array" and role == STAGE else 0
        after = ", ".join(number for kind in waits_for.split(",") for number in kind.split(":")[1:])
        return Submitted(row.name, role, number, tasks, _now(), str(shown), str(shown / f"{number}_submission.sh"), after)

    def _cancel_orphans(self, states: Mapping[str, Sequence[slurm.Job]]) -> None:
        orphans = [number for number, entries in states.items() if any(entry.orphan for entry in entries)]
        if orphans:
            self._say(f"cancelled, because a job they wait for has failed: {', '.join(orphans)}")
            slurm.cancel(orphans)


def array_tasks(pieces: int, wanted: Request, largest: int) -> int:
    """Number of array tasks for `pieces` independent pieces of work: one for each `cpus` of them, if the user does not say."""
    return max(1, min(wanted.tasks or ceil(pieces / wanted.cpus), pieces, largest))


def refuse_live(chain: Chain, states: Mapping[str, Sequence[slurm.Job]]) -> None:
    """Nothing is submitted twice.

    Raises
    ------
    UsageError
        Jobs wait or run.
    """
    live = {entry.base: f"{entry.base} ({job.stage}, {entry.state})" for job in chain.jobs for entry in states[job.number] if entry.live}
    if live:
        raise UsageError(
            f"{chain.pipeline} is submitted already: jobs {', '.join(live.values())}; `fxs-hpc status` shows them, "
            f"`fxs-hpc cancel {chain.pipeline}` ends them"
        )


def send(folder: Path, parameters: Mapping[str, Any], commands: Sequence[list[str]]) -> str:
    """Submit `fxs-hpc COMMAND` through submitit, as an array if there are several; returns the number of the job.

    Raises
    ------
    slurm.SlurmError
        SLURM refused.
    """
    import submitit

    if not slurm.available():
        raise slurm.SlurmError("sbatch: no such command; this machine has no SLURM: use `fxs-hpc run`, or log in to the cluster")
    with _clean_environment():
        try:
            executor = submitit.SlurmExecutor(folder.resolve(), python=f"exec {shlex.quote(sys.executable)}")
            executor.update_parameters(**parameters)
            jobs = executor.map_array(body.main, commands) if len(commands) > 1 else [executor.submit(body.main, commands[0])]
        except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise slurm.SlurmError(f"sbatch refused the job: {lines[-1] if lines else error}") from None
    return str(jobs[0].job_id).split("_")[0]


@contextmanager
def _clean_environment() -> Iterator[None]:
    """submitit hands os.environ on to sbatch, and sbatch to the job."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(for_submission(before))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _described(job: Submitted) -> str:
    return f" with {job.tasks} tasks" if job.tasks else "" if job.role == STAGE else f" ({job.role})"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
