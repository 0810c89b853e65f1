"""Photons of a block of frames, brought into the order of the raster."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel


def in_raster_order(photons: NDArray[np.int16], order: NDArray[np.int32]) -> NDArray[np.int16]:
    """Columns `order` of photons int16[n, m], frame after frame."""
    result = np.empty((len(photons), len(order)), np.int16)
    _reorder(photons, order, result)
    return result


@kernel
def _reorder(photons, order, result):  # type: ignore[no-untyped-def]
    for frame in range(len(photons)):
        for place in range(len(order)):
            result[frame, place] = photons[frame, order[place]]
