"""Which likelihoods are computed: one for each frame and each set of candidates that must explain it equally well."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.probabilities import Assignment


@dataclass(frozen=True)
class Evaluations:
    """Candidates of a run of frames, and the likelihoods that serve them.

    Attributes
    ----------
    first : int64[n + 1]
        Candidates first[d]:first[d + 1] belong to frame d.
    rotation : int32[m]
        Candidates, ascending in each frame: places in the table of rotations.
    start : int64[n + 1]
        Evaluations start[d]:start[d + 1] belong to frame d.
    wanted : int32[e]
        Rotation whose tomogram is evaluated.
    serves : int32[m]
        Number of the evaluation, counted from start[d], that holds for a candidate.
    """

    first: NDArray[np.int64]
    rotation: NDArray[np.int32]
    start: NDArray[np.int64]
    wanted: NDArray[np.int32]
    serves: NDArray[np.int32]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.first) - 1

    def of_candidates(self, low: int, high: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values f8 of the evaluations of frames low .. high, handed to their candidates."""
        counts = np.diff(self.first[low : high + 1])
        offset = np.repeat(self.start[low:high] - self.start[low], counts)
        return values[self.serves[self.first[low] : self.first[high]] + offset]

    def tomograms(self, low: int, assignment: Assignment) -> Assignment:
        """The assignment of frames from `low` on with rotations of one tomogram put together; for what depends on the tomogram alone."""
        counts = np.diff(assignment.first)
        frame = np.repeat(np.arange(low, low + len(counts)), counts)
        span, high = int(self.rotation.max(initial=0)) + 1, low + len(counts)
        part = slice(self.first[low], self.first[high])
        listed = np.repeat(np.arange(low, high), np.diff(self.first[low : high + 1])) * span + self.rotation[part]
        place = np.searchsorted(listed, frame * span + assignment.rotation)
        wanted = self.wanted[self.start[frame] + self.serves[part][place]]
        keys, start, group = np.unique(frame * span + wanted, return_index=True, return_inverse=True)
        first = np.searchsorted(frame[start], np.arange(low, high + 1))
        return Assignment(
            first.astype(np.int64), wanted[start], np.bincount(group.reshape(-1), assignment.probability, len(keys)).astype(np.float64)
        )


def evaluations(first: NDArray[np.int64], rotation: NDArray[np.int32], representative: NDArray[np.int32]) -> Evaluations:
    """One evaluation for the equivalent candidates of a frame: that of the lowest number.

    Which one it is depends on the frame's own candidates alone, hence not on how frames are shared out.

    Parameters
    ----------
    first, rotation :
        As in `Evaluations`.
    representative : int32[rotations]
        From `equivalence.representatives`.
    """
    counts = np.diff(first)
    frame = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    key = frame * (int(representative.max(initial=0)) + 1) + representative[rotation]
    unique, lowest, serves = np.unique(key, return_index=True, return_inverse=True)
    start = np.searchsorted(frame[lowest], np.arange(len(counts) + 1))
    # `unique` ascends by frame, so the evaluations of a frame lie together.
    return Evaluations(
        first.astype(np.int64),
        rotation.astype(np.int32),
        start.astype(np.int64),
        rotation[lowest].astype(np.int32),
        (serves.reshape(-1) - start[frame]).astype(np.int32),
    )
