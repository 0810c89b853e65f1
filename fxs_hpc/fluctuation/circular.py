"""Circular components C_n(q1, q2) of a prepared correlation: its Fourier series in Delta, C = C_0 + 2 sum C_n cos(n Delta)."""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from fxs_hpc.fluctuation.preparation import interpolated

Blocks = Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_] | None]]


def cosine_analysis(n_delta: int, orders: NDArray[np.int64], nyquist: str = "exact") -> NDArray[np.float64]:
    """Matrix (n_delta, orders) of C_n = mean over Delta of C cos(n Delta).

    On the grid +n and -n coincide at n = n_delta / 2 and share the sum; `nyquist='reference'` leaves it so.
    """
    matrix = np.cos(2 * np.pi / n_delta * (np.outer(np.arange(n_delta), orders) % n_delta)) / n_delta
    if nyquist == "exact":
        matrix[:, 2 * orders == n_delta] /= 2
    return matrix


def components_of(values: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """C_n (orders, rows, N) of complete C (rows, N, n_delta); `matrix` of `cosine_analysis`, its first order 0."""
    n_delta, n_orders = matrix.shape
    flat = values.reshape(-1, n_delta)
    # A large mean would drown the small components in rounding.
    mean = flat.mean(axis=1)
    parts = np.matmul(matrix.T, (flat - mean[:, None]).T)
    parts[0] += mean
    return parts.reshape(n_orders, *values.shape[:2])


def components(blocks: Blocks, n_q: int, n_delta: int, orders: NDArray[np.int64], nyquist: str = "exact") -> NDArray[np.float64]:
    """Circular components C_n (orders, N, N) of prepared blocks, orders[0] = 0; masked angles are interpolated."""
    matrix = cosine_analysis(n_delta, orders, nyquist)
    result = np.empty((len(orders), n_q, n_q))
    for rows, values, valid in blocks:
        result[:, rows] = components_of(interpolated(values, valid, rows.start), matrix)
    return result


def fourier_components(blocks: Blocks, n_q: int, n_delta: int, orders: NDArray[np.int64]) -> NDArray[np.complex128]:
    """C_n = mean over Delta of C e^(-i n Delta), (orders, N, N) complex, of prepared blocks; masked angles are interpolated."""
    result = np.empty((len(orders), n_q, n_q), np.complex128)
    for rows, values, valid in blocks:
        result[:, rows] = fourier_components_of(interpolated(values, valid, rows.start), orders)
    return result


def fourier_components_of(values: NDArray[np.float64], orders: NDArray[np.int64]) -> NDArray[np.complex128]:
    """C_n (orders, rows, N) of complete C (rows, N, n_delta)."""
    # A large mean would drown the small components in rounding.
    mean = values.mean(axis=-1, keepdims=True)
    spectrum = scipy.fft.rfft(values - mean, axis=-1, norm="forward")
    spectrum[..., 0] += mean[..., 0]
    return np.moveaxis(spectrum[..., orders], -1, 0)
