"""An intensity to start from: a Gaussian of random height at every reflection."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.reflections import Reflections


def random_intensity(reflections: Reflections, seed: tuple[int, ...]) -> NDArray[np.float64]:
    """Voxels u exp(-r^2 / support^2) with one u in 0 .. 1 for each reflection, float64[voxels]; not symmetrised."""
    height = np.random.default_rng(seed).random(reflections.count)
    number = np.repeat(np.arange(reflections.count), np.diff(reflections.first))
    distance = np.sum((reflections.voxels - reflections.centres[number]) ** 2, axis=1)
    return height[number] * np.exp(-distance / reflections.grid.support**2)
