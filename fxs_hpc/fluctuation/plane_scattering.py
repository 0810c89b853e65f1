"""From a real density in the plane to the circular harmonics of its intensity |F|^2, their invariants and correlations."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import RadialGrid
from fxs_hpc.harmonics.hankel import hankel_matrices, plane_phase

_BLOCK_ROWS = 32


def intensity_harmonics(
    density: NDArray[np.floating], radial: RadialGrid, circular: CircularTransform, convention: str = "exact", workers: int = 1
) -> NDArray[np.complex128]:
    """Harmonics I_n (L+1, N), n = 0..L, of |F|^2 of a real density (N, n_phi).

    Free of aliasing where the circle is `CircleGrid.alias_free(L, L)`. With an even number of angles odd orders are zero: F(-q) = F(q)^*.
    `convention` as in `hankel_matrices`.
    """
    matrices = hankel_matrices(radial, circular.l_max, "forward", convention, workers)
    half = np.matmul(circular.analyse(np.asarray(density, np.float64).T)[:, None, :], matrices)[:, 0]
    # The density is real: the orders -L .. -1 are the conjugates of L .. 1.
    coef = np.concatenate([half, half[:0:-1].conj()]) * plane_phase(circular.orders(), radial.kind, convention)[:, None]
    harmonics = circular.analyse(np.abs(circular.synthesise_complex(coef)) ** 2)
    if circular.grid.n_phi % 2 == 0:
        harmonics[1::2] = 0
    return np.asarray(harmonics, np.complex128)


def invariants_of(harmonics: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """B_n(q1, q2) = I_n(q1) conj(I_n(q2)), (L+1, N, N), of harmonics (L+1, N); B_0 = <I><I>."""
    return harmonics[:, :, None] * harmonics[:, None, :].conj()


def correlation_angles(max_order: int) -> NDArray[np.float64]:
    """Angles of a simulated correlation, as few as resolve order L on both sides of the Nyquist order and are divisible by 4."""
    count = 4 * (max_order // 2 + 1)
    return 2 * np.pi * np.arange(count) / count


def correlation_blocks(invariants: NDArray[np.complex128], n_delta: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """C(q1, q2, Delta) = sum over n = -L..L of B_n e^{i n Delta} = <I(q1, phi + Delta) I(q2, phi)>, block by block of q1.

    The transform is that of numpy's irfft: an order at n_delta / 2, as in files of the reference program (2L angles), counts once.

    Yields
    ------
    (slice of q1, C (rows, N, n_delta) float64)
    """
    n_q = invariants.shape[1]
    for start in range(0, n_q, _BLOCK_ROWS):
        rows = slice(start, min(start + _BLOCK_ROWS, n_q))
        yield rows, np.fft.irfft(np.moveaxis(invariants[:, rows], 0, -1), n_delta, norm="forward")
