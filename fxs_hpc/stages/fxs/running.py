"""A command with its settings is run: its stage found, its surroundings made, on all ranks or on the first."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import Loaded
from fxs_hpc.errors import UsageError
from fxs_hpc.parallel.communicator import Alone, Communicator, first
from fxs_hpc.parallel.cores import cores_each
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace


def stage(command: str) -> ModuleType:
    """The module of a command.

    Raises
    ------
    UsageError
        There is none in this version.
    """
    name = f"fxs_hpc.stages.fxs.{command}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            raise UsageError(f"{command} is not part of this version") from None
        raise


def surroundings(
    loaded: Loaded,
    config: RunConfig,
    today: str,
    command_line: str,
    say: Callable[[str], None],
    resume: bool = False,
    ranks: Communicator | None = None,
) -> Context:
    """What the stage of `loaded` is given besides its settings; `say` is called on the first rank only.

    Parameters
    ----------
    today : str
        Date `D_M_YYYY` of result folders.
    """
    ranks = ranks or Alone()
    return Context(
        workspace=Workspace.of(config.home, loaded.model, today),
        config=config,
        threads=cores_each(ranks, config.cores),
        precision=config.precision,
        resume=resume,
        source=loaded.source,
        say=say if ranks.rank == 0 else (lambda line: None),
        command_line=command_line,
        ranks=ranks,
    )


def run(loaded: Loaded, context: Context) -> Path:
    """Run a command on all ranks where it can, on the first while the others wait where it cannot; the folder of its results."""
    module = stage(loaded.command)
    if getattr(module, "PARALLEL", False):
        return Path(module.run(loaded.model, context))
    return first(context.ranks, lambda: Path(module.run(loaded.model, replace(context, ranks=Alone()))))
