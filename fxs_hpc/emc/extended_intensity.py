"""The intensity that the high resolution stage starts from: what is known is kept, what is new starts on the scale of the data."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.reflections import Reflections
from fxs_hpc.emc.start_model import random_intensity

OUTER = 0.25
"""Share of the known reflections, those of highest resolution, that set the scale of the new ones."""


def extended_intensity(known: Reflections, values: NDArray[np.float64], wanted: Reflections, seed: tuple[int, ...]) -> NDArray[np.float64]:
    """Voxels of `wanted`.

    Parameters
    ----------
    known : Reflections
        Of the low resolution.
    values : float64[voxels of known]
    wanted : Reflections
        Of the high resolution, on the same grid.
    seed : tuple of int
        Heights of the new reflections are random, uniform between 0 and twice the mean of the outer known ones.
    """
    start = random_intensity(wanted, seed) * _scale(known, values, wanted, seed)
    place = known.numbers(wanted.hkl)
    for number in np.flatnonzero(place >= 0):
        source = place[number]
        start[wanted.first[number] : wanted.first[number + 1]] = values[known.first[source] : known.first[source + 1]]
    return start


def _scale(known: Reflections, values: NDArray[np.float64], wanted: Reflections, seed: tuple[int, ...]) -> float:
    """Factor that gives random reflections the mean sum of the outer known ones."""
    order = np.argsort(np.linalg.norm(known.positions, axis=1), kind="stable")
    outer = order[-max(1, int(OUTER * known.count)) :]
    mean = np.add.reduceat(values, known.first[:-1])[outer].mean()
    random = np.add.reduceat(random_intensity(wanted, seed), wanted.first[:-1]).mean()
    return float(max(mean, 0.0) / random)
