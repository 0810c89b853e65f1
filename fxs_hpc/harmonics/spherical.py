"""Spherical harmonic transform of many shells at once: FFT along phi, one matrix product per m along theta."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.legendre import legendre_table


class SphericalTransform:
    """Orthonormal spherical harmonics (Condon-Shortley) on an `AngularGrid`, orders 0..l_max, any number of shells.

    Real fields are held by m >= 0 alone: ``coef[m, l, 0, r] + 1j coef[m, l, 1, r] = int f Y_lm^* dOmega`` (zero for l < m),
    the rest follows from f_{l,-m} = (-1)^m conj(f_lm).
    """

    def __init__(self, grid: AngularGrid, l_max: int) -> None:
        if l_max > grid.max_order:
            raise SettingsError(
                f"an angular grid of {grid.n_theta} x {grid.n_phi} points carries orders up to {grid.max_order}, not {l_max}; "
                f"use n_theta >= {l_max + 1} and n_phi >= {2 * l_max + 1}"
            )
        self.grid = grid
        self.l_max = l_max
        self._table = legendre_table(l_max, grid.cos_theta)
        self._weights = grid.theta_weights * (2 * np.pi / grid.n_phi)

    def analyse(self, field: NDArray[np.floating]) -> NDArray[np.float64]:
        """Coefficients (L+1, L+1, 2, N) [m, l, re/im, r] of a real field (n_theta, n_phi, N)."""
        spectrum = scipy.fft.rfft(field, axis=1)
        size = self.l_max + 1
        coef = np.zeros((size, size, 2, field.shape[-1]))
        for m in range(size):
            rows = spectrum[:, m]
            parts = np.stack([rows.real, rows.imag], axis=1).reshape(len(rows), -1)
            coef[m, m:] = ((self._table[m, m:] * self._weights) @ parts).reshape(size - m, 2, -1)
        return coef

    def synthesise(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        """Real field (n_theta, n_phi, N) of the coefficients of `analyse`."""
        size, n_shells = self.l_max + 1, coef.shape[-1]
        spectrum = np.zeros((self.grid.n_theta, self.grid.n_phi // 2 + 1, n_shells), dtype=np.complex128)
        for m in range(size):
            parts = self._table[m, m:].T @ coef[m, m:].reshape(size - m, -1)
            spectrum.real[:, m] = parts[:, :n_shells]
            spectrum.imag[:, m] = parts[:, n_shells:]
        return scipy.fft.irfft(spectrum, self.grid.n_phi, axis=1, norm="forward", overwrite_x=True)

    def analyse_complex(self, field: NDArray[np.complexfloating]) -> NDArray[np.complex128]:
        """Coefficients (L+1, 2L+1, N) [l, L + m, r] of a complex field (n_theta, n_phi, N); zero for |m| > l."""
        return full_coefficients(self.analyse(field.real)) + 1j * full_coefficients(self.analyse(field.imag))

    def synthesise_complex(self, coef: NDArray[np.complexfloating]) -> NDArray[np.complex128]:
        """Complex field (n_theta, n_phi, N) of the coefficients of `analyse_complex`."""
        real, imag = split_coefficients(coef)
        return self.synthesise(real) + 1j * self.synthesise(imag)


def full_coefficients(coef: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Complex coefficients [l, L + m, r] for all m of a real field's coef[m, l, re/im, r]."""
    l_max = coef.shape[0] - 1
    positive = (coef[:, :, 0] + 1j * coef[:, :, 1]).transpose(1, 0, 2)
    signs = (-1.0) ** np.arange(1, l_max + 1)
    negative = signs[:, None] * positive[:, 1:].conj()
    return np.concatenate([negative[:, ::-1], positive], axis=1)


def split_coefficients(coef: NDArray[np.complexfloating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The coef[m, l, re/im, r] of the real and of the imaginary part of the field with complex coefficients [l, L + m, r]."""
    l_max = coef.shape[0] - 1
    positive = coef[:, l_max:]
    signs = (-1.0) ** np.arange(l_max + 1)
    mirrored = signs[:, None] * coef[:, l_max::-1].conj()
    real, imag = (positive + mirrored) / 2, (positive - mirrored) / 2j
    stacked = [np.stack([part.real, part.imag], axis=2).transpose(1, 0, 2, 3) for part in (real, imag)]
    return np.ascontiguousarray(stacked[0]), np.ascontiguousarray(stacked[1])
