"""Rotations of the sample that must explain every frame equally well.

The samples keep a part of the crystal's point group: with R the sample often holds S R for a proper operator S. Where S also
maps the voxel grid onto itself, a symmetrised intensity gives both the same tomogram, so one likelihood serves them all; for a
lattice with orthogonal axes these are four rotations (222), for a cubic one twelve (23).
"""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.quaternions import product, quaternions_of

NEAR = 1e-9


def grid_operators(operators: NDArray[np.float64]) -> NDArray[np.float64]:
    """The proper ones of the operators float64[s, 3, 3] that map the integer grid onto itself."""
    whole = np.abs(operators - np.round(operators)).max(axis=(1, 2)) < NEAR
    return np.round(operators[whole & (np.linalg.det(operators) > 0)])


def representatives(quaternions: NDArray[np.float64], operators: NDArray[np.float64]) -> NDArray[np.int32]:
    """For each rotation the first of the list that is equivalent to it.

    Parameters
    ----------
    quaternions : float64[n, 4]
        Unit quaternions of rotations lab -> crystal; q and -q are one rotation.
    operators : float64[s, 3, 3]
        Proper operators from `grid_operators`.

    Returns
    -------
    int32[n]
        Itself where no equivalent rotation comes before.
    """
    result = np.arange(len(quaternions), dtype=np.int32)
    if len(operators) < 2 or not len(quaternions):
        return result
    probe = np.array([0.5346, -0.2871, 0.6243, 0.4926])
    height = np.abs(quaternions @ probe)
    order = np.argsort(height, kind="stable").astype(np.int32)
    for operator in operators:
        np.minimum(result, _matches(quaternions, product(quaternions, quaternions_of(operator)), probe, height[order], order), out=result)
    return result


def _matches(
    quaternions: NDArray[np.float64], wanted: NDArray[np.float64], probe: NDArray, heights: NDArray, order: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Place of each `wanted` quaternion in the list, or its own place where it is not there."""
    found = np.arange(len(wanted), dtype=np.int32)
    at = np.searchsorted(heights, np.abs(wanted @ probe) - NEAR)
    for step in range(4):
        candidate = order[np.minimum(at + step, len(order) - 1)]
        same = np.abs(np.abs(np.einsum("ij,ij->i", quaternions[candidate], wanted)) - 1) < NEAR**2 * 1e4
        found = np.where(same, candidate, found)
    return found
