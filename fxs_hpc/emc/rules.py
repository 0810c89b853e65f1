"""Choices of the EMC model in which this program does not follow the reference program, in one place."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
        in the peaks know nothing of samples.
    revival : bool
        Whether a frame whose scale factor was zero at the start may get another: it was left out before, for a reason.
    """

    floor: float
    by_exposure: bool
    phi_memory: float
    revival: bool


OWN = Rules(FLOOR, True, 0.5, False)
REFERENCE = Rules(REFERENCE_FLOOR, False, 0.0, True)


def remembered(rules: Rules, new: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """New scale factors float64[n], drawn towards those of the start."""
    mixed = new ** (1 - rules.phi_memory) * start**rules.phi_memory if rules.phi_memory else new
    return mixed if rules.revival else np.where(start > 0, mixed, 0.0)
