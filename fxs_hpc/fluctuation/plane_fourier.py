"""Fourier transform of densities in the plane, given on rings: circular harmonics, and one Hankel transform per order."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid
from fxs_hpc.harmonics.hankel import hankel_matrices, plane_phase


class DiscTransform:
    """Between density (N, n_phi) on the rings r and amplitude (N, n_phi) on the rings q, both complex.

    F(q) = (2 pi)^-1 int rho(r) exp(-i q.r) d^2r; by orders F_m(q) = (-i)^|m| int rho_m(r) J_|m|(qr) r dr.

    Parameters
    ----------
    radial, angular : the grids; radial.dimensions is 2.
    l_max : highest harmonic order kept.
    convention : 'exact' or 'reference', the scale of the Hankel transforms (see `harmonics.hankel`).
    """

    def __init__(self, radial: RadialGrid, angular: CircleGrid, l_max: int, convention: str = "exact") -> None:
        self.radial = radial
        self.angular = angular
        self.circular = CircularTransform(angular, l_max)
        orders = np.abs(self.circular.orders())
        self._phase = plane_phase(self.circular.orders(), radial.kind, convention)
        self._forward = hankel_matrices(radial, l_max, "forward", convention)[orders]
        self._inverse = hankel_matrices(radial, l_max, "inverse", convention)[orders]

    def amplitude(self, density: NDArray) -> NDArray[np.complex128]:
        """Fourier transform (N, n_phi) of a density (N, n_phi)."""
        return self._apply(density, self._forward, self._phase)

    def density(self, amplitude: NDArray) -> NDArray[np.complex128]:
        """Inverse Fourier transform (N, n_phi) of an amplitude (N, n_phi)."""
        return self._apply(amplitude, self._inverse, self._phase.conj())

    def _apply(self, field: NDArray, matrices: NDArray[np.float64], phase: NDArray[np.complex128]) -> NDArray[np.complex128]:
        coef = self.circular.analyse_complex(np.asarray(field, dtype=complex).T)
        transformed = np.matmul(coef[:, None, :], matrices)[:, 0] * phase[:, None]
        return np.asarray(self.circular.synthesise_complex(transformed).T, dtype=np.complex128)

    def shifted(self, amplitude: NDArray, centre: NDArray[np.floating]) -> NDArray[np.complex128]:
        """Amplitude times exp(+i q.centre): the density moves such that `centre` (2,) in A comes to the origin."""
        along = self.angular.directions() @ np.asarray(centre, dtype=float)
        return np.asarray(amplitude * np.exp(1j * self.radial.q[:, None] * along))

    def integral(self, field: NDArray) -> float:
        """int f d^2r of the real part of a field (N, n_phi) on the rings r."""
        return float(self.radial.r_weights @ np.real(field).mean(axis=1) * 2 * np.pi)

    def centre_of_mass(self, density: NDArray) -> NDArray[np.float64]:
        """int r Re(rho) / int Re(rho), (2,) in A."""
        real = np.real(density)
        moments = (self.radial.r_weights * self.radial.r) @ real @ self.angular.directions() * 2 * np.pi / self.angular.n_phi
        return np.asarray(moments / self.integral(real))
