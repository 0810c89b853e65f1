"""Rotations to be considered for each frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Candidates:
    """Candidate rotations of all frames, one frame after another.

    Attributes
    ----------
    first : int64[n + 1]
        Those of frame d are rotation[first[d] : first[d + 1]].
    rotation : int32[m]
        Rotation numbers, ascending in each frame.
    """

    first: NDArray[np.int64]
    rotation: NDArray[np.int32]

    @classmethod
    def of_lists(cls, lists: Sequence[NDArray]) -> "Candidates":
        """From one array of rotation numbers per frame."""
        flat = np.concatenate(lists) if len(lists) else np.empty(0)
        first = np.concatenate([[0], np.cumsum([len(rotations) for rotations in lists], dtype=np.int64)])
        return cls(first.astype(np.int64), flat.astype(np.int32))

    def __len__(self) -> int:
        return len(self.first) - 1

    def __getitem__(self, frame: int) -> NDArray[np.int32]:
        return self.rotation[self.first[frame] : self.first[frame + 1]]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of candidates of each frame, int64[n]."""
        return np.diff(self.first)

    def visited(self) -> NDArray[np.int32]:
        """Rotations that are a candidate of some frame, ascending."""
        return np.unique(self.rotation)
