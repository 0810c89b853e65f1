"""Densities, amplitudes and intensities of the plane, and the transforms between them.

All arrays run [phi, r] or [order, r], the radius fastest. F(q) = (2 pi)^-1 int rho exp(-i q.r) d^2r is F_m = (-i)^|m| H_|m| rho_m by
orders, H_m the Hankel transform with J_m.

A real density has F = A + iB with A even and B odd under q -> -q, both real. They are held as the one real field h = A + B, whose
coefficients are h_m = sign(m) H_m rho_m, sign = +1, -1, -1, +1 for m % 4 = 0, 1, 2, 3. |F|^2 = (h(phi)^2 + h(phi + pi)^2) / 2 repeats
after half a circle, so that the intensity has even orders only and half of the points, and a gain on F is the same gain on h.
"""

from typing import Protocol

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from fxs_hpc.engine.interface import PlaneGeometry
from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.hankel import hankel_matrices, phase, plane_phase


class PlaneFields(Protocol):
    """Transforms of one kind of density: real or complex."""

    orders: NDArray[np.int64]
    """Orders n >= 0 of the intensity's coefficients, row by row."""

    def amplitude(self, density: NDArray, transfer: NDArray | None = None) -> NDArray:
        """Amplitude field of a density [phi, r], times transfer (N,) if given."""

    def density(self, amplitude: NDArray) -> NDArray:
        """Density [phi, r] of an amplitude field."""

    def intensity(self, amplitude: NDArray) -> NDArray:
        """|F|^2 [phi, q]; for real densities over half of the circle."""

    def scaled(self, amplitude: NDArray, gain: NDArray) -> NDArray:
        """Amplitude field times a gain on the points of the intensity."""

    def analyse(self, intensity: NDArray) -> NDArray:
        """Coefficients [n, q] (complex) of an intensity; I_-n = conj I_n."""

    def synthesise(self, coefficients: NDArray) -> NDArray:
        """Intensity of coefficients [n, q]; rows that are left out are 0."""

    def complex_amplitude(self, amplitude: NDArray) -> NDArray:
        """F (N, n_phi) of an amplitude field."""


def _by_order(matrices: NDArray, coefficients: NDArray) -> NDArray:
    """matrices[m, out, in] times complex coefficients [m, in]; real and imaginary part are two columns of one product."""
    columns = coefficients.view(matrices.dtype).reshape(*coefficients.shape, 2)
    return np.matmul(matrices, columns).view(coefficients.dtype)[..., 0]


def _hankel(geometry: PlaneGeometry, convention: str, dtype: np.dtype, signs: NDArray) -> tuple[NDArray, NDArray]:
    """(forward, inverse) matrices [m, out, in] times `signs` per order."""
    both = (hankel_matrices(geometry.radial, geometry.amplitude_order, way, convention) for way in ("forward", "inverse"))
    forward, inverse = (np.ascontiguousarray((matrices * signs[:, None, None]).transpose(0, 2, 1), dtype) for matrices in both)
    return forward, inverse


class RealDensityFields:
    """See `PlaneFields`: a real density; amplitudes are the real field h of the module's text.

    Raises
    ------
    SettingsError
        phi + pi is not on the grid.
    """

    def __init__(self, geometry: PlaneGeometry, convention: str, dtype: np.dtype) -> None:
        self._length = geometry.angular.n_phi
        if self._length % 2:
            raise SettingsError(f"n_phi = {self._length}: a real density needs an even number of angles; a complex one does not")
        self._count = geometry.amplitude_order + 1
        self._dtype = dtype
        self._forward, self._inverse = _hankel(geometry, convention, dtype, phase(np.arange(self._count)))
        self.orders = np.arange(0, self._length // 2 + 1, 2)

    def amplitude(self, density: NDArray, transfer: NDArray | None = None) -> NDArray:
        """See `PlaneFields.amplitude`."""
        coefficients = self._transformed(self._forward, density)
        if transfer is not None:
            coefficients = coefficients * transfer.astype(self._dtype)
        return scipy.fft.irfft(coefficients, self._length, axis=0, norm="forward")

    def density(self, amplitude: NDArray) -> NDArray:
        """See `PlaneFields.density`."""
        return scipy.fft.irfft(self._transformed(self._inverse, amplitude), self._length, axis=0, norm="forward")

    def _transformed(self, matrices: NDArray, field: NDArray) -> NDArray:
        return _by_order(matrices, scipy.fft.rfft(field, axis=0, norm="forward")[: self._count])

    def intensity(self, amplitude: NDArray) -> NDArray:
        """See `PlaneFields.intensity`."""
        here, opposite = np.split(amplitude, 2)
        return (here * here + opposite * opposite) / 2

    def scaled(self, amplitude: NDArray, gain: NDArray) -> NDArray:
        """See `PlaneFields.scaled`."""
        return (amplitude.reshape(2, *gain.shape) * gain).reshape(amplitude.shape)

    def analyse(self, intensity: NDArray) -> NDArray:
        """See `PlaneFields.analyse`."""
        return scipy.fft.rfft(intensity, axis=0, norm="forward")

    def synthesise(self, coefficients: NDArray) -> NDArray:
        """See `PlaneFields.synthesise`."""
        return scipy.fft.irfft(coefficients, self._length // 2, axis=0, norm="forward")

    def complex_amplitude(self, amplitude: NDArray) -> NDArray:
        """See `PlaneFields.complex_amplitude`."""
        opposite = np.roll(amplitude, self._length // 2, axis=0)
        return ((amplitude + opposite) / 2 + 1j * (amplitude - opposite) / 2).T.copy()


class ComplexDensityFields:
    """See `PlaneFields`: a complex density; amplitudes are F itself."""

    def __init__(self, geometry: PlaneGeometry, convention: str, dtype: np.dtype) -> None:
        self._length, self._order = geometry.angular.n_phi, geometry.amplitude_order
        self._dtype = dtype
        self._forward, self._inverse = _hankel(geometry, convention, dtype, np.ones(self._order + 1))
        complex_type, orders = np.result_type(dtype, np.complex64), np.arange(-self._order, self._order + 1)
        phases = plane_phase(orders, geometry.radial.kind, convention).astype(complex_type)[:, None]
        # Orders -L .. -1 and 0 .. L, as the ends of a spectrum.
        self._phases = phases[: self._order], phases[self._order :]
        self.orders = np.arange(self._length // 2 + 1)

    def amplitude(self, density: NDArray, transfer: NDArray | None = None) -> NDArray:
        """See `PlaneFields.amplitude`."""
        spectrum = self._transformed(self._forward, density, *self._phases)
        if transfer is not None:
            spectrum *= transfer.astype(self._dtype)
        return scipy.fft.ifft(spectrum, axis=0, norm="forward", overwrite_x=True)

    def density(self, amplitude: NDArray) -> NDArray:
        """See `PlaneFields.density`."""
        spectrum = self._transformed(self._inverse, amplitude, *(phase.conj() for phase in self._phases))
        return scipy.fft.ifft(spectrum, axis=0, norm="forward", overwrite_x=True)

    def _transformed(self, matrices: NDArray, field: NDArray, negative: NDArray, positive: NDArray) -> NDArray:
        found = scipy.fft.fft(field, axis=0, norm="forward")
        last, spectrum = self._order, np.zeros_like(found)
        spectrum[: last + 1] = _by_order(matrices, found[: last + 1]) * positive
        if last:
            # H_-m with (-i)^-m has the matrix and the phase of m.
            spectrum[-last:] = _by_order(matrices[:0:-1], found[-last:]) * negative
        return spectrum

    def intensity(self, amplitude: NDArray) -> NDArray:
        """See `PlaneFields.intensity`."""
        return amplitude.real**2 + amplitude.imag**2

    def scaled(self, amplitude: NDArray, gain: NDArray) -> NDArray:
        """See `PlaneFields.scaled`."""
        return amplitude * gain

    def analyse(self, intensity: NDArray) -> NDArray:
        """See `PlaneFields.analyse`."""
        return scipy.fft.rfft(intensity, axis=0, norm="forward")

    def synthesise(self, coefficients: NDArray) -> NDArray:
        """See `PlaneFields.synthesise`."""
        return scipy.fft.irfft(coefficients, self._length, axis=0, norm="forward")

    def complex_amplitude(self, amplitude: NDArray) -> NDArray:
        """See `PlaneFields.complex_amplitude`."""
        return amplitude.T.copy()


def plane_fields(geometry: PlaneGeometry, convention: str, dtype: np.dtype) -> PlaneFields:
    """Transforms for the densities of `geometry`, in precision `dtype` (float32 or float64)."""
    if geometry.complex_density:
        return ComplexDensityFields(geometry, convention, dtype)
    return RealDensityFields(geometry, convention, dtype)
