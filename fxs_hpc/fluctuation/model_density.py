"""The density of an object on a spherical grid, as sharp as its Fourier amplitudes reach."""

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from fxs_hpc.fluctuation.fourier_volume import FourierVolume
from fxs_hpc.fluctuation.shapes import spherical_points

_BLOCK = 65536


def sampled(
    volume: FourierVolume, r: NDArray[np.float64], theta: NDArray[np.float64], phi: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Density (N, n_theta, n_phi) at points of a spherical grid (A, rad): rho = (2 pi)^(-3/2) int_(|q| <= q_max) F e^{iq.r} d^3q."""
    half = int(np.floor(volume.q_max / volume.step))
    axis = volume.step * np.arange(-half, half + 1, dtype=np.float64)
    q = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = (q**2).sum(axis=1) <= volume.q_max**2
    amplitudes = np.zeros(len(q), np.complex128)
    amplitudes[inside] = volume.amplitude(q[inside])
    size = len(axis)
    # Twice as fine as the sampling theorem asks for, so that a cubic spline between the points does.
    padded = np.zeros((2 * size + 1,) * 3, np.complex128)
    low = size - half
    padded[low : low + size, low : low + size, low : low + size] = amplitudes.reshape((size,) * 3)
    n = len(padded)
    density = scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(padded), norm="forward")).real
    density *= (2 * np.pi) ** -1.5 * volume.step**3
    spacing = 2 * np.pi / (n * volume.step)
    points = spherical_points(r[:, None, None], theta[:, None], phi).reshape(-1, 3).T / spacing + n // 2
    values = scipy.ndimage.map_coordinates(density, points, order=3, mode="constant")
    return np.asarray(values.reshape(len(r), len(theta), len(phi)), np.float64)
