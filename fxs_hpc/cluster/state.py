"""What was submitted: HOME/jobs/<pipeline>.json, plain text that any version can read.

It holds a list of jobs in the order of submission. Everything else is asked of the disk and of SLURM.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from fxs_hpc.cluster import slurm
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text

FOLDER = "jobs"
FORMAT = 1


@dataclass(frozen=True)
class Submitted:
    """One submitted job.

    Attributes
    ----------
    stage : str
        Name of the stage.
    role : str
        `stage`, or `collect` for the job behind an array.
    number : str
        Of the job.
    tasks : int
        Array tasks; 0 for a plain job.
    when : str
        ISO time of the submission.
    folder : str
        Where its script and logs are, relative to the working directory.
    script : str
        The submitted script.
    after : str
        Numbers of the jobs that it waits for.
    last : str
        State when it was last looked at, for when SLURM has forgotten it.
    """

    stage: str
    role: str
    number: str
    tasks: int
    when: str
    folder: str
    script: str = ""
    after: str = ""
    last: str = ""

    def logs(self, home: Path) -> list[Path]:
        """Its log files that exist, oldest first."""
        found = [path for path in (home / self.folder).glob(f"{self.number}*_log.out") if path.name.split("_")[0] == self.number]
        return sorted(found, key=lambda path: (path.stat().st_mtime, path.name))


@dataclass(frozen=True)
class Chain:
    """A submitted pipeline: from which stage to which, and its jobs in the order of submission."""

    pipeline: str
    first: str | None = None
    last: str | None = None
    jobs: tuple[Submitted, ...] = ()

    def with_job(self, job: Submitted) -> "Chain":
        """This chain with one more job."""
        return replace(self, jobs=(*self.jobs, job))

    def of_stage(self, name: str) -> list[Submitted]:
        """Jobs of one stage."""
        return [job for job in self.jobs if job.stage == name]


def path_of(home: Path, pipeline: str) -> Path:
    """The file that holds the state of a pipeline."""
    return home / FOLDER / f"{pipeline}.json"


def read(home: Path, pipeline: str) -> Chain | None:
    """What was submitted last; None if nothing was.

    Raises
    ------
    InputFileError
        The file is none of ours.
    """
    path = path_of(home, pipeline)
    if not path.exists():
        return None
    known = {field.name for field in fields(Submitted)}
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        jobs = (Submitted(**{key: value for key, value in entry.items() if key in known}) for entry in tree["jobs"])
        return Chain(pipeline, tree.get("first"), tree.get("last"), tuple(jobs))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path}: is no list of jobs ({error}); move it away: what is finished is seen on disk, jobs that run by squeue"
        raise InputFileError(message) from None


def write(home: Path, chain: Chain) -> None:
    """Replace what is noted of a pipeline."""
    tree = {"format": FORMAT, "first": chain.first, "last": chain.last, "jobs": [asdict(job) for job in chain.jobs]}
    write_text(path_of(home, chain.pipeline), json.dumps(tree, indent=1) + "\n")


def refreshed(home: Path, pipeline: str) -> tuple[Chain, dict[str, list[slurm.Job]]]:
    """The chain, and what SLURM says of each job; end states are noted for when SLURM has forgotten them."""
    chain = read(home, pipeline) or Chain(pipeline)
    if not chain.jobs:
        return chain, {}
    states = slurm.jobs(job.number for job in chain.jobs)
    noted = replace(chain, jobs=tuple(replace(job, last=_noted(job, states[job.number])) for job in chain.jobs))
    if noted != chain:
        write(home, noted)
    remembered = {job.number: [slurm.Job(job.number, job.last)] for job in noted.jobs if job.last and _gone(states[job.number])}
    return noted, {**states, **remembered}


def _gone(states: Sequence[slurm.Job]) -> bool:
    return all(job.state == slurm.GONE for job in states)


def _noted(job: Submitted, states: Sequence[slurm.Job]) -> str:
    return job.last if _gone(states) or any(state.state in slurm.LIVE for state in states) else summary(states)


def summary(states: Sequence[slurm.Job]) -> str:
    """One state for a job and all its array tasks: live while one lives, else the worst that has happened."""
    names = [state.state for state in states]
    live = [name for name in ("RUNNING", *slurm.LIVE) if name in names]
    worst = [name for name in names if name != "COMPLETED"]
    return (live or worst or ["COMPLETED"])[0]
