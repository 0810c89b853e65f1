"""A command of FXS as a row of the table of stages."""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import Loaded, load
from fxs_hpc.errors import InputFileError, UsageError
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.finished import finished
from fxs_hpc.stages.fxs.workspace import Workspace
from fxs_hpc.stages.row import Launch, Resources, Standing

FOLDERS = {
    "simulate_ccd": "data/fxs/ccd",
    "simulate_patterns": "data/fxs/patterns",
    "correlate": "data/fxs/ccd",
    "extract": "data/fxs/invariants",
    "reconstruct": "data/fxs/reconstructions",
    "average": "data/fxs/averages",
}
"""Where the results of a command lie, unless its settings say otherwise."""


def _silent(line: str) -> None:
    """Print nothing."""


@dataclass(frozen=True)
class FxsRow:
    """One command.

    Attributes
    ----------
    name : str
        As typed.
    reads : str
        The command whose result it reads, or another that makes the same; empty for the first.
    launch : {'serial', 'mpi', 'array'}
        Whether it gains from ranks, or its work falls into independent pieces.
    resumable : bool
        Whether it goes on from where it was killed.
    """

    name: str
    reads: str = ""
    launch: Launch = "serial"
    resources: Resources = field(default_factory=Resources)
    resumable: bool = False
    pipeline: Literal["fxs"] = "fxs"

    @property
    def summary(self) -> str:
        """One line."""
        return COMMANDS[self.name].summary

    def inputs(self, config: RunConfig) -> tuple[Path, ...]:
        """Folder of the results of the command before it."""
        return (config.home / FOLDERS[self.reads],) if self.reads else ()

    def missing(self, config: RunConfig) -> tuple[Path, ...]:
        """Nothing: which files are meant stands in the settings, and the command itself names them."""
        return ()

    def outputs(self, config: RunConfig) -> tuple[Path, ...]:
        """Folder of its results."""
        return (config.home / FOLDERS[self.name],)

    def words(self, config: RunConfig) -> tuple[str, ...]:
        """Its command line."""
        return ("fxs", self.name, self.settings_name(config), "--config", str(config.path), "--resume")

    def settings_name(self, config: RunConfig) -> str:
        """Name of its settings in config.ini.

        Raises
        ------
        UsageError
            There is none.
        """
        name = config.settings_names.get(self.name)
        if not name:
            raise UsageError(f"{config.path}: which settings of {self.name}? Write `{self.name} = NAME` under [fxs]")
        return name

    def load(self, config: RunConfig) -> Loaded:
        """Its settings."""
        return load(self.name, self.settings_name(config), config.home)

    def parts(self, config: RunConfig) -> int:
        """Number of reconstructions."""
        if self.launch != "array":
            return 1
        wanted: int = _shares().number_wanted(self.load(config).model)
        return wanted

    def standing(self, config: RunConfig) -> Standing:
        """Done when a complete result with these settings, this version and these inputs lies on disk."""
        loaded = self.load(config)
        context = self._context(loaded, config, _silent)
        folder = finished(self.name, loaded.model, context)
        parts = self.parts(config) if self.launch == "array" else None
        if folder is not None:
            shown = folder.relative_to(config.home) if folder.is_relative_to(config.home) else folder
            return Standing(True, f"results in {shown}", parts, parts)
        if parts is None:
            return Standing(False, "")
        try:
            made, error = _shares().standing(loaded.model, context)
        except InputFileError:
            return Standing(False, "", 0, parts)
        return Standing(False, "", made, parts, f"error {error:.2e}" if math.isfinite(error) else "")

    def _context(self, loaded: Loaded, config: RunConfig, say: Callable[[str], None]) -> Context:
        workspace = Workspace.of(config.home, loaded.model)
        return Context(workspace, config, config.cores, config.precision, True, loaded.source, say, "fxs-hpc")


def _shares() -> Any:
    # Phasing brings the plotting and numerical libraries with it: seconds that a table of states has no use for.
    return importlib.import_module("fxs_hpc.stages.fxs.shares")


ROWS = (
    FxsRow("simulate_ccd", resources=Resources("1:00:00", 8)),
    FxsRow("simulate_patterns", "", "mpi", Resources("2:00:00", 1), resumable=True),
    FxsRow("correlate", "simulate_patterns", "mpi", Resources("4:00:00", 1), resumable=True),
    FxsRow("extract", "simulate_ccd", resources=Resources("1:00:00", 8)),
    FxsRow("reconstruct", "extract", "array", Resources("4:00:00", 1), resumable=True),
    FxsRow("average", "reconstruct", resources=Resources("1:00:00", 8)),
)
