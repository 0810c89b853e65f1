"""Densities and amplitudes as coefficients of real fields: what averaging needs of ball and disc alike.

A complex field is handled as real ones. A density is its real part and, where it has one, its imaginary part. An amplitude is
split into F = H1 + i H2 with Hermitian H1, H2 (the transforms of the real and the imaginary part of the density), and each
H = A + iB (A even, B odd under q -> -q) is held as the real field h = A + B. All coefficients of one object form one array
coef[m, l, re/im, shell], m >= 0, of orthonormal harmonics (spherical; in the plane circular, exp(i m phi) / sqrt(2 pi), and the
axis l has length 1); shells 0..N-1 belong to the first real field, N..2N-1 to the second. Rotations, the Fourier transform and
point inversion then are real arithmetic on that array, and `harmonics.wigner.inner_product` is the integral in both dimensions.
Fields on grids are (n_theta, n_phi, N) or (n_phi, N), here written (..., N).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid
from fxs_hpc.harmonics.hankel import hankel_matrices, phase
from fxs_hpc.harmonics.wigner import Coefficients


class FieldTransform(ABC):
    """Transforms between grid fields and coefficients, and between density and amplitude; rotations.

    Parameters
    ----------
    radial, angular : the grids.
    l_max : highest harmonic order kept.
    convention : 'exact' or 'reference', the scale of the Hankel transforms (see `harmonics.hankel`).
    dtype : of the coefficients returned, float64 or float32.
    """

    def __init__(
        self,
        radial: RadialGrid,
        angular: AngularGrid | CircleGrid,
        l_max: int,
        convention: str = "exact",
        dtype: type[np.floating] = np.float64,
    ) -> None:
        self.radial = radial
        self.l_max = l_max
        self.dtype = np.dtype(dtype)
        self.shape = angular.shape
        self.directions: NDArray[np.float64] = angular.directions()
        self.angle_weights: NDArray[np.float64] = self._angle_weights(angular)
        self._forward = self._matrices("forward", convention)
        self._inverse = self._matrices("inverse", convention)

    @staticmethod
    def _angle_weights(angular: AngularGrid | CircleGrid) -> NDArray[np.float64]:
        if isinstance(angular, AngularGrid):
            return angular.solid_angle
        return np.full(angular.n_phi, 2 * np.pi / angular.n_phi)

    def _matrices(self, direction: str, convention: str) -> NDArray[np.floating]:
        matrices = hankel_matrices(self.radial, self.l_max, direction, convention)
        return (matrices * phase(np.arange(self.l_max + 1))[:, None, None]).astype(self.dtype)

    @property
    def dimensions(self) -> int:
        """3 or 2."""
        return self.radial.dimensions

    @property
    def total_angle(self) -> float:
        """Integral over all directions: 4 pi or 2 pi."""
        return 4 * np.pi if self.dimensions == 3 else 2 * np.pi

    def analyse(self, fields: NDArray[np.floating]) -> Coefficients:
        """Coefficients (L+1, L+1 or 1, 2, c N) of c real fields (c, ..., N)."""
        return np.concatenate([self._analyse_one(field).astype(self.dtype) for field in fields], axis=-1)

    def synthesise(self, coef: Coefficients) -> NDArray[np.float64]:
        """Real fields (c, ..., N) of coefficients (L+1, L+1 or 1, 2, c N)."""
        n = self.radial.n_points
        parts = [coef[..., i : i + n] for i in range(0, coef.shape[-1], n)]
        return np.stack([self._synthesise_one(np.ascontiguousarray(part, dtype=np.float64)) for part in parts])

    def amplitude(self, density: Coefficients) -> Coefficients:
        """Fourier transform: coefficients of the amplitude's real fields h from those of the density."""
        return self._by_orders(density, self._forward)

    def density(self, amplitude: Coefficients) -> Coefficients:
        """Inverse Fourier transform."""
        return self._by_orders(amplitude, self._inverse)

    def shifted(self, fields: NDArray[np.floating], centre: NDArray[np.floating]) -> NDArray[np.floating]:
        """Amplitude fields h times exp(+i q.centre): the density moves such that `centre` (d,) in A comes to the origin."""
        along = self.directions @ np.asarray(centre, dtype=float)
        angle = along.astype(self.dtype)[..., None] * self.radial.q.astype(self.dtype)
        cosine, sine = np.cos(angle), np.sin(angle, out=angle)
        result = np.empty(fields.shape)
        for h, moved in zip(fields, result):
            np.multiply(cosine, h, out=moved)
            moved += sine * self.point_inverted(h)
        return result

    def moved_amplitudes(self, amplitudes: Sequence[Coefficients], centre: NDArray[np.floating]) -> list[Coefficients]:
        """Coefficients of several amplitudes after `shifted`."""
        moved = self.analyse(self.shifted(self.synthesise(np.concatenate(amplitudes, axis=-1)), centre))
        return np.split(moved, np.cumsum([amplitude.shape[-1] for amplitude in amplitudes])[:-1], axis=-1)

    def inverted(self, coef: Coefficients) -> Coefficients:
        """The other hand: coefficients of conj f(-x), which has the same |F|^2 and conj F as amplitude."""
        flipped = coef * self._parity.astype(coef.dtype)
        flipped[..., self.radial.n_points :] *= -1
        return flipped

    def amplitude_fields(self, amplitude: NDArray[np.complexfloating], count: int) -> NDArray[np.floating]:
        """The `count` real fields h of an amplitude (..., N); with one, only its Hermitian part is kept."""
        opposite = self.point_inverted(amplitude)
        total, difference = amplitude + opposite, amplitude - opposite
        fields = [(total.real + difference.imag) / 2]
        if count > 1:
            fields.append((total.imag - difference.real) / 2)
        return np.stack(fields)

    def amplitude_of(self, fields: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """Complex amplitude of its real fields h."""
        amplitude = self._hermitian(fields[0])
        return amplitude if len(fields) == 1 else amplitude + 1j * self._hermitian(fields[1])

    def _hermitian(self, h: NDArray[np.floating]) -> NDArray[np.complexfloating]:
        """A + iB of h = A + B, A even, B odd."""
        opposite = self.point_inverted(h)
        result = np.empty(h.shape, dtype=np.complex128)
        np.add(h, opposite, out=result.real)
        np.subtract(h, opposite, out=result.imag)
        result *= 0.5
        return result

    @property
    @abstractmethod
    def _parity(self) -> NDArray[np.float64]:
        """Signs of the harmonics under x -> -x, to be multiplied with coefficients."""

    @abstractmethod
    def _analyse_one(self, field: NDArray[np.floating]) -> Coefficients: ...

    @abstractmethod
    def _synthesise_one(self, coef: NDArray[np.float64]) -> NDArray[np.float64]: ...

    @abstractmethod
    def _by_orders(self, coef: Coefficients, matrices: NDArray[np.floating]) -> Coefficients: ...

    @abstractmethod
    def point_inverted(self, field: NDArray) -> NDArray:
        """f(-x) of a field (..., N), real or complex."""

    @abstractmethod
    def rotated(self, coef: Coefficients, angles: NDArray[np.float64]) -> Coefficients:
        """Coefficients of the field turned by `angles`: (alpha, beta, gamma) about z, y, z, or the one angle (1,), in rad."""

    @abstractmethod
    def rotation_matrix(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rotation of `rotated` as a matrix (d, d)."""

    @abstractmethod
    def find_rotation(self, f: Coefficients, g: Coefficients, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """Angles by which g must be turned to overlap best with f, on shells with `weights` (N,)."""

    @abstractmethod
    def refine_rotation(self, f: Coefficients, g: Coefficients, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """As `find_rotation`, but the nearest maximum of the overlap instead of the highest."""


def density_fields(density: NDArray) -> NDArray[np.floating]:
    """Real fields (c, ..., N) of a density (..., N): c = 1 if it is real, else real and imaginary part.

    An imaginary part below the rounding of a single precision density counts as none.
    """
    if not np.iscomplexobj(density):
        return density[None]
    real = np.abs(density.imag).max() <= 1e-7 * np.abs(density.real).max()
    return density.real[None] if real else np.stack([density.real, density.imag])


def density_of(fields: NDArray[np.floating]) -> NDArray:
    """Density of its real fields; real if there is one, complex if there are two."""
    return fields[0] if len(fields) == 1 else fields[0] + 1j * fields[1]


def total(space: FieldTransform, field: NDArray[np.floating], weights: NDArray[np.floating]) -> float:
    """Integral of a real field (..., N) over all directions and the shells with radial `weights` (N,)."""
    return float(((field @ weights) * space.angle_weights).sum())
