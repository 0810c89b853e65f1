"""What a stage is given besides its settings, and what it says about itself before it starts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.parallel.communicator import Alone, Communicator
from fxs_hpc.stages.fxs.workspace import Workspace


@dataclass(frozen=True)
class Context:
    """Surroundings of one stage.

    Attributes
    ----------
    workspace : Workspace
        Folders and files of the command.
    config : RunConfig
        What config.ini says.
    threads : int
        Cores that the stage may use.
    precision : {'single', 'double'}
        Arithmetic of the phasing loop.
    resume : bool
        Continue the newest unfinished run instead of starting a new one.
    source : Path
        The settings file.
    say : callable
        Prints one line.
    command_line : str
        What the user typed.
    ranks : Communicator
        The ranks that share the work of the stages that can; the others run on rank 0.
    """

    workspace: Workspace
    config: RunConfig
    threads: int
    precision: Literal["single", "double"]
    resume: bool
    source: Path
    say: Callable[[str], None]
    command_line: str
    ranks: Communicator = field(default_factory=Alone)


@dataclass(frozen=True)
class Plan:
    """What a stage needs: peak memory and disk in bytes, and lines for the user."""

    memory: int
    disk: int
    lines: tuple[str, ...] = ()
