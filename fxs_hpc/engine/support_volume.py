"""Shrink-wrap by volume: the level above which the voxels of a field fill a given volume."""

import numpy as np
from numpy.typing import NDArray


def level_of_volume(values: NDArray, volumes: NDArray, wanted: float) -> float:
    """Largest of `values` such that the voxels with at least that value fill a volume of at least `wanted`.

    Parameters
    ----------
    values, volumes : of the voxels that may become support; broadcast against each other.
    wanted : in the unit of `volumes`; the smallest of `values` where all voxels together are less, infinite for 0 or no voxels.
    """
    values, volumes = (np.ravel(part) for part in np.broadcast_arrays(values, volumes))
    if wanted <= 0 or not values.size:
        return float("inf")
    descending = np.argsort(values, kind="stable")[::-1]
    filled = np.cumsum(volumes[descending], dtype=np.float64)
    return float(values[descending[min(int(np.searchsorted(filled, wanted)), values.size - 1)]])
