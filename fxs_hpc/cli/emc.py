"""`fxs-hpc emc`: the stages of expand-maximize-compress."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fxs_hpc.cli.config_file import config_path
from fxs_hpc.cli.emc_arguments import EXTRA
from fxs_hpc.cli.problems import reported_by
from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.errors import SettingsError, UsageError
from fxs_hpc.parallel.communicator import Communicator, communicator, first
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.stage import Stage
from fxs_hpc.stages.emc.table import STAGES

EPILOG = """\b
CONFIG is the config.ini of a working directory (made by `fxs-hpc init DIR`); without it that of this directory or of a parent.
Stages marked (mpi) gain from several ranks:
\b
  mpirun -np 8 fxs-hpc emc orient-peak config.ini
\b
`fxs-hpc emc STAGE --help` says more; `fxs-hpc check config.ini` says what a run will need.
"""


class _InOrder(click.Group):
    """Lists its commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the stages, as the table orders them."""
        return list(self.commands)


class _ConfigFirst(click.Command):
    """Takes the config file as first argument, and does without where none is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the config.ini of this directory or of a parent where the first argument is none."""
        if not {"-h", "--help"} & set(args) and not (args and (args[0].endswith(".ini") or Path(args[0]).is_file())):
            args = [str(ini.find(Path.cwd()) or ini.FILE_NAME), *args]
        return super().parse_args(ctx, args)


@click.group(cls=_InOrder, epilog=EPILOG, context_settings={"max_content_width": 120})
def emc() -> None:
    """Serial microcrystallography by expand-maximize-compress: from raw frames to Bragg intensities."""


def _parameters(stage: Stage) -> list[click.Parameter]:
    return [
        click.Argument(["config"], required=False, type=click.Path(dir_okay=False, path_type=Path), metavar="[CONFIG]"),
        *(parameter() for parameter in EXTRA.get(stage.name, ())),
        click.Option(["--set", "overrides"], multiple=True, metavar="KEY=VALUE", help="Change one key of config.ini for this run."),
        click.Option(["-v", "--debug"], is_flag=True, help="Show where an error comes from."),
    ]


def _command(stage: Stage) -> click.Command:
    def call(config: Path | None, overrides: tuple[str, ...], debug: bool, **arguments: Any) -> None:
        run(stage, config, overrides, debug, arguments)

    launch = " (mpi)" if stage.launch == "mpi" else ""
    return _ConfigFirst(stage.name, callback=call, params=_parameters(stage), short_help=stage.summary + launch, help=_help(stage))


def _help(stage: Stage) -> str:
    keys = "\n\n".join(
        "\b\n" + "\n".join(f"  {name:20s} {field.description}" for name, field in model.model_fields.items()) for model in stage.sections
    )
    return f"{stage.summary}\n\nKeys of config.ini that it reads:\n\n{keys}" if keys else stage.summary


def run(stage: Stage, config: Path | None, overrides: Sequence[str], debug: bool, arguments: dict[str, Any]) -> None:
    """Run one stage on the ranks that this process was launched with."""
    ranks = communicator()
    with reported_by(ranks, debug):
        keys = first(ranks, lambda: checked(config, overrides, stage))
        context = Context(keys, ranks, threads(keys, ranks), _say(ranks), shlex.join(["fxs-hpc", *sys.argv[1:]]))
        stage.module.run(context, **arguments)
        ranks.barrier()


def checked(config: Path | None, overrides: Sequence[str], stage: Stage) -> EmcConfig:
    """The keys of config.ini, with all sections that `stage` reads validated."""
    run_config = ini.load(config_path(config))
    if not run_config.home.is_dir():
        raise SettingsError(f"{run_config.path}: home_dir: there is no folder {run_config.home}; `fxs-hpc init {run_config.home}` makes it")
    keys = EmcConfig(ini.with_emc_keys(run_config, _pairs(overrides)))
    for model in stage.sections:
        keys.section(model)
    return keys


def threads(keys: EmcConfig, ranks: Communicator) -> int:
    """Cores that this rank may use."""
    return max(1, keys.run.cores // ranks.node_size)


def _pairs(overrides: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in overrides:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise UsageError(f"--set {text}: expected KEY=VALUE, for example --set res_cutoff=4.0")
        pairs[key] = value
    return pairs


def _say(ranks: Communicator) -> Any:
    return (lambda line: click.echo(line)) if ranks.rank == 0 else (lambda line: None)


for _stage in STAGES.values():
    emc.add_command(_command(_stage))
