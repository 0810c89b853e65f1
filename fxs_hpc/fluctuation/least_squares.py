"""Least squares for B_l: |sum_l P_l(cos gamma) B_l / 4 pi - C(Delta)| minimal over the valid angles of every pair (q1, q2).

cos gamma = cos t1 cos t2 + sin t1 sin t2 cos Delta. Where all angles are valid the cosines are orthogonal, and the problem is solved
for the circular components, where order l reaches up to n = l only: a staircase, five times less work, the same for (q1, q2) and
(q2, q1). Where angles are missing, the rows that are left are solved as they are.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.circular import Blocks, components_of, cosine_analysis
from fxs_hpc.fluctuation.pair_counts import Weigh, unequal_weights
from fxs_hpc.harmonics.legendre import legendre_table
from fxs_hpc.parallel.threads import over, pieces

_SMALLEST_PIVOT = 1e-13
_FAST = {"contract", "reassoc"}


@numba.njit(cache=True, fastmath=_FAST, error_model="numpy")
def _triangularise(columns: np.ndarray, n_unknowns: int, last_row: np.ndarray) -> None:
    """Householder QR in place of columns (unknowns + right-hand sides, rows); column k is zero below last_row[k]."""
    for k in range(n_unknowns):
        pivot, stop = columns[k], last_row[k] + 1
        norm = 0.0
        for row in range(k, stop):
            norm += pivot[row] * pivot[row]
        alpha = -np.sqrt(norm) if pivot[k] > 0 else np.sqrt(norm)
        head = pivot[k] - alpha
        scale = -alpha * head  # half the squared length of the reflector
        if scale == 0:
            continue
        pivot[k] = head
        for other in range(k + 1, columns.shape[0]):
            column = columns[other]
            dot = 0.0
            for row in range(k, stop):
                dot += pivot[row] * column[row]
            dot /= scale
            for row in range(k, stop):
                column[row] -= dot * pivot[row]
        pivot[k] = alpha


@numba.njit(cache=True, error_model="numpy")
def _back_solve(columns: np.ndarray, n_unknowns: int, side: np.ndarray, solution: np.ndarray) -> float:
    """Solve R x = side for the triangle left by `_triangularise`; returns the smallest over the largest pivot."""
    largest, smallest = 0.0, np.inf
    for k in range(n_unknowns - 1, -1, -1):
        total = side[k]
        for other in range(k + 1, n_unknowns):
            total -= columns[other, k] * solution[other]
        solution[k] = total / columns[k, k]
        largest, smallest = max(largest, abs(columns[k, k])), min(smallest, abs(columns[k, k]))
    return smallest / largest


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _solve_complete(result: np.ndarray, parts: np.ndarray, scale: np.ndarray, table: np.ndarray, step: int, first: int, stop: int) -> None:
    """B_l of scaled components parts (n, N, N) for first <= max(q1, q2) < stop; table[q, l, n] of the solved orders."""
    n_unknowns = table.shape[1]
    last_row = np.arange(n_unknowns) * step
    columns = np.zeros((n_unknowns + 2, parts.shape[0]))
    solution = np.empty(n_unknowns)
    for i in range(first, stop):
        for j in range(i + 1):
            for k in range(n_unknowns):
                columns[k] = 0
                for n in range(k * step + 1):
                    columns[k, n] = scale[n] * table[i, k, n] * table[j, k, n] / (2 * k * step + 1)
            columns[n_unknowns], columns[n_unknowns + 1] = parts[:, i, j], parts[:, j, i]
            _triangularise(columns, n_unknowns, last_row)
            _back_solve(columns, n_unknowns, columns[n_unknowns], solution)
            result[:, i, j] = solution
            _back_solve(columns, n_unknowns, columns[n_unknowns + 1], solution)
            result[:, j, i] = solution


def _complete(
    parts: NDArray[np.float64], n_delta: int, step: int, cosine: NDArray[np.float64], nyquist: str, workers: int
) -> NDArray[np.float64]:
    """B_l (orders, N, N) of complete components C_n, n = 0 .. order."""
    order = len(parts) - 1
    n = np.arange(order + 1)
    # Mean of C^2 over Delta is C_0^2 + 2 sum C_n^2, the Nyquist term entering with its full amplitude.
    scale = np.where(n == 0, 1, np.sqrt(2)) * np.where((2 * n == n_delta) & (nyquist == "exact"), np.sqrt(2), 1)
    table = np.ascontiguousarray(legendre_table(order, cosine)[:, ::step].transpose(2, 1, 0))
    parts *= scale[:, None, None]
    result = np.empty((table.shape[1], *parts.shape[1:]))
    over(lambda span: _solve_complete(result, parts, scale, table, step, *span), pieces(len(table), workers), workers)
    return result


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _solve_masked(
    values: np.ndarray, weights: np.ndarray, along: np.ndarray, across: np.ndarray, angle: np.ndarray, step: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted rows on the angles 0..pi, values and weights (pairs, half); B_l (pairs, orders) and the pivot ratios."""
    n_pairs, n_angles = values.shape
    result, pivots = np.zeros((n_pairs, count)), np.zeros(n_pairs)
    last_row = np.full(count, n_angles - 1)
    columns = np.zeros((count + 1, n_angles))
    for pair in range(n_pairs):
        for d in range(n_angles):
            root = np.sqrt(weights[pair, d])
            columns[count, d] = root * values[pair, d]
            x, previous, current = along[pair] + across[pair] * np.cos(angle[d]), 0.0, root / (4 * np.pi)
            for order in range((count - 1) * step + 1):
                if order % step == 0:
                    columns[order // step, d] = current
                previous, current = current, ((2 * order + 1) * x * current - order * previous) / (order + 1)
        if np.count_nonzero(weights[pair]) >= count:
            _triangularise(columns, count, last_row)
            pivots[pair] = _back_solve(columns, count, columns[count], result[pair])
    return result, pivots


def _folded(values: NDArray[np.float64], given: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted mean of C(Delta) and C(-Delta) on 0..pi, and the weight behind each value; (pairs, half)."""
    n = values.shape[-1]
    front = np.arange(n // 2 + 1)
    weights, total = given[..., front], (values * given)[..., front]
    twice = front[(front > 0) & (2 * front != n)]
    weights[..., twice] += given[..., n - twice]
    total[..., twice] += (values * given)[..., n - twice]
    return np.divide(total, weights, out=np.zeros_like(total), where=weights > 0), weights


def _minimum_norm(values: NDArray, weights: NDArray, along: float, across: float, angle: NDArray, orders: NDArray) -> NDArray[np.float64]:
    """Solution of least norm of one pair, where the valid angles do not determine all orders."""
    design = np.polynomial.legendre.legvander(along + across * np.cos(angle), orders[-1])[:, orders] / (4 * np.pi)
    root = np.sqrt(weights)
    return np.linalg.lstsq(root[:, None] * design, root * values, rcond=1e-12)[0]


def _masked(
    values: NDArray[np.float64],
    given: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    step: int,
    order: int,
    workers: int,
) -> NDArray[np.float64]:
    """B_l (orders, pairs) of C and weights (pairs, n_delta), 0 where an angle is invalid; `first`, `second` the Ewald cosines of both q."""
    n_delta = values.shape[-1]
    orders = np.arange(0, order + 1, step)
    angle = 2 * np.pi * np.arange(n_delta // 2 + 1) / n_delta
    along, across = first * second, np.sqrt((1 - first**2) * (1 - second**2))
    folded, weights = _folded(values, given)

    def solve(span: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        part = slice(*span)
        return _solve_masked(folded[part], weights[part], along[part], across[part], angle, step, len(orders))

    solutions = over(solve, pieces(len(values), workers), workers)
    solution, pivots = (np.concatenate(parts) for parts in zip(*solutions, strict=True))
    for pair in np.flatnonzero(~(pivots > _SMALLEST_PIVOT)):
        solution[pair] = _minimum_norm(folded[pair], weights[pair], along[pair], across[pair], angle, orders)
    return solution.T


def least_squares(
    blocks: Blocks,
    n_delta: int,
    step: int,
    order: int,
    cosine: NDArray[np.float64],
    nyquist: str = "exact",
    workers: int = 1,
    weigh: Weigh | None = None,
) -> NDArray[np.float64]:
    """B_l (orders, N, N), l = 0, step .. <= order. Where too few angles are valid, the solution of least norm.

    `weigh` gives the weight of every value (see `fluctuation.pair_counts`). Raises `DataError` where a pair has no valid angle.
    """
    n_q = len(cosine)
    matrix = cosine_analysis(n_delta, np.arange(order + 1), nyquist)
    parts = np.empty((order + 1, n_q, n_q))
    repaired: list[tuple[NDArray, NDArray, NDArray]] = []
    for rows, values, valid in blocks:
        parts[:, rows] = components_of(values, matrix)
        i, j, weights = unequal_weights(rows, values.shape, valid, weigh)
        if len(i):
            q1 = rows.start + i
            repaired.append((q1, j, _masked(values[i, j], weights, cosine[q1], cosine[j], step, order, workers)))
    result = _complete(parts, n_delta, step, cosine, nyquist, workers)
    for i, j, solution in repaired:
        result[:, i, j] = solution
    return result
