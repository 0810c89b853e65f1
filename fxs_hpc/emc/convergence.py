"""How far an iteration has moved, and when that is little enough to stop.

The change of a flag is the angle between the vectors before and after: of the integrated intensities of all reflections, or of the scale
factors of all frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FlagRecord:
    """One flag in numbers.

    Attributes
    ----------
    flag : int
    kind : {'intensity', 'phi'}
    angle : float
        Change, degrees.
    log_likelihood : float
        Sum over frames of log sum_r w L against the background alone.
    information : float
        Mean mutual information of frame and rotation, nats.
    accepted : float
        Share of frames that took part: with a scale factor above zero and at least one probable rotation.
    moved : float
        Share of frames whose most probable rotation is another than in the flag before; 1 in the first.
    evaluated : float
        Share of the likelihoods that were computed.
    returned : int
        Candidates that had been given up and turned out to matter at a full search; 0 means that giving up changed nothing.
    seconds : float
        Wall time.
    parts : dict
        Wall seconds of the slowest rank in each part of the work.
    """

    flag: int
    kind: str
    angle: float
    log_likelihood: float
    information: float
    accepted: float
    moved: float
    evaluated: float
    returned: int
    seconds: float
    parts: dict[str, float]


def angle(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Angle between two vectors in degrees; 0 where one of them vanishes."""
    norms = np.linalg.norm(before) * np.linalg.norm(after)
    if norms == 0:
        return 0.0
    # By the chord: the cosine of a small angle has lost its digits.
    chord = np.linalg.norm(before / np.linalg.norm(before) - after / np.linalg.norm(after))
    return float(np.degrees(2 * np.arcsin(np.minimum(1.0, chord / 2))))


def converged(history: Sequence[FlagRecord], largest_angle: float, iterations: int = 2) -> bool:
    """Whether every flag of the last `iterations` iterations changed by at most `largest_angle` degrees and the likelihood settled.

    The likelihood has settled where it rose by less than 1e-4 of what it is over that time. An angle of 0 is never reached: a run that has
    come to rest to the last bit goes on.
    """
    kinds = {record.kind for record in history}
    needed = iterations * len(kinds)
    if not largest_angle or len(history) < needed + len(kinds):
        return False
    recent = history[-needed:]
    before = history[-needed - len(kinds)].log_likelihood
    after = recent[-len(kinds)].log_likelihood
    return all(record.angle <= largest_angle for record in recent) and abs(after - before) <= 1e-4 * abs(after)
