"""Rotational invariants B_l(q1, q2) from cross-correlations C(q1, q2, Delta): the three solvers and their variants.

C is taken as even in Delta, which it is for the mean over random orientations; so every B_l is real.
"""

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.fxs.preparation import interpolated, refuse_empty
from fxs_hpc.harmonics.legendre import legendre_table

Blocks = Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_] | None]]
# Orders above the wanted ones are solved for as long as sin^l(theta_1) sin^l(theta_2) stays above this.
_SMALLEST_PIVOT = 0.1
METHODS = (
    "back_substitution",
    "back_substitution_psd",
    "back_substitution_qqsym",
    "back_substitution_memory_hungry",
    "lstsq",
    "legendre",
)


def solved_order(max_order: int, n_delta: int, cosine: NDArray[np.float64]) -> int:
    """Highest order that the solvers include, so that orders above `max_order` do not leak into those wanted.

    All that the angles resolve (n_delta / 2), as long as the diagonal sin^{2l}(theta) does not amplify noise by more than 10.
    """
    highest = n_delta // 2
    sine_squared = 1 - np.max(cosine) ** 2
    if sine_squared < 1:
        highest = min(highest, int(np.log(_SMALLEST_PIVOT) / np.log(sine_squared)) if sine_squared > 0 else 0)
    return max(max_order, highest)


def limited_order(max_order: int, n_delta: int) -> int:
    """`max_order`, but not more than n_delta / 2, the highest order that the angles resolve."""
    return min(max_order, n_delta // 2)


def cosine_analysis(n_delta: int, orders: NDArray[np.int64], nyquist: str = "exact") -> NDArray[np.float64]:
    """Matrix (n_delta, orders) of C_n = mean over Delta of C cos(n Delta).

    On the grid +n and -n coincide at n = n_delta / 2 and share the sum; `nyquist='reference'` leaves it so.
    """
    matrix = np.cos(2 * np.pi / n_delta * (np.outer(np.arange(n_delta), orders) % n_delta)) / n_delta
    if nyquist == "exact":
        matrix[:, 2 * orders == n_delta] /= 2
    return matrix


def components(
    blocks: Blocks, n_q: int, n_delta: int, orders: NDArray[np.int64], nyquist: str = "exact"
) -> NDArray[np.float64]:
    """Circular components C_n (orders, N, N) of prepared blocks, orders[0] = 0; masked angles are interpolated."""
    matrix = cosine_analysis(n_delta, orders, nyquist)
    result = np.empty((len(orders), n_q, n_q))
    for rows, values, valid in blocks:
        filled = interpolated(values, valid, rows.start).reshape(-1, n_delta)
        # A large mean would drown the small components in rounding.
        mean = filled.mean(axis=1)
        result[:, rows] = np.matmul(matrix.T, (filled - mean[:, None]).T).reshape(len(orders), -1, n_q)
        result[0, rows] += mean.reshape(-1, n_q)
    return result


@numba.njit(parallel=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _back_substitute(parts: np.ndarray, step: int, table: np.ndarray) -> None:
    """Turn C_n, n = 0, step, 2 step.., into B_l of the same orders, in place; table[n, l, q]."""
    n_orders, n_q, _ = parts.shape
    for i in numba.prange(n_q):
        for high in range(n_orders - 1, -1, -1):
            order = high * step
            for j in range(n_q):
                parts[high, i, j] *= (2 * order + 1) / (table[order, order, i] * table[order, order, j])
            for low in range(high):
                factor = table[low * step, order, i] / (2 * order + 1)
                for j in range(n_q):
                    parts[low, i, j] -= factor * table[low * step, order, j] * parts[high, i, j]


def nearest_psd(matrix: NDArray) -> NDArray:
    """Positive semidefinite matrix nearest to the Hermitian part of a square one (Frobenius norm)."""
    values, vectors = np.linalg.eigh((matrix + matrix.conj().T) / 2)
    if values[0] >= 0:
        return (matrix + matrix.conj().T) / 2
    return (vectors * values.clip(0)) @ vectors.conj().T


def _back_substitute_psd(parts: NDArray[np.float64], step: int, table: NDArray[np.float64]) -> None:
    """As `_back_substitute`, every C_n and every B_l replaced by the nearest positive semidefinite matrix."""
    for part in parts:
        part[:] = nearest_psd(part)
    for high in range(len(parts) - 1, -1, -1):
        order = high * step
        parts[high] = nearest_psd(parts[high] * (2 * order + 1) / np.outer(table[order, order], table[order, order]))
        for low in range(high):
            n = low * step
            parts[low] -= (table[n, order] / (2 * order + 1))[:, None] * table[n, order] * parts[high]


def back_substitution(
    parts: NDArray[np.float64], step: int, cosine: NDArray[np.float64], variant: str = "back_substitution"
) -> NDArray[np.float64]:
    """B_l of the orders of `parts` from C_n = sum_l B_l Pbar_l^n(q1) Pbar_l^n(q2) / (2l+1), highest order first.

    Parameters
    ----------
    parts : (orders, N, N), C_n of n = 0, step, 2 step ..; overwritten by the result.
    step : 2 if odd orders vanish, else 1. cosine : `ewald_cosine` of q.
    variant : '.._psd' keeps every C_n and B_l positive semidefinite, '.._qqsym' symmetrises C_n in q1, q2.
    """
    table = legendre_table((len(parts) - 1) * step, cosine)
    if variant == "back_substitution_qqsym":
        parts[:] = (parts + parts.transpose(0, 2, 1)) / 2
    if variant == "back_substitution_psd":
        _back_substitute_psd(parts, step, table)
    else:
        _back_substitute(parts, step, table)
    return parts


def legendre_projection(orders: NDArray[np.int64], max_order: int) -> NDArray[np.float64]:
    """Matrix (orders, n = 0..max_order) of B_l = 4 pi (2l+1)/2 int_0^pi P_l(cos D) C(D) sin D dD, C = C_0 + 2 sum C_n cos(nD).

    Gauss-Legendre quadrature with enough nodes to be exact: no order leaks into another, whatever the angles of the data.
    """
    nodes, weights = np.polynomial.legendre.leggauss(max_order + 1)
    basis = 2 * np.cos(np.outer(np.arange(max_order + 1), np.arccos(nodes)))
    basis[0] = 1
    polynomials = np.polynomial.legendre.legvander(nodes, max_order)[:, orders].T
    return 2 * np.pi * (2 * orders + 1)[:, None] * (polynomials * weights) @ basis.T


@numba.njit(cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _triangularise(columns: np.ndarray) -> None:
    """Householder QR of columns (n + 1, rows), the last one the right-hand side; leaves R above the diagonal."""
    n_columns, n_rows = columns.shape
    for k in range(n_columns - 1):
        pivot = columns[k]
        norm = 0.0
        for row in range(k, n_rows):
            norm += pivot[row] * pivot[row]
        alpha = -np.sqrt(norm) if pivot[k] > 0 else np.sqrt(norm)
        head = pivot[k] - alpha
        scale = -alpha * head  # half the squared length of the reflector
        if scale == 0:
            continue
        pivot[k] = head
        for other in range(k + 1, n_columns):
            column = columns[other]
            dot = 0.0
            for row in range(k, n_rows):
                dot += pivot[row] * column[row]
            dot /= scale
            for row in range(k, n_rows):
                column[row] -= dot * pivot[row]
        pivot[k] = alpha


@numba.njit(parallel=True, cache=True, error_model="numpy")
def _least_squares(
    values: np.ndarray, weights: np.ndarray, first: int, cosine: np.ndarray, angle: np.ndarray, step: int, n_orders: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares per pair; values, weights (rows, N, half) on the angles 0..pi. Also the worst pivot ratio."""
    n_rows, n_q, n_angles = values.shape
    result = np.zeros((n_orders, n_rows, n_q))
    pivots = np.zeros((n_rows, n_q))
    for task in numba.prange(n_rows * n_q):
        i, j = task // n_q, task % n_q
        columns = np.zeros((n_orders + 1, n_angles))
        along = cosine[first + i] * cosine[j]
        across = np.sqrt((1 - cosine[first + i] ** 2) * (1 - cosine[j] ** 2))
        for d in range(n_angles):
            root = np.sqrt(weights[i, j, d])
            columns[n_orders, d] = root * values[i, j, d]
            x, previous, current = along + across * np.cos(angle[d]), 0.0, root / (4 * np.pi)
            for order in range((n_orders - 1) * step + 1):
                if order % step == 0:
                    columns[order // step, d] = current
                previous, current = current, ((2 * order + 1) * x * current - order * previous) / (order + 1)
        _triangularise(columns)
        largest, smallest = 0.0, np.inf
        for k in range(n_orders - 1, -1, -1):
            total = columns[n_orders, k]
            for other in range(k + 1, n_orders):
                total -= columns[other, k] * result[other, i, j]
            result[k, i, j] = total / columns[k, k]
            largest, smallest = max(largest, abs(columns[k, k])), min(smallest, abs(columns[k, k]))
        pivots[i, j] = smallest / largest
    return result, pivots


def _folded(
    values: NDArray[np.float64], valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of C(Delta) and C(-Delta) on 0..pi and the number of valid points behind each value."""
    n = values.shape[-1]
    front = np.arange(n // 2 + 1)
    count = np.ones(values.shape) if valid is None else valid.astype(np.float64)
    weights, total = count[..., front], (values * count)[..., front]
    twice = front[(front > 0) & (2 * front != n)]
    weights[..., twice] += count[..., n - twice]
    total[..., twice] += (values * count)[..., n - twice]
    return total / np.maximum(weights, 1), weights


def _minimum_norm(
    values: NDArray, weights: NDArray, along: float, across: float, angle: NDArray, orders: NDArray
) -> NDArray[np.float64]:
    """Solution of least norm of one pair, where the valid angles do not determine all orders."""
    design = np.polynomial.legendre.legvander(along + across * np.cos(angle), orders[-1])[:, orders] / (4 * np.pi)
    root = np.sqrt(weights)
    return np.linalg.lstsq(root[:, None] * design, root * values, rcond=1e-12)[0]


def least_squares(
    blocks: Blocks, n_q: int, n_delta: int, step: int, order: int, cosine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """B_l, l = 0, step .. <= order, minimising |sum_l P_l(cos gamma) B_l / 4 pi - C(Delta)| over the valid angles per pair.

    cos gamma = cos t1 cos t2 + sin t1 sin t2 cos Delta. Where too few angles are valid, the solution of least norm.
    """
    orders = np.arange(0, order + 1, step)
    angle = 2 * np.pi * np.arange(n_delta // 2 + 1) / n_delta
    result = np.empty((len(orders), n_q, n_q))
    for rows, values, valid in blocks:
        folded, weights = _folded(values, valid)
        refuse_empty(weights.max(axis=-1) > 0, rows.start)
        solution, pivots = _least_squares(folded, weights, rows.start, cosine, angle, step, len(orders))
        for i, j in np.argwhere(~(pivots > 1e-13)):
            first, second = cosine[rows.start + i], cosine[j]
            along, across = first * second, np.sqrt((1 - first**2) * (1 - second**2))
            solution[:, i, j] = _minimum_norm(folded[i, j], weights[i, j], along, across, angle, orders)
        result[:, rows] = solution
    return result


def invariants_from(
    blocks: Blocks,
    method: str,
    max_order: int,
    n_delta: int,
    cosine: NDArray[np.float64],
    assume_zero_odd_orders: bool = True,
    nyquist: str = "exact",
) -> NDArray[np.float64]:
    """B_l (max_order + 1, N, N) of the prepared correlation.

    Parameters
    ----------
    blocks : of `preparation.prepared_blocks`.
    method : one of `METHODS`. 'legendre' is for a flat Ewald sphere (small angles).
    n_delta : number of angles. cosine : (N,) `correlation.ewald_cosine` of q.
    assume_zero_odd_orders : only even orders are solved for, odd ones are zero.
    """
    if method not in METHODS:
        raise SettingsError(f"bl_extraction_method {method!r} is unknown; use one of {', '.join(METHODS)}")
    n_q, step = len(cosine), 2 if assume_zero_odd_orders else 1
    order = solved_order(max_order, n_delta, cosine)
    result = np.zeros((max_order + 1, n_q, n_q))
    kept = max_order // step + 1
    if method == "lstsq":
        result[::step] = least_squares(blocks, n_q, n_delta, step, order, cosine)[:kept]
    elif method == "legendre":
        order = n_delta // 2
        parts = components(blocks, n_q, n_delta, np.arange(order + 1), nyquist)
        matrix = legendre_projection(np.arange(0, max_order + 1, step), order)
        result[::step] = np.tensordot(matrix, parts, axes=1)
    else:
        parts = components(blocks, n_q, n_delta, np.arange(0, order + 1, step), nyquist)
        result[::step] = back_substitution(parts, step, cosine, method)[:kept]
    return result
