"""Objects in space that `simulate_patterns` shoots at: solids, densities, atoms."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.simulate_patterns import SimulatePatterns
from fxs_hpc.files.density_files import read_density
from fxs_hpc.files.structures import read_atoms
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.fourier_volume import FourierVolume, Scatterer, fourier_volume, grid_size
from fxs_hpc.fluctuation.model_density import sampled
from fxs_hpc.fluctuation.pattern_simulation import Experiment, exact_invariants
from fxs_hpc.fluctuation.scatterers import DensityMap, Solids, as_cartesian
from fxs_hpc.parallel.communicator import Communicator, share
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.pattern_objects import SAMPLES_PER_PERIOD, largest_q

_THETA = 48


@dataclass(frozen=True)
class SpaceTarget:
    """An object in space with its amplitudes."""

    thing: Scatterer
    amplitudes: FourierVolume

    def invariants(self, q: NDArray[np.float64], max_order: int, workers: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Exact B_l and <I>."""
        return exact_invariants(self.amplitudes, q, max_order, workers)

    def mean_invariant(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """4 pi <I><I>."""
        return 4 * np.pi * np.multiply.outer(mean, mean)

    def model(self, shells: int) -> shapes.Model:
        """The object on a spherical grid."""
        r = (np.arange(shells, dtype=np.float64) + 0.5) * (1.1 * self.amplitudes.radius / shells)
        theta = np.arccos(np.polynomial.legendre.leggauss(_THETA)[0][::-1])
        phi = np.pi * np.arange(2 * _THETA, dtype=np.float64) / _THETA
        if isinstance(self.thing, Solids):
            return shapes.Model(self.thing.parts, r, theta, phi, shapes.density_on(self.thing.parts, r, theta, phi))
        return shapes.Model((), r, theta, phi, sampled(self.amplitudes, r, theta, phi))


@dataclass(frozen=True)
class SpaceSubject:
    """An object in space; see `space_subject`."""

    thing: Scatterer
    dimensions: ClassVar[int] = 3
    experiment: ClassVar[type[Experiment]] = Experiment

    @property
    def radius(self) -> float:
        """Of the ball about the origin that holds it, in A."""
        return self.thing.radius

    def grid(self, q_max: float) -> tuple[str, int]:
        """Points of the amplitudes, memory in bytes."""
        n, _ = grid_size(self.radius, q_max)
        return f"{n} x {n} x {n}", 48 * n**3

    def target(self, q_max: float, ranks: Communicator) -> SpaceTarget:
        """Amplitudes, held once per node."""
        _, step = grid_size(self.radius, q_max)
        values = share(ranks, lambda: fourier_volume(self.thing, q_max).values)
        return SpaceTarget(self.thing, FourierVolume(values, step, q_max, self.radius))


def space_subject(settings: SimulatePatterns, context: Context) -> SpaceSubject:
    """The object of the settings."""
    if settings.object == "structure":
        return SpaceSubject(read_atoms(context.workspace.home / settings.structure_file, settings.b_factor, settings.keep_waters))
    if settings.object == "density":
        found = read_density(context.workspace.home / settings.density_file)
        if isinstance(found, DensityMap):
            return SpaceSubject(found)
        if found.shapes:
            return SpaceSubject(Solids(found.shapes))
        return SpaceSubject(as_cartesian(found, 2 * np.pi / largest_q(settings) / SAMPLES_PER_PERIOD))
    given = settings.shapes
    solids = shapes.build(given.types, given.centers, given.sizes, given.densities, given.random_orientation, settings.seed)
    return SpaceSubject(Solids(solids))
