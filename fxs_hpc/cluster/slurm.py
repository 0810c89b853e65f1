"""What SLURM is asked: states of jobs, cancel, requeue, limits. Every call is bounded in time: a dead controller must not hang us."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fxs_hpc.cluster.environment import for_submission
from fxs_hpc.errors import FxsError
from fxs_hpc.stages.duration import seconds

PATIENCE = 30
"""Seconds for one call."""
LIVE = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING")
NEVER = "DependencyNeverSatisfied"
GONE = "GONE"
"""State of a job that SLURM knows nothing of any more."""


class SlurmError(FxsError):
    """SLURM refused, or does not answer."""


@dataclass(frozen=True)
class Job:
    """One job or array task as SLURM sees it.

    `number` is 12 or 12_3; `reason` says why it waits; `left` is the wall time that is left, as SLURM writes it.
    """

    number: str
    state: str
    reason: str = ""
    left: str = ""
    node: str = ""

    @property
    def live(self) -> bool:
        """Whether it runs or will run."""
        return self.state in LIVE and not self.orphan

    @property
    def orphan(self) -> bool:
        """Whether it waits for a job that has failed: it will never run."""
        return self.state == "PENDING" and NEVER in self.reason

    @property
    def base(self) -> str:
        """Number of the job, without that of the array task."""
        return self.number.split("_")[0]


def available() -> bool:
    """Whether the commands of SLURM are here."""
    return all(shutil.which(name) for name in ("sbatch", "squeue", "scontrol"))


def call(words: Sequence[str]) -> str:
    """Standard output of a command of SLURM.

    Raises
    ------
    SlurmError
        It failed, with what it said; or it does not answer.
    """
    try:
        result = subprocess.run(
            list(words),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=for_submission(os.environ),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise SlurmError(f"{words[0]}: no such command; this machine has no SLURM: use `fxs-hpc run`, or log in to the cluster") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{words[0]}: SLURM does not answer within {PATIENCE} s; is its controller up? Try `scontrol ping`") from None
    if result.returncode:
        raise SlurmError(f"{' '.join(words[:2])}: {result.stderr.strip() or f'exit status {result.returncode}'}")
    return result.stdout


def jobs(numbers: Iterable[str]) -> dict[str, list[Job]]:
    """States of jobs: number -> the job itself, or its array tasks. A job that SLURM has forgotten is GONE."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    found = parse_accounting(_accounting(wanted))
    # The queue is fresher than the accounting, and knows the reasons.
    for number, entries in parse_queue(_queue(wanted)).items():
        known = {job.number: job for job in found.get(number, [])}
        found[number] = list({**known, **{job.number: job for job in entries}}.values())
    return {number: found.get(number) or [Job(number, GONE)] for number in wanted}


def _queue(numbers: Sequence[str]) -> str:
    words = ["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%L|%N", "-j", ",".join(numbers)]
    try:
        return call(words)
    except SlurmError as error:
        if "Invalid job id" in str(error):
            return "".join(_queue([number]) for number in numbers) if len(numbers) > 1 else ""
        raise


def _accounting(numbers: Sequence[str]) -> str:
    try:
        return call(["sacct", "-n", "-P", "-X", "-o", "JobID,State,Reason,Timelimit,NodeList", "-j", ",".join(numbers)])
    except SlurmError:
        return ""


def parse_queue(text: str) -> dict[str, list[Job]]:
    """Lines `number|state|reason|time left|nodes`."""
    found: dict[str, list[Job]] = {}
    for line in text.splitlines():
        number, state, reason, left, node = (line.split("|") + [""] * 5)[:5]
        job = Job(number, state, reason if reason != "None" else "", left, node)
        found.setdefault(job.base, []).append(job)
    return found


def parse_accounting(text: str) -> dict[str, list[Job]]:
    """Lines of sacct; `CANCELLED by 0` is CANCELLED; ranges of waiting array tasks (12_[3-7]) are left to the queue."""
    found: dict[str, list[Job]] = {}
    for line in text.splitlines():
        number, state, reason, _, node = (line.split("|") + [""] * 5)[:5]
        if "[" in number or "." in number or "+" in number:
            continue
        job = Job(number, state.split(" ")[0], reason if reason != "None" else "", "", node if "None" not in node else "")
        found.setdefault(job.base, []).append(job)
    return found


def cancel(numbers: Iterable[str]) -> None:
    """Cancel jobs; those that have ended are left alone."""
    wanted = sorted(set(numbers))
    if wanted:
        call(["scancel", *wanted])


def requeue(number: str) -> None:
    """Put a running job back into the queue, where it starts anew.

    Raises
    ------
    SlurmError
        This cluster does not allow it.
    """
    call(["scontrol", "requeue", number])


def time_left(number: str) -> float | None:
    """Seconds of wall time left to a running job; None where there is no limit or SLURM does not say."""
    try:
        text = call(["squeue", "-h", "-o", "%L", "-j", number]).strip().splitlines()[0]
        return seconds(text if ":" in text else f"0:{text}")
    except (SlurmError, ValueError, IndexError):
        return None


def largest_array() -> int:
    """Tasks that an array may have."""
    try:
        found = re.search(r"MaxArraySize\s*=\s*(\d+)", call(["scontrol", "show", "config"]))
    except SlurmError:
        return 1000
    return int(found[1]) - 1 if found else 1000
