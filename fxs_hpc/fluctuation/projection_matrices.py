"""Projection matrices V_l of the invariants, V_l V_l^+ = B_l, and the limits in q within which they hold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.parallel.threads import over

SORT_MODES = ("eigenvalues", "median_of_scaled_eigenvector")
Line = tuple[tuple[float, float], tuple[float, float]]


def _on_line(line: Line, orders: NDArray[np.int64]) -> NDArray[np.float64]:
    (first, q_first), (second, q_second) = line
    if first == second:
        raise SettingsError(f"bl_q_limits: both points of the line have order {first:g}; give two different orders")
    return np.asarray(q_first + (orders - first) * (q_second - q_first) / (second - first), dtype=np.float64)


def q_limits(q: NDArray[np.float64], max_order: int, lower: Line | None = None, upper: Line | None = None) -> NDArray[np.int64]:
    """Rows [low, high) of q that are used per order (max_order + 1, 2).

    `lower` and `upper` are straight lines through two (order, q) points; None is no limit. Points on the line are used.
    """
    orders = np.arange(max_order + 1)
    limits = np.tile([0, len(q)], (max_order + 1, 1)).astype(np.int64)
    if lower is not None:
        limits[:, 0] = np.searchsorted(q, _on_line(lower, orders), side="left")
    if upper is not None:
        limits[:, 1] = np.searchsorted(q, _on_line(upper, orders), side="right")
    limits[:, 1] = np.maximum(limits[:, 1], limits[:, 0])
    return limits


def limit_masks(limits: NDArray[np.int64], n_q: int) -> NDArray[np.bool_]:
    """(L+1, N, N), True where both q lie within the limits of the order."""
    index = np.arange(n_q)
    inside = (index >= limits[:, :1]) & (index < limits[:, 1:])
    return inside[:, :, None] & inside[:, None, :]


def factor(invariant: NDArray, rank: int, sort_mode: str = "eigenvalues") -> NDArray:
    """V (N, rank) with V V^+ the best positive semidefinite approximation of at most this rank (Eckart and Young).

    Parameters
    ----------
    invariant : (N, N); its Hermitian part is taken.
    sort_mode : which eigenvectors are kept: the largest eigenvalues w, or 'median_of_scaled_eigenvector', the largest
        median over q of |sqrt(w) v(q)|, which is less easily won by a few noisy q (then no longer the best approximation).

    Notes
    -----
    Each column's largest component is made positive, so that the result does not depend on the library's choice of sign.
    """
    if sort_mode not in SORT_MODES:
        raise SettingsError(f"bl_eig_sort_mode {sort_mode!r} is unknown; use one of {', '.join(SORT_MODES)}")
    values, vectors = np.linalg.eigh((invariant + invariant.conj().T) / 2)
    scaled = vectors * np.sqrt(np.abs(values))
    key = values if sort_mode == "eigenvalues" else np.median(np.abs(scaled), axis=0) * np.sign(values)
    chosen = np.argsort(-key, kind="stable")[:rank]
    columns = scaled[:, chosen] * (values[chosen] > 0)
    largest = np.take_along_axis(columns, np.abs(columns).argmax(axis=0)[None], axis=0)
    size = np.abs(largest)
    return columns * np.divide(largest.conj(), size, out=np.ones_like(largest), where=size > 0)


def projection_matrices(
    invariants: NDArray, limits: NDArray[np.int64], sort_mode: str = "eigenvalues", workers: int = 1, dimensions: int = 3
) -> tuple[NDArray, ...]:
    """V_l (N, min(N, 2l+1)) per order of B_l (L+1, N, N), in two dimensions v_n (N, 1); zero outside `limits` and where B_l is zero."""
    n_q = invariants.shape[-1]

    def of_order(order: int) -> NDArray:
        low, high = limits[order]
        rank = 1 if dimensions == 2 else min(n_q, 2 * order + 1)
        matrix = np.zeros((n_q, rank), dtype=invariants.dtype)
        block = invariants[order, low:high, low:high]
        if block.any():
            columns = factor(block, matrix.shape[1], sort_mode)
            matrix[low:high, : columns.shape[1]] = columns
        return matrix

    return tuple(over(of_order, range(len(invariants)), workers))


def relative_errors(invariants: NDArray, matrices: Sequence[NDArray]) -> NDArray[np.float64]:
    """|B - V V^+| / |B| (L+1, N, N), element by element; -1 where B is zero."""
    result = np.full(invariants.shape, -1.0)
    for order, matrix in enumerate(matrices):
        size = np.abs(invariants[order])
        difference = np.abs(invariants[order] - matrix @ matrix.conj().T)
        np.divide(difference, size, out=result[order], where=size > 0)
    return result


def coefficients(matrices: Sequence[NDArray]) -> NDArray[np.float64]:
    """coef[m, l, re/im, q] of the intensity whose unknown rotations are the identity: the columns of V_l are taken as
    the real harmonics m = 0, then cos and sin of m = 1, 2 .. (so that sum_m I_lm conj(I_lm) = V_l V_l^T)."""
    size, n_q = len(matrices), len(matrices[0])
    coef = np.zeros((size, size, 2, n_q))
    for order, matrix in enumerate(matrices):
        for column, values in enumerate(matrix.real.T):
            m, part = (column + 1) // 2, (column + 1) % 2 if column else 0
            coef[m, order, part] = values if m == 0 else values / np.sqrt(2)
    return coef
