"""The Fourier amplitude of an object anywhere in a ball of reciprocal space, by interpolation on a Cartesian grid.

The grid is that of a box 2.5 times as wide as the object. Its values are prepared so that a sum with a Kaiser-Bessel window of six points
an axis gives the amplitude to 2e-5 of its size nearby, 1e-4 next to the largest q [Fessler and Sutton 2003; Beatty, Nishimura, Pauly
2005]: the object is divided by the Fourier transform of the window, which decays towards the rim of the box.
"""

from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np
import scipy.fft
import scipy.special
from numpy.typing import NDArray

WIDTH = 6
"""Points of the window along each axis."""
_OVERSAMPLING = 1.6
_MARGIN = 1.6
"""The object is cut off softly between its radius and this multiple of it, so that what lies beyond the grid stays there."""
_RIM = 24
"""Grid cells beyond the largest q."""
_STEPS = 2048
_BETA = np.pi * np.sqrt((WIDTH / _OVERSAMPLING) ** 2 * (_OVERSAMPLING - 0.5) ** 2 - 0.8)


class Scatterer(Protocol):
    """An object whose amplitude can be computed on a grid."""

    @property
    def radius(self) -> float:
        """Radius in A of the ball about the origin that holds it."""
        ...

    def amplitude_planes(self, x: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.complex128]:
        """(2 pi)^(-3/2) int rho e^{-iq.r} d^3r at (len(x), n, n) points q = (x, axis, axis) in 1/A."""
        ...


@dataclass(frozen=True)
class FourierVolume:
    """Amplitudes of an object, prepared for interpolation.

    Parameters
    ----------
    values : (n, n, n) c8, centre at n // 2. step : grid spacing in 1/A. q_max : largest |q| in 1/A that may be asked for.
    radius : of the object, in A.
    """

    values: NDArray[np.complex64]
    step: float
    q_max: float
    radius: float

    def amplitude(self, q: NDArray[np.float64], rotation: NDArray[np.float64] | None = None) -> NDArray[np.complex64]:
        """Amplitude c8 (m,) at wave vectors (m, 3) in 1/A of the object turned by `rotation`: F(R^T q)."""
        out = np.empty(len(q), np.complex64)
        turn = np.eye(3) if rotation is None else np.asarray(rotation, np.float64)
        _interpolate(out, self.values, np.ascontiguousarray(q, np.float64), turn / self.step, _window_table())
        return out


def grid_size(radius: float, q_max: float) -> tuple[int, float]:
    """Points along an axis (odd) and their spacing in 1/A for an object of `radius` in A."""
    step = np.pi / (_MARGIN * _OVERSAMPLING * radius)
    return 2 * (int(np.ceil(q_max / step)) + _RIM) + 1, step


def fourier_volume(scatterer: Scatterer, q_max: float) -> FourierVolume:
    """Prepare the amplitudes of `scatterer` up to `q_max` in 1/A."""
    n, step = grid_size(scatterer.radius, q_max)
    half, axis = n // 2, step * (np.arange(n, dtype=np.float64) - n // 2)
    values = np.empty((n, n, n), np.complex128)
    for plane in range(half, n):
        values[plane] = scatterer.amplitude_planes(axis[plane : plane + 1], axis)[0]
    # The density is real: F(-q) = F(q)^*.
    values[:half] = values[: half : -1, ::-1, ::-1].conj()
    density = scipy.fft.fftshift(scipy.fft.ifftn(scipy.fft.ifftshift(values), overwrite_x=True))
    x = (np.arange(n, dtype=np.float64) - half) * (2 * np.pi / n)
    for position, window in enumerate(_window_transform(x)):
        density[position] /= window
    density /= _window_transform(x)[:, None]
    density /= _window_transform(x)
    distance = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2) / (scatterer.radius * step)
    density *= _taper((distance - 1) / (_MARGIN - 1))
    values = scipy.fft.fftshift(scipy.fft.fftn(scipy.fft.ifftshift(density), overwrite_x=True))
    return FourierVolume(values.astype(np.complex64), float(step), float(q_max), float(scatterer.radius))


def _taper(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smooth step from 1 at x <= 0 to 0 at x >= 1, with all derivatives."""
    inside = np.clip(x, 1e-6, 1 - 1e-6)
    falling, rising = np.exp(-1 / (1 - inside)), np.exp(-1 / inside)
    return np.where(x <= 0, 1.0, np.where(x >= 1, 0.0, falling / (falling + rising)))


def _window(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kaiser-Bessel window at distances u in grid cells."""
    inside = np.clip(1 - (2 * u / WIDTH) ** 2, 0, None)
    return np.where(np.abs(u) <= WIDTH / 2, scipy.special.i0(_BETA * np.sqrt(inside)) / scipy.special.i0(_BETA), 0.0)


def _window_transform(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """int window(u) e^{-i u x} du = W sinh(s) / (I0(beta) s), s = sqrt(beta^2 - (W x / 2)^2)."""
    s = np.sqrt((_BETA**2 - (WIDTH * x / 2) ** 2).astype(np.complex128))
    return np.asarray((WIDTH / scipy.special.i0(_BETA) * np.sinh(s) / s).real, np.float64)


def _window_table() -> NDArray[np.float32]:
    """The window at WIDTH points for each of _STEPS + 1 offsets of the nearest lower grid point: (_STEPS + 1, WIDTH)."""
    offset = np.arange(_STEPS + 1)[:, None] / _STEPS
    return _window(offset + WIDTH // 2 - 1 - np.arange(WIDTH)).astype(np.float32)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _interpolate(out: np.ndarray, values: np.ndarray, q: np.ndarray, turn: np.ndarray, table: np.ndarray) -> None:
    """out[p] = sum over W^3 points of window x values, at q[p] turn (in grid cells from the centre)."""
    n, steps, width = values.shape[0], table.shape[0] - 1, table.shape[1]
    weights, first = np.empty((3, width), np.float32), np.empty(3, np.int64)
    for p in range(out.size):
        for a in range(3):
            place = q[p, 0] * turn[0, a] + q[p, 1] * turn[1, a] + q[p, 2] * turn[2, a] + n // 2
            below = int(np.floor(place))
            first[a] = min(max(below - (width // 2 - 1), 0), n - width)
            scaled = (place - below) * steps
            index = int(scaled)
            part = np.float32(scaled - index)
            for j in range(width):
                weights[a, j] = table[index, j] + part * (table[min(index + 1, steps), j] - table[index, j])
        real, imag = np.float32(0), np.float32(0)
        for i in range(width):
            for j in range(width):
                line_real, line_imag = np.float32(0), np.float32(0)
                row = values[first[0] + i, first[1] + j, first[2] : first[2] + width]
                for k in range(width):
                    line_real += weights[2, k] * row[k].real
                    line_imag += weights[2, k] * row[k].imag
                factor = weights[0, i] * weights[1, j]
                real += factor * line_real
                imag += factor * line_imag
        out[p] = np.complex64(complex(real, imag))
