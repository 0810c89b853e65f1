"""Ensemble-averaged angular cross-correlations C(q1, q2, Delta) from rotational invariants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.legendre import legendre_table
from fxs_hpc.parallel.threads import over, pieces

METHODS = ("back_substitution", "lstsq", "legendre")
_BLOCK_ROWS = 8


@dataclass(frozen=True)
class CrossCorrelation:
    """Cross-correlations and what is needed to read them.

    Parameters
    ----------
    dimensions : of the object, 3 or 2; None where the correlation does not say (patterns, which serve both).
    q : (N,) radial points in 1/A. delta : (n_delta,) angles in rad, uniform on [0, 2 pi). wavelength : in A.
    average_intensity : (N,) <I>(q).
    correlation : {'I1I1': (N, N, n_delta)}, arrays or open HDF5 datasets. The mean <I><I> is included. 'I2I1' and 'I2I2' are those of
        I^2 at q1, and at both.
    invariants : B_l of a simulation, (L+1, N, N), or None.
    n_particles : mean number of particles per pattern, 0 if unknown.
    measured : made of patterns, by C = <I(q1, phi) I(q2, phi + Delta)>. Simulations have Delta the other way round,
        <I(q1, phi + Delta) I(q2, phi)>, in the reference program and here. In 3D C is even in Delta; in 2D the components of one are the
        complex conjugates of those of the other.
    average_squared_intensity : (N,) <I^2>(q), or None.
    """

    dimensions: int | None
    q: NDArray[np.float64]
    delta: NDArray[np.float64]
    wavelength: float
    average_intensity: NDArray[np.float64]
    correlation: Mapping[str, NDArray] = field(default_factory=dict)
    invariants: NDArray | None = None
    n_particles: float = 0
    measured: bool = False
    average_squared_intensity: NDArray[np.float64] | None = None


def ewald_cosine(q: NDArray[np.float64], wavelength: float) -> NDArray[np.float64]:
    """cos(theta) = q lambda / 4 pi of the points on the Ewald sphere, theta their polar angle seen from the origin."""
    cosine = np.asarray(q) * wavelength / (4 * np.pi)
    if np.any(cosine > 1):
        raise SettingsError(
            f"q = {np.max(q):.6g} 1/A is out of reach at wavelength {wavelength:.6g} A; q must not exceed "
            f"4 pi / wavelength = {4 * np.pi / wavelength:.6g} 1/A"
        )
    return cosine


def correlation_angles(max_order: int) -> NDArray[np.float64]:
    """Delta_j = pi j / L, j = 0..2L-1: the 2L angles on which a simulated correlation is stored."""
    return np.pi * np.arange(2 * max_order) / max_order


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _sum_components(
    components: np.ndarray, invariants: np.ndarray, first: int, table: np.ndarray, n_first: int, n_stop: int
) -> None:
    """C_n(q1, q2) = sum over even l of B_l Pbar_l^n(q1) Pbar_l^n(q2) / (2l+1) for q1 = first .., n_first <= n < n_stop."""
    n_orders, rows, n_q = components.shape
    for n in range(n_first, n_stop):
        for order in range(n + n % 2, n_orders, 2):
            for i in range(rows):
                factor = table[n, order, first + i] / (2 * order + 1)
                for j in range(n_q):
                    components[n, i, j] += factor * invariants[order, first + i, j] * table[n, order, j]


def circular_components(
    invariants: NDArray[np.float64], table: NDArray[np.float64], rows: slice = slice(None), workers: int = 1
) -> NDArray[np.float64]:
    """Fourier components C_n, n = 0..L, of the correlation of even invariants: (L+1, rows, N).

    `table` is `legendre_table(L, ewald_cosine(q, wavelength))`; odd orders of `invariants` are ignored (they vanish).
    """
    first, stop, _ = rows.indices(invariants.shape[1])
    components = np.zeros((len(invariants), stop - first, invariants.shape[1]))
    spans = pieces(len(invariants), workers)
    over(lambda span: _sum_components(components, invariants, first, table, *span), spans, workers)
    return components


def cosine_synthesis(max_order: int, nyquist: str = "exact") -> NDArray[np.float64]:
    """Matrix (L+1, 2L) of C(Delta_j) = C_0 + 2 sum_n C_n cos(n Delta_j).

    `nyquist='reference'` counts the order n = L once, as the reference program does, instead of twice.
    """
    matrix = 2 * np.cos(np.outer(np.arange(max_order + 1), correlation_angles(max_order)))
    matrix[0] = 1
    if nyquist == "reference":
        matrix[max_order] /= 2
    return matrix


@numba.njit(nogil=True, cache=True)
def _direct_sum(
    out: np.ndarray, invariants: np.ndarray, first: int, cosine: np.ndarray, delta: np.ndarray, start: int, stop: int
) -> None:
    """sum_l B_l P_l(cos t1 cos t2 + sin t1 sin t2 cos Delta) / 4 pi over even l."""
    n_orders, _, n_q = invariants.shape
    for task in range(start, stop):
        i, j = task // n_q, task % n_q
        c1, c2 = cosine[first + i], cosine[j]
        sines = np.sqrt((1 - c1 * c1) * (1 - c2 * c2))
        for d in range(delta.size):
            x = c1 * c2 + sines * np.cos(delta[d])
            previous, current, total = 0.0, 1.0, 0.0
            for order in range(n_orders):
                if order % 2 == 0:
                    total += invariants[order, first + i, j] * current
                previous, current = current, ((2 * order + 1) * x * current - order * previous) / (order + 1)
            out[i, j, d] = total / (4 * np.pi)


def _direct_block(
    invariants: NDArray[np.float64], rows: slice, cosine: NDArray[np.float64], delta: NDArray[np.float64], workers: int
) -> NDArray[np.float64]:
    n_q = invariants.shape[1]
    out = np.empty((rows.stop - rows.start, n_q, len(delta)))
    spans = pieces(len(out) * n_q, workers)
    over(lambda span: _direct_sum(out, invariants, rows.start, cosine, delta, *span), spans, workers)
    return out


def _mirrored(half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values on Delta = 0..pi continued to 2 pi by C(-Delta) = C(Delta)."""
    return np.concatenate([half, half[..., -2:0:-1]], axis=-1)


def correlation_blocks(
    invariants: NDArray[np.float64],
    q: NDArray[np.float64],
    wavelength: float,
    method: str = "back_substitution",
    nyquist: str = "exact",
    block_rows: int = _BLOCK_ROWS,
    workers: int = 1,
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The correlation of even invariants B_l, block by block of q1.

    Parameters
    ----------
    invariants : (L+1, N, N); q : (N,) 1/A; wavelength : A.
    method : 'back_substitution' sums the circular components C_n, 'lstsq' sums P_l(cos gamma) directly (the same function;
        slower), 'legendre' sums P_l(cos Delta), the flat Ewald sphere.
    nyquist : see `cosine_synthesis`; only for 'back_substitution'.

    Yields
    ------
    (slice of q1, C (rows, N, 2L) float64)
    """
    n_orders, n_q, _ = invariants.shape
    if method not in METHODS:
        raise SettingsError(f"cross_correlation.method {method!r} is unknown; use one of {', '.join(METHODS)}")
    cosine = ewald_cosine(q, wavelength)
    half = correlation_angles(n_orders - 1)[:n_orders]
    synthesis = cosine_synthesis(n_orders - 1, nyquist)
    table = legendre_table(n_orders - 1, cosine if method == "back_substitution" else cosine[:0])
    flat = np.polynomial.legendre.legvander(np.cos(half), n_orders - 1) / (4 * np.pi)
    for start in range(0, n_q, block_rows):
        rows = slice(start, min(start + block_rows, n_q))
        if method == "back_substitution":
            components = circular_components(invariants, table, rows, workers)
            yield rows, (components.reshape(n_orders, -1).T @ synthesis).reshape(-1, n_q, 2 * n_orders - 2)
        elif method == "lstsq":
            yield rows, _mirrored(_direct_block(invariants, rows, cosine, half, workers))
        else:
            even = invariants[::2, rows].reshape(len(invariants[::2]), -1)
            yield rows, _mirrored((even.T @ flat[:, ::2].T).reshape(-1, n_q, n_orders))
