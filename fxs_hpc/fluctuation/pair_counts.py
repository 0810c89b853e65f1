"""Weights of correlations that were measured as numbers of pairs of photons.

Where photons are few, C(q1, q2, Delta) counts pairs that come together by chance: a Poisson number, whose variance is C itself, mean
included. Least squares then weigh every angle by 1 / C. The C of the weights is that of a first, unweighted solution: weights made from the
noisy values themselves would favour those that came out too small. The weighted solution holds the wanted orders only: with every order
that the angles resolve any weights give the same, and what has less noise is the compromise between angles.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.correlation import circular_components
from fxs_hpc.fluctuation.preparation import Means, refuse_empty
from fxs_hpc.harmonics.legendre import legendre_table

Weigh = Callable[[slice], NDArray[np.float64]]
"""Weights (rows, N, n_delta) of the values of a slice of q1."""
_SMALLEST_SHARE = 0.01
"""Smallest variance in units of the mean over Delta."""


def _weights(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / C relative to the mean of C over Delta; 1 where that mean is not positive."""
    mean = expected.mean(axis=-1, keepdims=True)
    relative = np.divide(expected, mean, out=np.ones_like(expected), where=mean > 0)
    return 1 / np.maximum(relative, _SMALLEST_SHARE)


def _with_mean(expected: NDArray[np.float64], rows: slice, means: Means | None) -> NDArray[np.float64]:
    if means is None:
        return expected
    left, right = (means, means) if isinstance(means, np.ndarray) else means
    return expected + np.multiply.outer(left[rows], right)[..., None]


def weights_in_space(invariants: NDArray[np.float64], cosine: NDArray[np.float64], n_delta: int, means: Means | None = None) -> Weigh:
    """Weights from even B_l (L+1, N, N) of objects in space; `means` is what was subtracted from C; cosine: `correlation.ewald_cosine`."""
    table = legendre_table(len(invariants) - 1, cosine)
    waves = 2 * np.cos(2 * np.pi / n_delta * np.outer(np.arange(len(invariants)), np.arange(n_delta)))
    waves[0] = 1

    def weigh(rows: slice) -> NDArray[np.float64]:
        parts = circular_components(invariants, table, rows)
        return _weights(_with_mean(np.tensordot(parts, waves, axes=(0, 0)), rows, means))

    return weigh


def weights_in_plane(components: NDArray[np.complex128], n_delta: int, means: Means | None = None) -> Weigh:
    """Weights from the Fourier series C_n (L+1, N, N) of the correlation; `means` is what was subtracted from C."""

    def weigh(rows: slice) -> NDArray[np.float64]:
        series = np.fft.irfft(np.moveaxis(components[:, rows], 0, -1), n_delta, axis=-1, norm="forward")
        return _weights(_with_mean(series, rows, means))

    return weigh


def unequal_weights(
    rows: slice, shape: tuple[int, ...], valid: NDArray[np.bool_] | None, weigh: Weigh | None
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Pairs (i, j) of a block whose angles do not all weigh the same, and their weights (pairs, n_delta), 0 where invalid.

    Raises `DataError` where a pair has no valid angle.
    """
    if valid is not None:
        refuse_empty(valid.max(axis=-1), rows.start)
    if weigh is None:
        if valid is None:
            return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros((0, shape[-1]))
        i, j = np.nonzero(~valid.all(axis=-1))
        return i, j, valid[i, j].astype(np.float64)
    weights = weigh(rows) if valid is None else weigh(rows) * valid
    i, j = np.indices(shape[:-1]).reshape(2, -1)
    return i, j, weights[i, j]
