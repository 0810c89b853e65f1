"""Rotational invariants B_l(q1, q2) from cross-correlations C(q1, q2, Delta): the three solvers and their variants.

C is taken as even in Delta, which it is for the mean over random orientations; so every B_l is real.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation.circular import Blocks, components
from fxs_hpc.fluctuation.least_squares import least_squares
from fxs_hpc.fluctuation.pair_counts import Weigh
from fxs_hpc.harmonics.legendre import legendre_table
from fxs_hpc.parallel.threads import over, pieces

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


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _back_substitute(parts: np.ndarray, step: int, table: np.ndarray, first: int, stop: int) -> None:
    """Turn C_n, n = 0, step, 2 step.., into B_l of the same orders, in place, for q1 = first .. stop - 1; table[n, l, q]."""
    n_orders, n_q, _ = parts.shape
    for i in range(first, stop):
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
    parts: NDArray[np.float64],
    step: int,
    cosine: NDArray[np.float64],
    variant: str = "back_substitution",
    workers: int = 1,
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
        over(lambda span: _back_substitute(parts, step, table, *span), pieces(parts.shape[1], workers), workers)
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


def invariants_from(
    blocks: Blocks,
    method: str,
    max_order: int,
    n_delta: int,
    cosine: NDArray[np.float64],
    assume_zero_odd_orders: bool = True,
    nyquist: str = "exact",
    workers: int = 1,
    weigh: Weigh | None = None,
) -> NDArray[np.float64]:
    """B_l (max_order + 1, N, N) of the prepared correlation.

    Parameters
    ----------
    blocks : of `preparation.prepared_blocks`.
    method : one of `METHODS`. 'legendre' is for a flat Ewald sphere (small angles).
    n_delta : number of angles. cosine : (N,) `correlation.ewald_cosine` of q.
    assume_zero_odd_orders : only even orders are solved for, odd ones are zero.
    weigh : weights of the values of C, for 'lstsq'.
    """
    if method not in METHODS:
        raise SettingsError(f"bl_extraction_method {method!r} is unknown; use one of {', '.join(METHODS)}")
    n_q, step = len(cosine), 2 if assume_zero_odd_orders else 1
    # With every order that the angles resolve there is one solution, whatever the weights.
    order = solved_order(max_order, n_delta, cosine) if weigh is None else max_order
    result = np.zeros((max_order + 1, n_q, n_q))
    kept = max_order // step + 1
    if method == "lstsq":
        result[::step] = least_squares(blocks, n_delta, step, order, cosine, nyquist, workers, weigh)[:kept]
    elif method == "legendre":
        order = n_delta // 2
        parts = components(blocks, n_q, n_delta, np.arange(order + 1), nyquist)
        matrix = legendre_projection(np.arange(0, max_order + 1, step), order)
        result[::step] = np.tensordot(matrix, parts, axes=1)
    else:
        parts = components(blocks, n_q, n_delta, np.arange(0, order + 1, step), nyquist)
        result[::step] = back_substitution(parts, step, cosine, method, workers)[:kept]
    return result
