"""Where a pipeline stands: by what lies on disk first, by what SLURM says second."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fxs_hpc.cluster import slurm, state
from fxs_hpc.cluster.state import Chain, Submitted
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.errors import FxsError
from fxs_hpc.stages.row import Row, Standing
from fxs_hpc.stages.table import chain_of

ENDED_BADLY = {
    "FAILED": "failed",
    "TIMEOUT": "out of time",
    "CANCELLED": "cancelled",
    "NODE_FAIL": "node failed",
    "OUT_OF_MEMORY": "out of memory",
    "PREEMPTED": "preempted",
    "BOOT_FAIL": "node failed",
    "DEADLINE": "out of time",
    slurm.GONE: "lost: SLURM has forgotten its jobs",
}
UNKNOWN = "UNKNOWN"
WHY = {
    "Resources": "for free nodes",
    "Priority": "for others before it",
    "Dependency": "for the stages before it",
    "BeginTime": "to be started again",
    "PartitionConfig": "for ever: it asks for more than its partition has",
    "ReqNodeNotAvail": "for nodes that are down or drained",
    "JobHeldUser": "held: scontrol release starts it",
    "JobHeldAdmin": "held by the administrator",
}
HEADER = ("stage", "state", "jobs", "done", "figure", "time left", "logs")


@dataclass(frozen=True)
class Line:
    """One stage of the table of states; texts."""

    stage: str
    state: str
    jobs: str = ""
    done: str = ""
    figure: str = ""
    left: str = ""
    logs: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of `HEADER`."""
        return (self.stage, self.state, self.jobs, self.done, self.figure, self.left, self.logs)


@dataclass(frozen=True)
class Overview:
    """A pipeline at a moment.

    `live`: whether jobs run or will run; `broken`: whether something needs `fxs-hpc resume`; `note`: why SLURM could not be asked.
    """

    pipeline: str
    lines: tuple[Line, ...]
    live: bool
    broken: bool
    note: str = ""


def overview(pipeline: str, config: RunConfig) -> Overview:
    """The table of one pipeline: the stages that were submitted, or all of them."""
    note = ""
    try:
        chain, states = state.refreshed(config.home, pipeline)
    except slurm.SlurmError as error:
        note, chain = str(error).splitlines()[0], state.read(config.home, pipeline) or Chain(pipeline)
        states = {job.number: [slurm.Job(job.number, job.last or UNKNOWN)] for job in chain.jobs}
    rows = chain_of(pipeline, config, chain.first, chain.last)
    lines = tuple(line(row, _standing(row, config), chain, states, config.home) for row in rows)
    everything = [entry for entries in states.values() for entry in entries]
    live = any(entry.live for entry in everything)
    unfinished = bool(chain.jobs) and any(shown.state != "done" for shown in lines)
    broken = not note and (any(entry.orphan for entry in everything) or (unfinished and not live))
    return Overview(pipeline, lines, live, broken, note)


def _standing(row: Row, config: RunConfig) -> Standing:
    try:
        return row.standing(config)
    except FxsError as error:
        return Standing(False, str(error))


def line(row: Row, standing: Standing, chain: Chain, states: Mapping[str, Sequence[slurm.Job]], home: Path) -> Line:
    """One stage of the table."""
    jobs = chain.of_stage(row.name)
    logs = [path for job in jobs for path in job.logs(home)]
    running = next((entry for job in jobs for entry in states[job.number] if entry.state == "RUNNING"), None)
    return Line(
        stage=row.name,
        state=in_words(standing, jobs, states),
        jobs=", ".join(_number(job) for job in jobs),
        done=f"{standing.made} of {standing.wanted}" if standing.wanted is not None else "",
        figure=standing.figure,
        left=running.left if running else "",
        logs=str(logs[-1].relative_to(home)) if logs else (jobs[-1].folder + "/" if jobs else ""),
    )


def in_words(standing: Standing, jobs: Sequence[Submitted], states: Mapping[str, Sequence[slurm.Job]]) -> str:
    """The state of a stage."""
    entries = [entry for job in jobs for entry in states[job.number]]
    if any(entry.orphan for entry in entries):
        return "never starts: a job before it failed"
    live = [entry for entry in entries if entry.live]
    if live:
        return _live(live, entries)
    if standing.done:
        return "done"
    if not jobs:
        return standing.words or "to do"
    if any(entry.state == UNKNOWN for entry in entries):
        return "submitted"
    ends = [ENDED_BADLY.get(entry.state, "") for entry in entries]
    bad = next((end for end in ends if end), "")
    count = f" ({sum(map(bool, ends))} of {len(ends)} tasks)" if len(entries) > len(jobs) and bad else ""
    return (bad + count) if bad else "ended, not done"


def _live(live: Sequence[slurm.Job], entries: Sequence[slurm.Job]) -> str:
    running = [entry for entry in live if entry.state in ("RUNNING", "COMPLETING", "CONFIGURING")]
    waiting = [entry for entry in live if entry not in running]
    failed = sum(entry.state in ENDED_BADLY for entry in entries)
    parts = [f"{len(running)} running" if len(entries) > 1 else "running"] if running else []
    if waiting:
        reason = waiting[0].reason.strip("()")
        why = WHY.get(reason, f"({reason})" if reason else "")
        parts.append(f"{len(waiting)} waiting" if running else f"waits {why}".strip())
    return ", ".join([*parts, *([f"{failed} failed"] if failed else [])])


def _number(job: Submitted) -> str:
    return f"{job.number}[{job.tasks}]" if job.tasks else job.number


def table(overview: Overview, style: Callable[[str, str], str] = lambda text, state: text) -> list[str]:
    """The overview as lines of text; columns in which nothing stands are left out."""
    rows = [HEADER, *(line.cells for line in overview.lines)]
    columns = [index for index in range(len(HEADER)) if index < 2 or any(row[index] for row in rows[1:])]
    widths = {index: max(len(row[index]) for row in rows) for index in columns}
    texts = ["  ".join(row[index].ljust(widths[index]) for index in columns).rstrip() for row in rows]
    return [texts[0], *(style(text, shown.state) for text, shown in zip(texts[1:], overview.lines, strict=True))]
