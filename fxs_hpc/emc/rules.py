"""Choices of the EMC model in which this program does not follow the reference program, in one place."""

from typing import NamedTuple

import numpy as np

from fxs_hpc.emc.likelihood import FLOOR, REFERENCE_FLOOR


class Rules(NamedTuple):
    """How the model is treated.

    Attributes
    ----------
    floor : float
        Tomogram values up to this count as zero in the likelihood of an intensity flag (see `likelihood`).
    by_exposure : bool
        Equivalent voxels are averaged with the weight of what was seen of them; else each counts the same.
    phi_memory : float
        Share of the scale factors of the start, from the peaks, in the new ones (geometric mean). Maximum likelihood alone gives frames
        whose true orientation lies between the samples too small a factor, and makes it worse with every iteration; the photons
        in the peaks know nothing of samples. Scale factors of zero stay zero.
    """

    floor: float
    by_exposure: bool
    phi_memory: float


OWN = Rules(FLOOR, True, 0.5)
REFERENCE = Rules(REFERENCE_FLOOR, False, 0.0)


def remembered(rules: Rules, new: np.ndarray, start: np.ndarray) -> np.ndarray:
    """New scale factors float64[n], drawn towards those of the start."""
    if not rules.phi_memory:
        return new
    mixed: np.ndarray = new ** (1 - rules.phi_memory) * start**rules.phi_memory
    return mixed
