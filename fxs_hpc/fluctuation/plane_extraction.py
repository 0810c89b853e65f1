"""Rotational invariants B_n(q1, q2) = I_n(q1) I_n(q2)^* of objects that turn in the plane, from their correlations.

A correlation is the Fourier series of its invariants, C(q1, q2, Delta) = sum_n B_n e^(i n Delta) with B_-n = B_n^*. That is how simulated
correlations are stored; those of patterns, <I(q1, phi) I(q2, phi + Delta)>, are the complex conjugate: see `invariants_from`.
"""

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation.circular import Blocks, fourier_components, fourier_components_of
from fxs_hpc.fluctuation.extraction import nearest_psd
from fxs_hpc.fluctuation.pair_counts import Weigh, unequal_weights
from fxs_hpc.parallel.threads import over

METHODS = ("back_substitution", "back_substitution_psd", "back_substitution_qqsym", "back_substitution_memory_hungry", "lstsq")
_SMALLEST_PIVOT = 1e-12


def limited_order(max_order: int, n_delta: int, assume_zero_odd_orders: bool = True) -> int:
    """`max_order`, but not more than the angles resolve: of order n_delta / 2 they give the real part only."""
    highest = n_delta // 2
    odd_and_zero = assume_zero_odd_orders and highest % 2 == 1
    if 2 * highest == n_delta and not odd_and_zero:
        highest -= 1
    return min(max_order, highest)


def solved_order(max_order: int, n_delta: int, step: int) -> int:
    """Highest order that least squares include, so that orders above `max_order` do not leak into those wanted.

    With even orders alone every angle is measured twice, and all that the angles resolve are included; otherwise half of them.
    """
    highest = (n_delta - 1) // 2
    return max(max_order, highest if step == 2 else highest // 2)


def least_squares(
    blocks: Blocks, n_q: int, n_delta: int, orders: NDArray[np.int64], workers: int = 1, weigh: Weigh | None = None
) -> NDArray[np.complex128]:
    """B_n (orders, N, N) with |sum_n B_n e^(i n Delta) - C(Delta)| minimal over the valid angles of every pair; orders[0] = 0.

    Where the valid angles do not determine all orders, the solution of least norm. `weigh` gives the weight of every value (see
    `fluctuation.pair_counts`). Raises `DataError` where a pair has no valid angle.
    """
    result = np.empty((len(orders), n_q, n_q), np.complex128)
    for rows, values, valid in blocks:
        result[:, rows] = fourier_components_of(values, orders)
        i, j, weights = unequal_weights(rows, values.shape, valid, weigh)
        if len(i):
            result[:, rows.start + i, j] = weighted_series(values[i, j], weights, orders, workers)
    return result


def weighted_series(
    values: NDArray[np.float64], weights: NDArray[np.float64], orders: NDArray[np.int64], workers: int = 1
) -> NDArray[np.complex128]:
    """Fourier series (orders, pairs) of least weighted squares of C (pairs, n_delta), weights (pairs, n_delta); orders[0] = 0.

    The normal matrix has elements w_(n - m), the Fourier series of the weights.
    """
    n_delta = values.shape[-1]
    signed = np.concatenate([-orders[:0:-1], orders])
    difference = np.subtract.outer(signed, signed) % n_delta
    spectrum = np.fft.fft(weights, norm="forward")
    right = np.fft.fft(weights * values, norm="forward")[:, signed % n_delta]

    def solve(pair: int) -> NDArray[np.complex128]:
        return _solve(spectrum[pair][difference], right[pair])[len(orders) - 1 :]

    return np.stack(over(solve, range(len(values)), workers), axis=1)


def _solve(matrix: NDArray[np.complex128], right: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Solution of a positive semidefinite system; that of least norm where it is singular."""
    try:
        factor = scipy.linalg.cho_factor(matrix)
    except scipy.linalg.LinAlgError:
        return _minimum_norm(matrix, right)
    pivots = np.abs(np.diagonal(factor[0])) ** 2
    if pivots.min() < _SMALLEST_PIVOT * pivots.max():
        return _minimum_norm(matrix, right)
    return np.asarray(scipy.linalg.cho_solve(factor, right), np.complex128)


def _minimum_norm(matrix: NDArray[np.complex128], right: NDArray[np.complex128]) -> NDArray[np.complex128]:
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=1e-10)[0], np.complex128)


def invariants_from(
    blocks: Blocks,
    method: str,
    max_order: int,
    n_q: int,
    n_delta: int,
    assume_zero_odd_orders: bool = True,
    of_patterns: bool = False,
    workers: int = 1,
    weigh: Weigh | None = None,
) -> NDArray[np.complex128]:
    """B_n (max_order + 1, N, N) of the prepared correlation.

    Parameters
    ----------
    blocks : of `preparation.prepared_blocks`.
    method : one of `METHODS`. 'lstsq' leaves masked angles out, the others interpolate them; '.._psd' takes the nearest positive
        semidefinite matrices, '.._qqsym' the Hermitian parts.
    n_q, n_delta : numbers of radial points and angles.
    assume_zero_odd_orders : odd orders are left at zero.
    of_patterns : C is <I(q1, phi) I(q2, phi + Delta)>, whose components are I_n(q1)^* I_n(q2).
    weigh : weights of the values of C, for 'lstsq'.
    """
    if method not in METHODS:
        raise SettingsError(f"bl_extraction_method {method!r} does not exist in the plane; use one of {', '.join(METHODS)}")
    step = 2 if assume_zero_odd_orders else 1
    result = np.zeros((max_order + 1, n_q, n_q), np.complex128)
    kept = max_order // step + 1
    if method == "lstsq":
        # With every order that the angles resolve there is one solution, whatever the weights.
        highest = solved_order(max_order, n_delta, step) if weigh is None else max_order
        orders = np.arange(0, highest + 1, step)
        result[::step] = least_squares(blocks, n_q, n_delta, orders, workers, weigh)[:kept]
    else:
        result[::step] = fourier_components(blocks, n_q, n_delta, np.arange(0, max_order + 1, step))
    if method == "back_substitution_psd":
        result[:] = over(nearest_psd, result, workers)
    if method == "back_substitution_qqsym":
        result[:] = (result + result.conj().transpose(0, 2, 1)) / 2
    return np.conjugate(result, out=result) if of_patterns else result
