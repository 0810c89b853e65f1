"""From log-likelihoods to the few rotations that matter in each frame.

P(d, r) is proportional to w(r) L(d, r) with the weight w of the rotation sample, normalised over the candidates of the frame. Sorted by
falling P (equal ones by their rotation), rotations are kept until P falls below `LEAST_PROBABILITY` or their sum has passed
`ENOUGH`, and normalised again. A frame in which no rotation reaches the least probability keeps none: it does not take part.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel

LEAST_PROBABILITY = 1e-4
ENOUGH = 0.999


class Assignment(NamedTuple):
    """The rotations kept of each frame.

    Entries `first[d]:first[d + 1]` (first i8[n + 1]) of rotation i4[m] and probability f8[m] belong to frame d, most probable first.
    """

    first: NDArray[np.int64]
    rotation: NDArray[np.int32]
    probability: NDArray[np.float64]


class Evidence(NamedTuple):
    """What each frame says about itself.

    log_evidence f8[n]: log sum_r w L, against the background alone; information f8[n]: sum_r P log(P / w), what the frame tells about
    its rotation, in nats.
    """

    log_evidence: NDArray[np.float64]
    information: NDArray[np.float64]


def normalised(
    first: NDArray[np.int64], rotation: NDArray[np.int32], log_likelihood: NDArray[np.float64], log_weight: NDArray[np.float64]
) -> tuple[Assignment, Evidence]:
    """Probabilities of the candidates of each frame.

    Parameters
    ----------
    first : int64[n + 1]
        Candidates first[d] .. first[d + 1] belong to frame d.
    rotation : int32[m]
    log_likelihood, log_weight : float64[m]
        Of each candidate; -inf = left out.
    """
    kept = np.zeros(len(first) - 1, np.int64)
    rotations, probabilities = np.empty(len(rotation), np.int32), np.empty(len(rotation))
    evidence = Evidence(np.zeros(len(kept)), np.zeros(len(kept)))
    total = _normalise(first, rotation, log_likelihood, log_weight, kept, rotations, probabilities, evidence)
    edges = np.concatenate([[0], np.cumsum(kept)])
    return Assignment(edges, rotations[:total].copy(), probabilities[:total].copy()), evidence


@kernel
def _normalise(first, rotation, log_likelihood, log_weight, kept, rotations, probabilities, evidence):  # type: ignore[no-untyped-def]
    at = 0
    for d in range(len(kept)):
        low, high = first[d], first[d + 1]
        largest = -np.inf
        for i in range(low, high):
            largest = max(largest, log_likelihood[i] + log_weight[i])
        if not largest > -np.inf:
            continue
        total, mean, worth = 0.0, 0.0, 0
        for i in range(low, high):
            p = np.exp(log_likelihood[i] + log_weight[i] - largest)
            total += p
            if p > 0:
                mean += p * log_likelihood[i]
            worth += p >= LEAST_PROBABILITY
        evidence.log_evidence[d] = largest + np.log(total)
        evidence.information[d] = mean / total - evidence.log_evidence[d]
        some, value = np.empty(worth, np.int64), np.empty(worth)
        n = 0
        for i in range(low, high):
            p = np.exp(log_likelihood[i] + log_weight[i] - largest)
            if p >= LEAST_PROBABILITY:
                some[n], value[n] = i, -p / total
                n += 1
        order = np.argsort(value, kind="mergesort")
        reached, start = 0.0, at
        for i in order:
            if -value[i] < LEAST_PROBABILITY:
                break
            rotations[at], probabilities[at] = rotation[some[i]], -value[i]
            reached -= value[i]
            at += 1
            if reached > ENOUGH:
                break
        for i in range(start, at):
            probabilities[i] /= reached
        kept[d] = at - start
    return at
