"""What every way of `extract` to invariants hands to the rest of the stage, and what it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Invariants:
    """Invariants of one or all data sets, with their points.

    Parameters
    ----------
    dimensions : 3 or 2. q : (N,) in 1/A. delta : (n_delta,) in rad. wavelength : in A. average_intensity : (N,).
    n_particles : mean number of particles per pattern, 0 if unknown.
    values : data set -> B_l (L+1, N, N).
    """

    dimensions: int
    q: NDArray[np.float64]
    delta: NDArray[np.float64]
    wavelength: float
    average_intensity: NDArray[np.float64]
    n_particles: float
    values: Mapping[str, NDArray]

    @property
    def max_order(self) -> int:
        """Highest order L."""
        return len(self.values["I1I1"]) - 1


@dataclass(frozen=True)
class SourcePlan:
    """What finding the invariants takes: memory in bytes, numbers of radial points and orders, lines for the user."""

    memory: int
    n_q: int
    n_orders: int
    lines: tuple[str, ...]


class Source(Protocol):
    """A way to invariants."""

    def plan(self, threads: int) -> SourcePlan:
        """What it will take."""
        ...

    def solved(self, threads: int) -> Invariants:
        """The invariants of all data sets that the settings name."""
        ...

    def draw_components(self, folder: Path) -> None:
        """Pictures of the components |C_n| of the correlations, where there are correlations."""
        ...
