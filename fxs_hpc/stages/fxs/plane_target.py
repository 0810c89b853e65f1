"""Objects of the plane that `simulate_patterns` shoots at: figures and densities, turned about the beam."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.simulate_patterns import SimulatePatterns
from fxs_hpc.files.plane_density_files import read_plane_density
from fxs_hpc.fluctuation import plane_shapes
from fxs_hpc.fluctuation.fourier_plane import Figures, FourierPlane, PlaneDensity, PlaneScatterer, as_pixels, fourier_plane, grid_size
from fxs_hpc.fluctuation.pattern_simulation import Experiment
from fxs_hpc.fluctuation.plane_patterns import PlaneExperiment, exact_plane_invariants
from fxs_hpc.fluctuation.plane_shapes import PlaneModel, polar_points
from fxs_hpc.parallel.communicator import Communicator
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.pattern_objects import SAMPLES_PER_PERIOD, largest_q

_ANGLES = 256


@dataclass(frozen=True)
class PlaneTarget:
    """An object of the plane with its amplitudes."""

    thing: PlaneScatterer
    amplitudes: FourierPlane

    def invariants(self, q: NDArray[np.float64], max_order: int, workers: int) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Exact B_n and <I>."""
        return exact_plane_invariants(self.amplitudes, q, max_order)

    def mean_invariant(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """<I><I>."""
        return np.multiply.outer(mean, mean)

    def model(self, shells: int) -> PlaneModel:
        """The object on a polar grid."""
        r = (np.arange(shells, dtype=np.float64) + 0.5) * (1.1 * self.amplitudes.radius / shells)
        phi = 2 * np.pi * np.arange(_ANGLES, dtype=np.float64) / _ANGLES
        parts = self.thing.parts if isinstance(self.thing, Figures) else ()
        return PlaneModel(parts, r, phi, self.thing.density_at(polar_points(r[:, None], phi)))


@dataclass(frozen=True)
class PlaneSubject:
    """An object of the plane; see `plane_subject`."""

    thing: PlaneScatterer
    dimensions: ClassVar[int] = 2
    experiment: ClassVar[type[Experiment]] = PlaneExperiment

    @property
    def radius(self) -> float:
        """Of the disc about the origin that holds it, in A."""
        return self.thing.radius

    def grid(self, q_max: float) -> tuple[str, int]:
        """Points of the amplitudes, memory in bytes."""
        n, _ = grid_size(self.radius, q_max)
        return f"{n} x {n}", 100 * n**2

    def target(self, q_max: float, ranks: Communicator) -> PlaneTarget:
        """Amplitudes; every rank computes its own, they are small."""
        return PlaneTarget(self.thing, fourier_plane(self.thing, q_max))


def plane_subject(settings: SimulatePatterns, context: Context) -> PlaneSubject:
    """The object of the settings."""
    if settings.object == "density":
        found = read_plane_density(context.workspace.home / settings.density_file)
        if isinstance(found, PlaneDensity):
            return PlaneSubject(found)
        if found.shapes:
            return PlaneSubject(Figures(found.shapes))
        return PlaneSubject(as_pixels(found, 2 * np.pi / largest_q(settings) / SAMPLES_PER_PERIOD))
    given = settings.shapes
    figures = plane_shapes.build(given.types, given.centers, given.sizes, given.densities, given.random_orientation, settings.seed)
    return PlaneSubject(Figures(figures))
