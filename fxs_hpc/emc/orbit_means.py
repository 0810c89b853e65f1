"""Equivalent reflections on the grid as one intensity with the error bar of their mean."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.merging import Merged, merge, orbits
from fxs_hpc.emc.workload import Model


def orbit_means(model: Model, sums: NDArray[np.float64], seen: NDArray[np.bool_], merged_std: NDArray[np.float64]) -> Merged:
    """Means over the seen reflections of each orbit.

    Equivalent reflections are not independent: a frame sees many of them, with one scale factor and one error of its orientation. The
    sigma is therefore not put together from those of single reflections, it is the jackknife deviation of the mean itself
    (`uncertainty.scatters`).

    Parameters
    ----------
    sums : float64[reflections]
        Integrated intensities, 0 where nothing was seen.
    seen : bool[reflections]
    merged_std : float64[orbits]
        Standard deviation of the sum over each orbit, divided by the number of all its reflections.
    """
    groups = orbits(model.reflections.hkl, model.group.indices)
    means = merge(groups, sums, np.zeros(len(sums)), seen)
    all_of, seen_of = np.bincount(groups.member), np.bincount(groups.member, seen)
    kept = seen_of > 0
    return replace(means, sigma=merged_std[kept] * all_of[kept] / seen_of[kept])
