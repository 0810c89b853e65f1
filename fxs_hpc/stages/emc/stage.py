"""One stage of EMC as the table of stages describes it."""

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from fxs_hpc.config.fields import Section


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes
    ----------
    name : str
        As typed.
    launch : {'serial', 'mpi'}
        Whether it gains from several ranks.
    folder : str
        Directory of the stage in the working directory.
    summary : str
        One line for `--help`.
    sections : tuple
        What it reads of config.ini, checked before any work.
    launcher : str
        Name of a script in `folder` that runs it, as the documents of the reference program call it.
    reads, makes : tuple of str
        Files and folders, relative to the working directory; `{key}` stands for the value of a key of config.ini.
    arguments : tuple of str
        What a chain of stages puts behind the config file; `{key}` as above.
    iterating : bool
        Whether it goes on after its last complete iteration.
    timed : bool
        Whether it takes `--time-limit`, and stops in order at SIGUSR1.
    judges : bool
        Whether its module says by `standing(keys)` how far it has come; that of an iterating stage always does.
    chained : bool
        Whether it belongs to the chain from raw frames to intensities.
    """

    name: str
    launch: Literal["serial", "mpi"]
    folder: str
    summary: str
    sections: tuple[type[Section], ...]
    launcher: str = ""
    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    iterating: bool = False
    timed: bool = False
    judges: bool = False
    chained: bool = True

    @property
    def module(self) -> ModuleType:
        """The module with `run` and, for most, `plan`."""
        return importlib.import_module("fxs_hpc.stages.emc." + self.name.replace("-", "_").lower())
