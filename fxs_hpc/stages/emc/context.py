"""What an EMC stage is given, and what it says about itself before it starts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.parallel.communicator import Communicator


@dataclass(frozen=True)
class Context:
    """Surroundings of one stage.

    Attributes
    ----------
    config : EmcConfig
        The keys of config.ini.
    ranks : Communicator
        Those who run the stage together.
    threads : int
        Cores that this rank may use.
    say : callable
        Prints one line, once for all ranks.
    command_line : str
        What the user typed.
    """

    config: EmcConfig
    ranks: Communicator
    threads: int
    say: Callable[[str], None]
    command_line: str

    @property
    def home(self) -> Path:
        """The working directory."""
        return self.config.home


@dataclass(frozen=True)
class Plan:
    """What a stage needs: peak memory of one rank and of one node, disk, in bytes; lines for the user; what is missing."""

    memory: int
    disk: int
    lines: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    shared: int = 0
    """Bytes held once per node, besides `memory` of each rank."""
