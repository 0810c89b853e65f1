"""`fxs-hpc check`: what the EMC stages will do, need and lack, before any of them runs."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from fxs_hpc.cli.config_file import config_path
from fxs_hpc.cli.printing import in_bytes
from fxs_hpc.cli.problems import reported
from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.sections import SECTIONS
from fxs_hpc.errors import DataError, InputFileError, SettingsError
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.cores import available_memory
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.stage import Stage
from fxs_hpc.stages.emc.table import STAGES


@click.command()
@click.argument("config", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("-v", "--debug", is_flag=True, help="Show where an error comes from.")
def check(config: Path | None, debug: bool) -> None:
    """Say what the EMC stages will do with CONFIG: sizes, memory of each rank, disk, and what is missing.

    Nothing is written. A key that is missing or impossible ends with its name.
    """
    with reported(debug):
        keys = EmcConfig(ini.load(config_path(config)))
        _check_keys(keys)
        ranks = keys.run.ranks or keys.run.cores
        context = Context(keys, Alone(), 1, lambda line: None, "fxs-hpc check")
        click.echo(f"{keys.run.path}: keys are complete; figures for {ranks} ranks on one node")
        for name in keys.unknown():
            click.echo(f"  note: no stage reads the key {name}")
        plans = [(stage, plan) for stage in STAGES.values() if (plan := _plan(stage, context)) is not None]
        for stage, plan in plans:
            _show(stage, plan, ranks)
        _show_totals(plans, ranks, keys.home)


def _check_keys(keys: EmcConfig) -> None:
    """All sections that some stage reads, every problem at once."""
    problems = []
    for model in SECTIONS.values():
        try:
            keys.section(model)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n       ".join(problems))


def _plan(stage: Stage, context: Context) -> Plan | str | None:
    if not hasattr(stage.module, "plan"):
        return None
    try:
        plan: Plan = stage.module.plan(context)
        return plan
    except (InputFileError, DataError) as error:
        return f"cannot be planned yet: {error}"


def _show(stage: Stage, plan: Plan | str, ranks: int) -> None:
    click.echo(click.style(stage.name, bold=True))
    if isinstance(plan, str):
        click.echo(f"  {plan}")
        return
    for line in plan.lines:
        click.echo(f"  {line}")
    used = ranks if stage.launch == "mpi" else 1
    shared = f" + {in_bytes(plan.shared)} shared" if plan.shared else ""
    if _sized(plan):
        click.echo(f"  memory {in_bytes(plan.memory)}{' per rank' if used > 1 else ''}{shared}; disk {in_bytes(plan.disk)}")
    else:
        click.echo("  cannot be planned yet")
    for line in plan.missing:
        click.echo(f"  missing: {line}")


def _sized(plan: Plan) -> bool:
    """Whether its inputs were there to be measured."""
    return plan.memory > 0 or not plan.missing


def _show_totals(plans: Sequence[tuple[Stage, Plan | str]], ranks: int, home: Path) -> None:
    known = [(stage, plan) for stage, plan in plans if isinstance(plan, Plan) and _sized(plan)]
    if not known:
        return
    memory = max(plan.memory * (ranks if stage.launch == "mpi" else 1) + plan.shared for stage, plan in known)
    disk = sum(plan.disk for _, plan in known)
    free_memory, free_disk = available_memory(), shutil.disk_usage(home).free
    later = len(plans) - len(known)
    click.echo(click.style("together", bold=True) + (f", without {later} stages that cannot be planned yet" if later else ""))
    click.echo(f"  memory at most {in_bytes(memory)} on one node (free here {in_bytes(free_memory)})")
    click.echo(f"  disk {in_bytes(disk)} (free {in_bytes(free_disk)})")
    for name, needed, free in (("memory", memory, free_memory), ("disk", disk, free_disk)):
        if needed > free:
            click.echo(f"  warning: more {name} is needed than is free")
