"""Fine rotation samples near the coarse ones that frames were found to have.

The fine sampling has n_fine = ceil(n_coarse * cutoff / high cutoff) divisions, so that no peak is stepped over at the finer cutoff. The
neighbours of a coarse sample are the fine ones within a quaternion distance of 1.01 * 0.944 / (2 n_coarse), half a coarse step and a
little more (the whole step where both samplings are the same), where q and -q are the same rotation.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fxs_hpc.emc.quaternions import STEP, Samples

MARGIN = 1.01


@dataclass(frozen=True)
class LocalSamples:
    """The fine samples that some coarse one has as neighbours.

    Attributes
    ----------
    number : int64[m]
        In the whole fine sampling, ascending.
    quaternions : float64[m, 4]
    weights : float64[m]
    first : int64[n + 1], entries : int32[first[-1]]
        Neighbours of coarse sample k: entries first[k] .. first[k + 1], indices into these m, ascending.
    """

    number: NDArray[np.int64]
    quaternions: NDArray[np.float64]
    weights: NDArray[np.float64]
    first: NDArray[np.int64]
    entries: NDArray[np.int32]

    def __getitem__(self, coarse: int) -> NDArray[np.int32]:
        return self.entries[self.first[coarse] : self.first[coarse + 1]]


def fine_divisions(coarse: int, cutoff: float, high_cutoff: float) -> int:
    """num_div of the fine sampling."""
    return ceil(coarse * cutoff / high_cutoff * (1 - 1e-12))


def radius(coarse: int, fine: int) -> float:
    """Largest quaternion distance of a neighbour."""
    return MARGIN * STEP / coarse / (1 if coarse == fine else 2)


def local_samples(coarse: NDArray[np.float64], fine: Iterable[Samples], reach: float) -> LocalSamples:
    """Fine samples within `reach` of the coarse ones.

    Parameters
    ----------
    coarse : float64[n, 4]
        Unit quaternions of the coarse samples in use.
    fine : iterable of (float64[k, 4], float64[k])
        The fine sampling in pieces, with weights; never held as a whole.
    reach : float
        Quaternion distance.
    """
    seeds = cKDTree(np.concatenate([coarse, -coarse]))
    owners: list[NDArray[np.int64]] = []
    numbers: list[NDArray[np.int64]] = []
    kept: list[Samples] = []
    start = 0
    for quaternions, weights in fine:
        near = seeds.sparse_distance_matrix(cKDTree(quaternions), reach, output_type="ndarray")
        owners.append(near["i"].astype(np.int64) % len(coarse))
        numbers.append(near["j"].astype(np.int64) + start)
        used = np.unique(near["j"])
        kept.append((quaternions[used], weights[used]))
        start += len(weights)
    pairs = np.unique(np.column_stack([np.concatenate(owners), np.concatenate(numbers)]), axis=0)
    number, place = np.unique(pairs[:, 1], return_inverse=True)
    first = np.concatenate([[0], np.cumsum(np.bincount(pairs[:, 0], minlength=len(coarse)))])
    all_quaternions, all_weights = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    return LocalSamples(number, all_quaternions, all_weights, first.astype(np.int64), place.astype(np.int32))
