"""Which reflections each rank adds up and symmetrises: whole orbits, so that it needs nothing of the others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.workload import Model
from fxs_hpc.parallel.communicator import Communicator
from fxs_hpc.parallel.partition import balanced


@dataclass(frozen=True)
class OrbitSlices:
    """Whole orbits for each rank: their reflections and voxels."""

    reflections: list[NDArray[np.int64]]
    voxels: list[NDArray[np.int64]]

    def whole(self, ranks: Communicator, part: NDArray[np.float64]) -> NDArray[np.float64]:
        """All voxels, of those that each rank has."""
        result = np.empty(sum(len(voxels) for voxels in self.voxels))
        for voxels, values in zip(self.voxels, ranks.all_gather(part), strict=True):
            result[voxels] = values
        return result


def orbit_slices(model: Model, ranks: int) -> OrbitSlices:
    """Slices of similar numbers of voxels for `ranks` ranks."""
    order = np.argsort(model.same.orbit, kind="stable")
    sizes = np.diff(model.reflections.first)
    of_orbit = np.bincount(model.same.orbit, sizes)
    edges = np.searchsorted(model.same.orbit[order], balanced(of_orbit, ranks))
    reflections = [order[low:high] for low, high in zip(edges[:-1], edges[1:])]
    first = model.reflections.first
    voxels = [np.concatenate([np.empty(0, np.int64), *(np.arange(first[k], first[k + 1]) for k in part)]) for part in reflections]
    return OrbitSlices(reflections, voxels)
