"""Between full-sphere arrays as files hold them and the half-sphere layout of the phasing loop (see `engine.azimuth`)."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fxs_hpc.engine.fft import LANES

_ALIGNMENT = 64


def padded(n_radial: int) -> int:
    """Number of shells stored: `n_radial` rounded up to whole vectors."""
    return -(-n_radial // LANES) * LANES


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray:
    """Zeroed array that starts on a cache line: rows of `LANES` numbers then never straddle two of them."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + _ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def fold(field: NDArray, dtype: DTypeLike) -> NDArray:
    """Full sphere (N, n_theta, n_phi) -> (2, n_theta/2, n_phi, padded N): values on the northern half, and at its antipodes."""
    n_radial, n_theta, n_phi = field.shape
    half = n_theta // 2
    folded = zeros((2, half, n_phi, padded(n_radial)), dtype)
    folded[0, ..., :n_radial] = np.moveaxis(field[:, :half], 0, -1)
    folded[1, ..., :n_radial] = np.moveaxis(np.roll(field[:, : half - 1 : -1], n_phi // 2, axis=2), 0, -1)
    return folded


def unfold(folded: NDArray, n_radial: int) -> NDArray:
    """Inverse of `fold`: (2, n_theta/2, n_phi, padded N) -> (N, n_theta, n_phi)."""
    _, half, n_phi, _ = folded.shape
    field = np.empty((n_radial, 2 * half, n_phi), dtype=folded.dtype)
    field[:, :half] = np.moveaxis(folded[0, ..., :n_radial], -1, 0)
    field[:, half:] = np.roll(np.moveaxis(folded[1, ..., :n_radial], -1, 0), -(n_phi // 2), axis=2)[:, ::-1]
    return field


def unfold_parity(even_odd: NDArray, n_radial: int) -> NDArray:
    """(2, n_theta/2, n_phi, padded N) even and odd part -> (N, n_theta, n_phi) real A and B as A + iB."""
    even, odd = even_odd
    real = unfold(np.stack([even, even]), n_radial)
    imaginary = unfold(np.stack([odd, -odd]), n_radial)
    return real + 1j * imaginary
