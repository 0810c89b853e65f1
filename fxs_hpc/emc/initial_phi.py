"""Scale factors of the frames to start from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def initial_phi(sizes: Sequence[NDArray], photons: Sequence[NDArray], largest: int) -> NDArray[np.float64]:
    """Mean photons of the peaks of each frame, scaled to the mean 1.

    Parameters
    ----------
    sizes, photons : sequences of integer arrays
        Of each frame: pixels, and sum of the photons, of each of its patches.
    largest : int
        Patches of more pixels are diffuse and do not count.

    Returns
    -------
    f8[n]
        A frame that has diffuse patches alone gets 0.
    """
    means = np.array([_mean(photon[size <= largest]) for size, photon in zip(sizes, photons, strict=True)])
    total = np.cumsum(means)[-1]  # one after the other, as the reference program adds: the text of its file is met to the last digit
    return means * (len(means) / total) if total > 0 else np.ones(len(means))


def _mean(photons: NDArray) -> float:
    return float(photons.sum() / len(photons)) if len(photons) else 0.0
