"""Where reflections meet the detector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PeakMap:
    """For each rotation its reflections with their pixels, or for each reflection its rotations.

    Attributes
    ----------
    first : int64[n + 1]
        Entries of list i are entries[first[i] : first[i + 1]].
    entries : int32[m, 3]
        Number of the reflection (or rotation), and two corners of the box around its pixels as full detector indices
        row * columns + column: least row and column, largest row and column.
    """

    first: NDArray[np.int64]
    entries: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.first) - 1

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        return self.entries[self.first[index] : self.first[index + 1]]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Length of each list, int64[n]."""
        return np.diff(self.first)
