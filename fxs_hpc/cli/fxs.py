"""`fxs-hpc fxs`: the chain of commands of fluctuation X-ray scattering."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import click

from fxs_hpc.cli.chain import load_all
from fxs_hpc.cli.config_file import config_path
from fxs_hpc.cli.printing import announce, nice, show_pictures, show_plan
from fxs_hpc.cli.problems import reported_by
from fxs_hpc.cli.share import Share
from fxs_hpc.config import ini
from fxs_hpc.config.commands import COMMANDS, command_named
from fxs_hpc.config.document import commented_yaml
from fxs_hpc.config.settings import Loaded, available
from fxs_hpc.errors import DataError, InputFileError, SettingsError, UsageError
from fxs_hpc.parallel.communicator import Communicator, communicator, first
from fxs_hpc.stages.fxs import running
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.finished import finished
from fxs_hpc.stages.fxs.workspace import date_of, now

COMMAND_LIST = "\n".join(f"  {command.name:17s} {command.summary}" for command in COMMANDS.values())


EPILOG = f"""\b
Commands, in the order of the work:
{COMMAND_LIST}
\b
  settings      print the settings of a command with their meaning: fxs settings reconstruct [--full]
\b
NAME is the name of a settings file, HOME/settings/projects/fxs/COMMAND/NAME.yaml, or a path.
It may be left out where config.ini names one under [fxs].
\b
Examples:
  fxs-hpc fxs simulate_ccd tutorial extract tutorial reconstruct tutorial average tutorial
  fxs-hpc fxs reconstruct tutorial --dry-run
  fxs-hpc fxs reconstruct tutorial --set multi_process.n_parallel_reconstructions=2
  fxs-hpc fxs reconstruct tutorial --resume
  mpirun -np 8 fxs-hpc fxs correlate tutorial
"""


def _completions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Commands, and after a command the names of its settings, for the shell."""
    words = ctx.params.get("words") or ()
    config = ini.find(Path.cwd())
    names = available(words[-1], config.parent if config else Path.cwd()) if words and words[-1] in COMMANDS else ()
    return [word for word in (*names, *COMMANDS) if word.startswith(incomplete)]


@click.command(epilog=EPILOG, options_metavar="[OPTIONS]")
@click.argument("words", nargs=-1, metavar="COMMAND [NAME] [COMMAND [NAME] ...]", shell_complete=_completions)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="config.ini; else that of this directory or of a parent.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, with memory and disk, and stop.")
@click.option("--resume", is_flag=True, help="Leave out what is done with these settings and inputs; continue an unfinished command.")
@click.option("--share", type=Share(), help="With `reconstruct`: only every N-th reconstruction, from number K (K/N, K = 0 .. N-1).")
@click.option("--collect", is_flag=True, help="With `reconstruct`: merge into one data.h5 what the shares have finished.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting; with several commands COMMAND.KEY=VALUE.")
@click.option("--full", is_flag=True, help="With `settings`: every key, also the rare ones.")
@click.option("-v", "--debug", is_flag=True, help="Show where an error comes from.")
def fxs(
    words: tuple[str, ...],
    config: Path | None,
    dry_run: bool,
    resume: bool,
    share: tuple[int, int] | None,
    collect: bool,
    overrides: tuple[str, ...],
    full: bool,
    debug: bool,
) -> None:
    """Fluctuation X-ray scattering: from cross-correlations to a density.

    Commands run one after another; a failure stops the chain.
    """
    ranks = communicator()
    with reported_by(ranks, debug):
        if words[:1] == ("settings",):
            if overrides:
                raise UsageError("--set belongs to the commands: `fxs-hpc fxs settings COMMAND` prints the defaults of space")
            first(ranks, lambda: click.echo(_settings_text(words[1:], full), nl=False))
            return
        if full:
            raise UsageError("--full belongs to `fxs-hpc fxs settings COMMAND`")
        run_config = first(ranks, lambda: _run_config(config))
        chain = first(ranks, lambda: load_all(words, run_config, overrides))
        today = first(ranks, lambda: date_of(now()))
        if share or collect:
            first(ranks, lambda: _run_shares(chain, run_config, today, share))
        elif dry_run:
            first(ranks, lambda: _plan_chain(chain, run_config, resume, today))
        else:
            _run_chain(chain, run_config, resume, today, ranks)


def _plan_chain(chain: Sequence[Loaded], config: ini.RunConfig, resume: bool, today: str) -> None:
    """Say what the commands would do."""
    for number, loaded in enumerate(chain, start=1):
        announce(number, len(chain), loaded)
        context = _context(loaded, config, resume, today)
        done = finished(loaded.command, loaded.model, context) if resume else None
        if done is not None:
            click.echo(f"  done before: results in {nice(done)}")
        else:
            _show_plan(running.stage(loaded.command), loaded, context, is_first=number == 1)


def _run_chain(chain: Sequence[Loaded], config: ini.RunConfig, resume: bool, today: str, ranks: Communicator) -> None:
    """Run the commands one after another: those that can on all ranks, the others on the first while the rest wait."""
    folders = []
    for number, loaded in enumerate(chain, start=1):
        context = _context(loaded, config, resume, today, ranks)
        folders.append(_done_before(number, len(chain), loaded, context) or _run(loaded, context))
    if ranks.rank == 0:
        show_pictures(folders)


def _done_before(number: int, total: int, loaded: Loaded, context: Context) -> Path | None:
    """Announce a command; the folder of its result where it is done already and that is enough."""

    def begin() -> Path | None:
        announce(number, total, loaded)
        return finished(loaded.command, loaded.model, context) if context.resume else None

    done = first(context.ranks, begin)
    if done is not None:
        context.say(f"  done before: results in {nice(done)}")
    return done


def _run(loaded: Loaded, context: Context) -> Path:
    folder = running.run(loaded, context)
    context.say(f"  results in {nice(folder)}")
    return folder


def _run_shares(chain: Sequence[Loaded], config: ini.RunConfig, today: str, share: tuple[int, int] | None) -> None:
    """One share of the reconstructions, or the merging of all."""
    if [loaded.command for loaded in chain] != ["reconstruct"]:
        raise UsageError("--share and --collect belong to `fxs-hpc fxs reconstruct [NAME]`")
    loaded, shares = chain[0], running.stage("shares")
    announce(1, 1, loaded)
    context = _context(loaded, config, True, today)
    folder = shares.run(loaded.model, context, *share) if share else shares.collect(loaded.model, context)
    click.echo(f"  {'states' if share else 'results'} in {nice(folder)}")


def _settings_text(words: Sequence[str], full: bool) -> str:
    if len(words) != 1:
        raise UsageError(f"fxs settings: name one command of {', '.join(COMMANDS)}")
    return commented_yaml(command_named(words[0]), full)


def _run_config(given: Path | None) -> ini.RunConfig:
    config = ini.load(config_path(given))
    if not config.home.is_dir():
        raise SettingsError(f"{config.path}: home_dir: there is no folder {config.home}; `fxs-hpc init {config.home}` makes it")
    if config.threads and config.threads > config.cores:
        click.echo(f"note: threads = {config.threads} in {config.path}, but there are {config.cores} cores; those are used")
    return config


def _context(loaded: Loaded, config: ini.RunConfig, resume: bool, today: str, ranks: Communicator | None = None) -> Context:
    return running.surroundings(loaded, config, today, shlex.join(["fxs-hpc", *sys.argv[1:]]), click.echo, resume, ranks)


def _show_plan(stage: ModuleType, loaded: Loaded, context: Context, is_first: bool) -> None:
    try:
        plan: Plan = stage.plan(loaded.model, context)
    except (InputFileError, DataError) as error:
        if is_first:
            raise
        click.echo(f"  cannot be planned yet: {error}")
        return
    show_plan(plan, context.config.home, context.threads)
