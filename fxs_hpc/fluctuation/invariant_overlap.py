"""FQCB: how far two intensities agree in their rotational invariants, which needs no alignment."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.field_transform import FieldTransform
from fxs_hpc.fluctuation.invariants import invariants_of


def invariants(space: FieldTransform, intensity: NDArray[np.floating]) -> NDArray:
    """B_l(q1, q2) = sum_m I_lm(q1) I_lm(q2)^* (L+1, N, N) of an intensity (..., N), in the plane B_n = I_n(q1) I_n(q2)^*."""
    coef = space.analyse(np.asarray(intensity, dtype=np.float64)[None]).astype(np.float64)
    if space.dimensions == 3:
        return invariants_of(coef, even_only=False)
    orders = (coef[:, 0, 0] + 1j * coef[:, 0, 1]) / np.sqrt(2 * np.pi)
    return np.asarray(orders[:, :, None] * orders[:, None, :].conj())


def overlap(a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """|sum_n B_n B'_n^*| / sqrt(sum_n |B_n|^2 sum_n |B'_n|^2) over n >= 1, mean over q2 <= q1: (N,) over q1, between 0 and 1.

    Parameters
    ----------
    a, b : B_n, B'_n (L+1, N, N). Pairs of shells without any variation count as 0.
    """
    cross = np.abs(np.einsum("nij,nij->ij", a[1:], b[1:].conj()))
    norm = np.sqrt(np.einsum("nij,nij->ij", a[1:], a[1:].conj()).real * np.einsum("nij,nij->ij", b[1:], b[1:].conj()).real)
    values = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    return np.array([row[: i + 1].mean() for i, row in enumerate(values)])
