"""Fourier series along phi of many rings at once: the angular transform of the plane."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.grids import CircleGrid


class CircularTransform:
    """Circular harmonics f_m = (1 / 2 pi) int f exp(-i m phi) dphi on a `CircleGrid`, orders up to l_max, any number of rings.

    Real fields are held by m = 0..L alone; f_-m = conj(f_m).
    """

    def __init__(self, grid: CircleGrid, l_max: int) -> None:
        if l_max > grid.max_order:
            raise SettingsError(
                f"a circle of {grid.n_phi} points carries orders up to {grid.max_order}, not {l_max}; use n_phi >= {2 * l_max + 1}"
            )
        self.grid = grid
        self.l_max = l_max

    def analyse(self, field: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """Coefficients (L+1, N) [m, r], m = 0..L, of a real field (n_phi, N)."""
        return scipy.fft.rfft(field, axis=0, norm="forward")[: self.l_max + 1]

    def synthesise(self, coef: NDArray[np.complexfloating]) -> NDArray[np.floating]:
        """Real field (n_phi, N) of the coefficients of `analyse`."""
        return scipy.fft.irfft(self._padded(coef, self.grid.n_phi // 2 + 1), self.grid.n_phi, axis=0, norm="forward")

    def analyse_complex(self, field: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        """Coefficients (2L+1, N) [m, r], m = 0..L, -L..-1, of a complex field (n_phi, N)."""
        spectrum = scipy.fft.fft(field, axis=0, norm="forward")
        return np.concatenate([spectrum[: self.l_max + 1], spectrum[self.grid.n_phi - self.l_max :]])

    def synthesise_complex(self, coef: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        """Complex field (n_phi, N) of the coefficients of `analyse_complex`."""
        spectrum = self._padded(coef[: self.l_max + 1], self.grid.n_phi)
        spectrum[self.grid.n_phi - self.l_max :] = coef[self.l_max + 1 :]
        return scipy.fft.ifft(spectrum, axis=0, norm="forward")

    def orders(self) -> NDArray[np.int64]:
        """Orders m (2L+1,) of the coefficients of complex fields: 0..L, -L..-1."""
        return np.concatenate([np.arange(self.l_max + 1), np.arange(-self.l_max, 0)])

    @staticmethod
    def _padded(coef: NDArray[np.complexfloating], length: int) -> NDArray[np.complexfloating]:
        spectrum = np.zeros((length, coef.shape[1]), coef.dtype)
        spectrum[: len(coef)] = coef
        return spectrum
