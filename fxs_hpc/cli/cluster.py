"""`fxs-hpc run`, `submit`, `status`, `cancel`, `logs`, `resume`, `doctor`: pipelines here and on a cluster."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from fxs_hpc.cli.config_file import config_path
from fxs_hpc.cli.problems import reported
from fxs_hpc.cli.share import Share
from fxs_hpc.cluster import doctor as doctor_module
from fxs_hpc.cluster import local, slurm, state
from fxs_hpc.cluster import status as status_module
from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini
from fxs_hpc.errors import FxsError, UsageError
from fxs_hpc.stages.table import PIPELINES, chain_of, row_named

COLOURS = {"done": "green", "running": "cyan", "waits": "yellow"}
PIPELINE = click.Choice(tuple(PIPELINES))


def _config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    option = click.option(
        "--config", type=click.Path(dir_okay=False, path_type=Path), help="config.ini; else that of this directory or of a parent."
    )
    return option(click.option("-v", "--debug", is_flag=True, help="Show where an error comes from.")(function))


def _range_options(function: Callable[..., Any]) -> Callable[..., Any]:
    first = click.option("--from", "first", metavar="STAGE", help="First stage; else the first of all.")
    return first(click.option("--to", "last", metavar="STAGE", help="Last stage; else the last of all.")(function))


def _load(config: Path | None) -> ini.RunConfig:
    return ini.load(config_path(config))


def _submitted(home: Path) -> Iterator[str]:
    """Pipelines that were submitted from this working directory."""
    for pipeline in PIPELINES:
        if state.path_of(home, pipeline).exists():
            yield pipeline


@click.command(short_help="Run the stages of a pipeline here.")
@click.argument("pipeline", type=PIPELINE)
@_range_options
@click.option("--requeue", is_flag=True, help="In a job: go back into the queue where time is up before the stage is done.")
@click.option("--continued", is_flag=True, help="In a job: another one goes on from here.")
@click.option("--share", type=Share(), help="In a job, with one array stage: share K of N, K = 0 .. N-1.")
@click.option("--collect", is_flag=True, help="In a job, with one array stage: merge what the shares have finished.")
@_config_option
def run(
    pipeline: str,
    first: str | None,
    last: str | None,
    requeue: bool,
    continued: bool,
    share: tuple[int, int] | None,
    collect: bool,
    config: Path | None,
    debug: bool,
) -> None:
    """Run the stages of fxs or emc here and now, one after another; what is done is left out.

    MPI stages run under mpirun with the ranks that config.ini says, the reconstructions of fxs over the cores of this machine.
    """
    with reported(debug):
        settings = _load(config)
        rows = chain_of(pipeline, settings, first, last)
        if (share or collect) and [row.launch for row in rows] != ["array"]:
            raise UsageError("--share and --collect belong to one array stage, for example --from reconstruct --to reconstruct")
        local.run(rows, settings, click.echo, local.Place(requeue, continued, share, collect))


@click.command(short_help="Submit a pipeline to SLURM.")
@click.argument("pipeline", type=PIPELINE)
@_range_options
@_config_option
def submit(pipeline: str, first: str | None, last: str | None, config: Path | None, debug: bool) -> None:
    """Submit the stages of fxs or emc to SLURM, each a job behind those it needs; what is done is left out.

    What jobs ask for stands in config.ini: [slurm], and [slurm:STAGE] for one stage.
    """
    with reported(debug):
        _submit(pipeline, _load(config), first, last)


def _submit(pipeline: str, settings: ini.RunConfig, first: str | None, last: str | None) -> None:
    jobs = Submission(pipeline, settings, click.echo).submit(first, last)
    if jobs:
        click.echo("`fxs-hpc status --watch` follows them; `fxs-hpc logs STAGE` shows what they say")
    else:
        click.echo("nothing is left to do")


@click.command(short_help="Show where the pipelines stand.")
@click.argument("pipeline", type=PIPELINE, required=False)
@click.option("--watch", is_flag=True, help="Show it again and again, until everything has ended.")
@click.option("--every", default=10.0, show_default=True, help="Seconds between two looks.")
@_config_option
def status(pipeline: str | None, watch: bool, every: float, config: Path | None, debug: bool) -> None:
    """Show each stage: its state, jobs, iterations or reconstructions, error or likelihood, time left, logs."""
    with reported(debug):
        settings = _load(config)
        names = [pipeline] if pipeline else list(_submitted(settings.home))
        if not names:
            raise UsageError("nothing was submitted from here; `fxs-hpc status fxs` (or emc) shows what is done on disk")
        while True:
            overviews = [status_module.overview(name, settings) for name in names]
            if watch:
                click.clear()
            for overview in overviews:
                _show(overview)
            if not watch or not any(overview.live for overview in overviews):
                return
            time.sleep(every)


def _show(overview: status_module.Overview) -> None:
    head, *lines = status_module.table(overview, _coloured)
    click.echo(click.style(f"{overview.pipeline}", bold=True))
    for text in (click.style(head, dim=True), *lines):
        click.echo(f"  {text}")
    if overview.note:
        click.echo(f"  states of jobs are unknown: {overview.note}")
    if overview.broken:
        click.echo("  not all is done and nothing runs: `fxs-hpc logs STAGE` says why, `fxs-hpc resume` goes on")


def _coloured(text: str, state: str) -> str:
    colour = next((colour for beginning, colour in COLOURS.items() if beginning in state), None)
    return click.style(text, fg=colour or (None if state == "to do" else "red"))


@click.command(short_help="Cancel the jobs of a pipeline.")
@click.argument("pipeline", type=PIPELINE, required=False)
@_config_option
def cancel(pipeline: str | None, config: Path | None, debug: bool) -> None:
    """Cancel the jobs that wait or run. What is on disk stays; `fxs-hpc resume` goes on from there."""
    with reported(debug):
        settings = _load(config)
        for name in [pipeline] if pipeline else list(_submitted(settings.home)):
            _, states = state.refreshed(settings.home, name)
            numbers = [number for number, entries in states.items() if any(entry.live or entry.orphan for entry in entries)]
            slurm.cancel(numbers)
            click.echo(f"{name}: cancelled {', '.join(numbers)}" if numbers else f"{name}: no job waits or runs")


@click.command(short_help="Go on with what was submitted.")
@click.argument("pipeline", type=PIPELINE, required=False)
@_config_option
def resume(pipeline: str | None, config: Path | None, debug: bool) -> None:
    """Submit again what is not done: after a failure, a cancelled job, a node that died, or time that was too short."""
    with reported(debug):
        settings = _load(config)
        names = [pipeline] if pipeline else list(_submitted(settings.home))
        if not names:
            raise UsageError("nothing was submitted from here; `fxs-hpc submit fxs` (or emc) begins, `fxs-hpc run` works without SLURM")
        for name in names:
            chain = state.read(settings.home, name) or state.Chain(name)
            _submit(name, settings, chain.first, chain.last)


@click.command(short_help="Show what the jobs of a stage have said.")
@click.argument("stage")
@click.option("-n", "--lines", default=40, show_default=True, help="Lines of each log, from its end; 0 = all.")
@_config_option
def logs(stage: str, lines: int, config: Path | None, debug: bool) -> None:
    """Show the end of the logs of the newest job of STAGE, array tasks one after another."""
    with reported(debug):
        settings, row = _load(config), row_named(stage)
        chain = state.read(settings.home, row.pipeline)
        found = [path for job in (chain.of_stage(stage) if chain else ()) for path in job.logs(settings.home)]
        if not found:
            raise UsageError(f"no job of {stage} has said anything yet; `fxs-hpc status {row.pipeline}` shows what was submitted")
        for path in found:
            click.echo(click.style(f"==> {path}", bold=True))
            text = path.read_text(encoding="utf-8", errors="replace").splitlines()
            click.echo("\n".join(text[-lines:] if lines else text))


@click.command(short_help="Say what works on this machine.")
@_config_option
def doctor(config: Path | None, debug: bool) -> None:
    """Look at MPI, SLURM, OpenCL, HDF5 and the disk; say what is missing and the line that mends it."""
    with reported(debug):
        try:
            home = _load(config).home
        except FxsError:
            home = Path.cwd()
        failed = 0
        for finding in doctor_module.examine(home):
            mark, colour = {True: ("ok", "green"), False: ("missing", "red"), None: ("-", "yellow")}[finding.works]
            click.echo(f"{click.style(f'{mark:8s}', fg=colour)}{finding.name}: {finding.found}")
            if finding.remedy and not finding.works:
                click.echo(f"{'':8s}  mend it: {finding.remedy}")
            failed += finding.works is False
        if failed:
            raise FxsError(f"{failed} of these need mending")
