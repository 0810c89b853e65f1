"""One row of the table of stages: what the command line, local runs, cluster jobs, status and documentation ask of a stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from fxs_hpc.config.ini import RunConfig

Launch = Literal["serial", "mpi", "array"]


@dataclass(frozen=True)
class Resources:
    """What a cluster job of a stage asks for where config.ini says nothing.

    Attributes
    ----------
    time : str
        Wall time in SLURM's notation.
    cpus : int
        Cores of a task.
    """

    time: str = "4:00:00"
    cpus: int = 1


@dataclass(frozen=True)
class Standing:
    """How far a stage has come, by what lies on disk.

    Attributes
    ----------
    done : bool
        Complete, with the settings and inputs as they are now.
    words : str
        Why, for a table.
    made, wanted : int or None
        Iterations or reconstructions, where the stage counts them.
    figure : str
        Its error or likelihood.
    """

    done: bool
    words: str
    made: int | None = None
    wanted: int | None = None
    figure: str = ""


class Row(Protocol):
    """One stage of a pipeline."""

    @property
    def pipeline(self) -> Literal["fxs", "emc"]:
        """Which pipeline it belongs to."""
        ...

    @property
    def name(self) -> str:
        """As typed."""
        ...

    @property
    def launch(self) -> Launch:
        """One process, MPI ranks, or tasks that know nothing of each other."""
        ...

    @property
    def summary(self) -> str:
        """One line."""
        ...

    @property
    def resources(self) -> Resources:
        """Of its cluster job, by default."""
        ...

    @property
    def resumable(self) -> bool:
        """Whether it stops cleanly on request and goes on from there."""
        ...

    def inputs(self, config: RunConfig) -> tuple[Path, ...]:
        """Files and folders that it reads."""
        ...

    def missing(self, config: RunConfig) -> tuple[Path, ...]:
        """Inputs without which it cannot begin."""
        ...

    def outputs(self, config: RunConfig) -> tuple[Path, ...]:
        """Files and folders that it makes."""
        ...

    def words(self, config: RunConfig) -> tuple[str, ...]:
        """Its command line, after `fxs-hpc`; continues what was begun."""
        ...

    def parts(self, config: RunConfig) -> int:
        """Independent pieces of work of an array stage; 1 for others."""
        ...

    def standing(self, config: RunConfig) -> Standing:
        """How far it has come."""
        ...
