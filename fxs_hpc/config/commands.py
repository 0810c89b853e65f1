"""The FXS commands: what each is for and the model of its settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from fxs_hpc.config.average import Average
from fxs_hpc.config.correlate import Correlate
from fxs_hpc.config.extract import Extract
from fxs_hpc.config.fields import Section
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.config.simulate_ccd import SimulateCcd
from fxs_hpc.config.simulate_patterns import SimulatePatterns
from fxs_hpc.errors import UsageError


@dataclass(frozen=True)
class Command:
    """One FXS command."""

    name: str
    model: type[Section]
    summary: str


COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command("simulate_ccd", SimulateCcd, "make a density of simple shapes and its cross-correlations C(q1, q2, Delta)"),
        Command("simulate_patterns", SimulatePatterns, "make scattering patterns of particles in random orientations, and their truth"),
        Command("correlate", Correlate, "correlate scattering patterns: C(q1, q2, Delta) of all of them, and their mean intensity"),
        Command("extract", Extract, "solve the cross-correlations for the rotational invariants B_l and their roots V_l"),
        Command("reconstruct", Reconstruct, "phase the invariants: several densities from random starts, ranked by error"),
        Command("average", Average, "align the densities, average them, and say to which resolution they agree"),
    )
}


def command_named(name: str) -> Command:
    """The command called `name`.

    Raises
    ------
    UsageError
        If there is none; names the nearest and all.
    """
    if name in COMMANDS:
        return COMMANDS[name]
    raise UsageError(f"unknown command {name!r}{suggestion(name, COMMANDS)}; the commands are {', '.join(COMMANDS)}")
