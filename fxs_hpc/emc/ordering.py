"""The order of the reduced frames: each rank gets frames that look at nearly the same number of distinct rotations."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fxs_hpc.parallel.partition import block


def balanced_order(first: NDArray[np.int64], rotation: NDArray[np.int32], rotations: int, ranks: int) -> NDArray[np.int64]:
    """Order in which contiguous equal shares (`partition.block`) of the frames cost every rank about the same.

    Frames are dealt in rounds, those with most candidates first. In each round the frame with most candidates goes to the rank that
    holds the fewest distinct rotations so far, and so on (the EMC model, section 5, "reduce-data").

    Parameters
    ----------
    first : i8[n + 1]
        Candidates of frame k are rotation[first[k]:first[k + 1]].
    rotation : i4[m]
        Rotation numbers, 0 .. rotations - 1.
    rotations, ranks : int

    Returns
    -------
    i8[n']
        Frames with at least one candidate; those of rank 0 first. Of two frames with as many candidates the later one is dealt first; of
        two ranks with as many rotations the higher one gets the larger frame. (The rule of the reference program where it shows; where
        the last round is short, it goes to the ranks whose share is larger, so that shares and ranks agree.)
    """
    counts = np.diff(first)
    kept = np.flatnonzero(counts)[::-1]
    dealt = kept[np.argsort(-counts[kept], kind="stable")]
    rank = np.empty(len(dealt), np.int64)
    _deal(dealt, first, np.ascontiguousarray(rotation, np.int32), np.zeros((ranks, (rotations + 7) // 8), np.uint8), rank)
    return dealt[np.argsort(rank, kind="stable")]


def share(count: int, rank: int, ranks: int) -> tuple[int, int]:
    """First and stop of the reduced frames of one rank."""
    return block(count, rank, ranks)


@njit("void(i8[::1], i8[::1], i4[::1], u1[:,::1], i8[::1])", cache=True, nogil=True)
def _deal(dealt: NDArray, first: NDArray, rotation: NDArray, held: NDArray, rank: NDArray) -> None:
    """Give each frame of `dealt` a rank; `held` u1[ranks, bytes] has one bit for each rotation."""
    ranks = len(held)
    total = np.zeros(ranks, np.int64)
    for start in range(0, len(dealt), ranks):
        stop = min(start + ranks, len(dealt))
        served = np.zeros(stop - start, np.bool_)
        for place in range(start, stop):
            taker = -1
            for other in range(stop - start):
                if not served[other] and (taker < 0 or total[other] <= total[taker]):
                    taker = other
            served[taker] = True
            rank[place] = taker
            for entry in range(first[dealt[place]], first[dealt[place] + 1]):
                byte, bit = rotation[entry] >> 3, 1 << (rotation[entry] & 7)
                if not held[taker, byte] & bit:
                    held[taker, byte] |= bit
                    total[taker] += 1
