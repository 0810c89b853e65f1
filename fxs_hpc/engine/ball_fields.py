"""A density on the half sphere (see `engine.azimuth`), its amplitude, and the planned products that lead from one to the other."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine import azimuth
from fxs_hpc.engine.interface import Geometry
from fxs_hpc.engine.layout import padded, zeros
from fxs_hpc.engine.polar import Product, multiply, polar_matrices
from fxs_hpc.engine.radial import radial_matrices
from fxs_hpc.harmonics.hankel import hankel_matrices

BOTH = (0, 1)
"""Even and odd part."""


class BallFields:
    """Buffers and products of one geometry.

    Parameters
    ----------
    geometry : the grids.
    r_max_convention : scale of the Hankel transforms, see `harmonics.hankel.hankel_matrices`.
    dtype : of all numbers.

    Attributes
    ----------
    analysed, synthesised : (parts, 2, half, L+1, 2, shells) azimuthal spectra before and after the transform.
    amplitude_coefficients, change_coefficients : (parts, L+1, rows, 2, shells) of F, and of what is transformed back.
    work : scratch of the compiled kernels.
    """

    def __init__(self, geometry: Geometry, r_max_convention: str, dtype: type[np.floating]) -> None:
        self.dtype: np.dtype[np.floating] = np.dtype(dtype)
        self.parts = 2 if geometry.complex_density else 1
        self.order = geometry.amplitude_order
        self.shells, self.stored = geometry.radial.n_points, padded(geometry.radial.n_points)
        self.half, self.length = geometry.angular.n_theta // 2, geometry.angular.n_phi
        self._polar = polar_matrices(geometry.angular, self.order, self.dtype)
        hankel = [hankel_matrices(geometry.radial, self.order, way, r_max_convention) for way in ("forward", "inverse")]
        self._forward, self._inverse = (radial_matrices(h, self.dtype) for h in hankel)
        self.work = zeros((azimuth.work_size(self.length),), self.dtype)
        self.analysed = self.spectrum(self.parts, 2, self.order, self.stored)
        self.synthesised = self.spectrum(self.parts, 2, self.order, self.stored)
        self.amplitude_coefficients = self.coefficients(self.parts, self.order, self.stored)
        self.change_coefficients = self.coefficients(self.parts, self.order, self.stored)
        self._analyse_change = self._analyse(self.analysed, self.change_coefficients)
        self._synthesise_amplitude = self._synthesise(self.amplitude_coefficients, self.synthesised)
        self._plans: dict[tuple[str, int], list[Product]] = {}
        self._shell_buffers: dict[int, tuple[NDArray, NDArray, NDArray]] = {}

    # --- arrays

    def field(self, parts: int) -> NDArray:
        """Zeros (parts, 2, half, n_phi, shells)."""
        return zeros((parts, 2, self.half, self.length, self.stored), self.dtype)

    def spectrum(self, parts: int, parities: int, order: int, shells: int) -> NDArray:
        """Zeros (parts, parities, half, order + 1, 2, shells)."""
        return zeros((parts, parities, self.half, order + 1, 2, shells), self.dtype)

    def coefficients(self, parts: int, order: int, shells: int) -> NDArray:
        """Zeros (parts, m, l, 2, shells)."""
        # An odd number of rows keeps the rows of one l, a power of two bytes apart otherwise, out of the same cache sets.
        return zeros((parts, order + 1, (order + 1) | 1, 2, shells), self.dtype)

    def density_buffers(self, shells: int) -> tuple[NDArray, NDArray, NDArray]:
        """Spectra in, spectra out and coefficients of a density on its first `shells` shells."""
        if shells not in self._shell_buffers:
            whole = shells == self.stored
            self._shell_buffers[shells] = (
                self.analysed if whole else self.spectrum(self.parts, 2, self.order, shells),
                self.synthesised if whole else self.spectrum(self.parts, 2, self.order, shells),
                self.coefficients(self.parts, self.order, shells),
            )
        return self._shell_buffers[shells]

    # --- products

    def _analyse(self, spectrum: NDArray, coefficients: NDArray) -> list[Product]:
        return _each(self._polar.analyse, spectrum, coefficients)

    def _synthesise(self, coefficients: NDArray, spectrum: NDArray) -> list[Product]:
        return _each(self._polar.synthesise, coefficients, spectrum)

    def _to_amplitude(self, shells: int) -> list[Product]:
        key = ("forward", shells)
        if key not in self._plans:
            spectrum, _, coefficients = self.density_buffers(shells)
            products = self._analyse(spectrum, coefficients)
            for part in range(self.parts):
                products += self._forward.transform(coefficients[part], self.amplitude_coefficients[part])
            self._plans[key] = products
        return self._plans[key]

    def _to_density(self, shells: int) -> tuple[list[Product], list[Product]]:
        key = ("inverse", shells)
        if key not in self._plans:
            _, spectrum, coefficients = self.density_buffers(shells)
            hankel: list[Product] = []
            for part in range(self.parts):
                hankel += self._inverse.transform(self.change_coefficients[part], coefficients[part])
            self._plans[key] = hankel
            self._plans["synthesis", shells] = self._synthesise(coefficients, spectrum)
        return self._plans[key], self._plans["synthesis", shells]

    # --- transforms

    def transform(self, density: NDArray, filled: int) -> None:
        """Density on its first `filled` shells -> `synthesised`, the azimuthal spectra of its Fourier transform."""
        self._analyse_density(density, filled)
        multiply(self._synthesise_amplitude)

    def _analyse_density(self, density: NDArray, filled: int) -> None:
        spectrum, _, _ = self.density_buffers(filled)
        azimuth.analyse_density(self.length)(density, spectrum, self.work)
        multiply(self._to_amplitude(filled))

    def analyse_change(self) -> None:
        """`analysed`, spectra of an amplitude -> `change_coefficients`."""
        multiply(self._analyse_change)

    def to_density(self, shells: int, carried: int = 0) -> NDArray:
        """`change_coefficients` -> spectra of their inverse transform on the first `shells` shells.

        The innermost `carried` shells get the inverse transform of `amplitude_coefficients` besides.
        """
        hankel, synthesis = self._to_density(shells)
        multiply(hankel)
        _, spectrum, coefficients = self.density_buffers(shells)
        for part in range(self.parts if carried else 0):
            for l, matrix in enumerate(self._inverse.matrices):
                coefficients[part][: l + 1, l, :, :carried] += self.amplitude_coefficients[part][: l + 1, l] @ matrix[:, :carried]
        multiply(synthesis)
        return spectrum

    def filtered(self, density: NDArray, filled: int, transfer: NDArray[np.float64], out: NDArray) -> None:
        """IFT(transfer(q) FT(density)) on all shells of the grid field `out`, which may be `density`."""
        self._analyse_density(density, filled)
        scale = np.zeros(self.stored, self.dtype)
        scale[: self.shells] = transfer
        np.multiply(self.amplitude_coefficients, scale, out=self.change_coefficients)
        azimuth.synthesise_density(self.length)(self.to_density(self.stored), out, self.work)

    def change_on_grid(self) -> NDArray:
        """The amplitude of `change_coefficients` on the grid: even plus odd part and even minus odd part, per component."""
        multiply(self._synthesise(self.change_coefficients, self.synthesised))
        grid = self.field(self.parts)
        azimuth.synthesise_density(self.length)(self.synthesised, grid, self.work)
        return grid


def _each(products, source: NDArray, target: NDArray) -> list[Product]:  # type: ignore[no-untyped-def]
    """Products of all components, even and odd part."""
    return [product for part in range(len(source)) for product in products(source[part], target[part], BOTH)]
