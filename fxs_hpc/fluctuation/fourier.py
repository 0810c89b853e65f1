"""Densities and amplitudes on the two spherical grids, and the Fourier transform between their harmonic coefficients.

A complex field is handled as real ones. A density is its real part and, where it has one, its imaginary part. An amplitude is
split into F = H1 + i H2 with Hermitian H1, H2 (the transforms of the real and the imaginary part of the density), and each
H = A + iB (A even, B odd under q -> -q) is held as the real field h = A + B. All coefficients of one object form one array
coef[m, l, re/im, shell]; shells 0..N-1 belong to the first real field, N..2N-1 to the second. Rotations, the Fourier transform
and point inversion then are real arithmetic on that array.
"""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid
from fxs_hpc.harmonics.hankel import hankel_matrices, phase
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.harmonics.wigner import Coefficients


def point_inverted(field: NDArray) -> NDArray:
    """f(-x) of a field (n_theta, n_phi, ...) on a grid with an even number of azimuths."""
    return np.roll(field[::-1], field.shape[1] // 2, axis=1)


class BallTransform:
    """Transforms between grid fields [theta, phi, r] and coefficients, and between density and amplitude.

    Parameters
    ----------
    radial, angular : the grids (n_phi even).
    l_max : highest harmonic order kept.
    convention : 'exact' or 'reference', the scale of the Hankel transforms (see `harmonics.hankel`).
    dtype : of the coefficients returned, float64 or float32.
    """

    def __init__(
        self,
        radial: RadialGrid,
        angular: AngularGrid,
        l_max: int,
        convention: str = "exact",
        dtype: type[np.floating] = np.float64,
    ) -> None:
        if angular.n_phi % 2:
            raise DataError(f"a 3D angular grid needs an even number of azimuths, found n_phi = {angular.n_phi}")
        self.radial = radial
        self.angular = angular
        self.l_max = l_max
        self.dtype = np.dtype(dtype)
        self._convention = convention
        self._spherical = SphericalTransform(angular, l_max)
        self._forward = self._matrices("forward")
        self._inverse = self._matrices("inverse")

    def _matrices(self, direction: str) -> NDArray[np.floating]:
        matrices = hankel_matrices(self.radial, self.l_max, direction, self._convention)
        return (matrices * phase(np.arange(self.l_max + 1))[:, None, None]).astype(self.dtype)

    def analyse(self, fields: NDArray[np.floating]) -> Coefficients:
        """Coefficients (L+1, L+1, 2, c N) of c real fields (c, n_theta, n_phi, N)."""
        return np.concatenate([self._spherical.analyse(field).astype(self.dtype) for field in fields], axis=-1)

    def synthesise(self, coef: Coefficients) -> NDArray[np.float64]:
        """Real fields (c, n_theta, n_phi, N) of coefficients (L+1, L+1, 2, c N)."""
        n = self.radial.n_points
        parts = [coef[..., i : i + n] for i in range(0, coef.shape[-1], n)]
        return np.stack([self._spherical.synthesise(np.ascontiguousarray(part, dtype=np.float64)) for part in parts])

    def amplitude(self, density: Coefficients) -> Coefficients:
        """Fourier transform: coefficients of the amplitude's real fields h from those of the density."""
        return _apply_orders(density, self._forward)

    def density(self, amplitude: Coefficients) -> Coefficients:
        """Inverse Fourier transform."""
        return _apply_orders(amplitude, self._inverse)

    def shifted(self, fields: NDArray[np.floating], centre: NDArray[np.floating]) -> NDArray[np.floating]:
        """Amplitude fields h times exp(+i q.centre): the density moves such that `centre` (3,) in A comes to the origin."""
        along = self.angular.directions() @ np.asarray(centre, dtype=float)
        angle = along.astype(self.dtype)[..., None] * self.radial.q.astype(self.dtype)
        cosine, sine = np.cos(angle), np.sin(angle, out=angle)
        result = np.empty(fields.shape)
        for h, moved in zip(fields, result):
            np.multiply(cosine, h, out=moved)
            moved += sine * point_inverted(h)
        return result


def _apply_orders(coef: Coefficients, matrices: NDArray[np.floating]) -> Coefficients:
    n = matrices.shape[-1]
    result = np.zeros_like(coef)
    for l, matrix in enumerate(matrices):
        for start in range(0, coef.shape[-1], n):
            shells = slice(start, start + n)
            result[: l + 1, l, :, shells] = coef[: l + 1, l, :, shells] @ matrix.astype(coef.dtype, copy=False)
    return result


def inverted(coef: Coefficients, n_points: int) -> Coefficients:
    """The other hand: coefficients of conj f(-x), which has the same |F|^2 and conj F as amplitude."""
    flipped = coef * ((-1.0) ** np.arange(coef.shape[1])).astype(coef.dtype)[:, None, None]
    flipped[..., n_points:] *= -1
    return flipped


def density_fields(density: NDArray) -> NDArray[np.floating]:
    """Real fields (c, n_theta, n_phi, N) of a density (n_theta, n_phi, N): c = 1 if it is real, else real and imaginary part.

    An imaginary part below the rounding of a single precision density counts as none.
    """
    if not np.iscomplexobj(density):
        return density[None]
    real = np.abs(density.imag).max() <= 1e-7 * np.abs(density.real).max()
    return density.real[None] if real else np.stack([density.real, density.imag])


def density_of(fields: NDArray[np.floating]) -> NDArray:
    """Density of its real fields; real if there is one, complex if there are two."""
    return fields[0] if len(fields) == 1 else fields[0] + 1j * fields[1]


def amplitude_fields(amplitude: NDArray[np.complexfloating], count: int) -> NDArray[np.floating]:
    """The `count` real fields h of an amplitude (n_theta, n_phi, N); with one, only its Hermitian part is kept."""
    opposite = point_inverted(amplitude)
    total, difference = amplitude + opposite, amplitude - opposite
    fields = [(total.real + difference.imag) / 2]
    if count > 1:
        fields.append((total.imag - difference.real) / 2)
    return np.stack(fields)


def amplitude_of(fields: NDArray[np.floating]) -> NDArray[np.complexfloating]:
    """Complex amplitude of its real fields h."""
    amplitude = _hermitian(fields[0])
    return amplitude if len(fields) == 1 else amplitude + 1j * _hermitian(fields[1])


def _hermitian(h: NDArray[np.floating]) -> NDArray[np.complexfloating]:
    """A + iB of h = A + B, A even, B odd."""
    opposite = point_inverted(h)
    result = np.empty(h.shape, dtype=np.complex128)
    np.add(h, opposite, out=result.real)
    np.subtract(h, opposite, out=result.imag)
    result *= 0.5
    return result
