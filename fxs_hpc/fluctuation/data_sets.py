"""Invariants of correlations in which one or both intensities are squared, beside those of the intensity itself.

I1I1 correlates I with I, I2I2 I^2 with I^2, and I2I1 I^2 (at q1) with I (at q2). With I_lm = V_l U_l and (I^2)_lm = V_l^(2) U_l^(2) the
mixed invariants are B_l^(21) = V_l^(2) W_l V_l^+ with W_l = U_l^(2) U_l^+: once U_l is known, so is the squared intensity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

NAMES = ("I1I1", "I2I1", "I2I2")


@dataclass(frozen=True)
class DataSet:
    """Invariants of one kind of correlation.

    Parameters
    ----------
    q_id_limits : (L+1, 2) integers, rows [low, high) of q that are used, per order.
    invariants : B_l, (L+1, N, N), or None when they are not kept.
    masks : (L+1, N, N) bool, True where B_l is trusted, or None.
    projection_matrices : per order V_l (N, k); none for I2I1, whose B_l are no squares.
    """

    q_id_limits: NDArray[np.int64]
    invariants: NDArray | None = None
    masks: NDArray[np.bool_] | None = None
    projection_matrices: Sequence[NDArray] = field(default_factory=tuple)


@dataclass(frozen=True)
class SquaredIntensity:
    """What was found about the squared intensity.

    Parameters
    ----------
    data_sets : 'I2I1' and 'I2I2'.
    transforms : W_l (k, k) per order, V_l^(2) W_l V_l^+ = B_l^(21).
    """

    data_sets: Mapping[str, DataSet]
    transforms: Sequence[NDArray] = field(default_factory=tuple)

    def without_invariants(self) -> "SquaredIntensity":
        """The same data without the large B_l."""
        return replace(self, data_sets={name: replace(data, invariants=None) for name, data in self.data_sets.items()})
