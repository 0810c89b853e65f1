"""Densities and amplitudes of the disc as coefficients (see `field_transform`), and the rotation that lays one onto another.

The overlap of f with g turned by alpha is C(alpha) = sum_r w int f(r, phi) g(r, phi - alpha) dphi = Re sum_m c_m exp(-i m alpha) over
all m, c_m = sum_r w conj(f_m) g_m: a trigonometric polynomial. One FFT gives it on a fine grid (angular cross-correlation on the
circle), Newton's method its maximum between the grid points.
"""

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from fxs_hpc.fluctuation.alignment import Volume
from fxs_hpc.fluctuation.field_transform import FieldTransform, total
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid
from fxs_hpc.harmonics.wigner import Coefficients, turn_about_z

SAMPLES_PER_ORDER = 8


class DiscFields(FieldTransform):
    """`FieldTransform` in two dimensions: fields [phi, r], circular harmonics up to l_max.

    Point inversion of a real object is its half turn, so rotations are searched on half a circle: with the two hands that is all.
    """

    def __init__(
        self,
        radial: RadialGrid,
        angular: CircleGrid,
        l_max: int,
        convention: str = "exact",
        dtype: type[np.floating] = np.float64,
    ) -> None:
        super().__init__(radial, angular, l_max, convention, dtype)
        self.angular = angular
        self._circular = CircularTransform(angular, l_max)

    @property
    def _parity(self) -> NDArray[np.float64]:
        return np.array((-1.0) ** np.arange(self.l_max + 1))[:, None, None, None]

    def _analyse_one(self, field: NDArray[np.floating]) -> Coefficients:
        coef = self._circular.analyse(np.asarray(field, dtype=np.float64)) * np.sqrt(2 * np.pi)
        return np.stack([coef.real, coef.imag], axis=1)[:, None]

    def _synthesise_one(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._circular.synthesise((coef[:, 0, 0] + 1j * coef[:, 0, 1]) / np.sqrt(2 * np.pi)))

    def _by_orders(self, coef: Coefficients, matrices: NDArray[np.floating]) -> Coefficients:
        n = matrices.shape[-1]
        parts = [np.matmul(coef[:, 0, :, i : i + n], matrices.astype(coef.dtype, copy=False)) for i in range(0, coef.shape[-1], n)]
        return np.concatenate(parts, axis=-1)[:, None]

    def point_inverted(self, field: NDArray) -> NDArray:
        """f(-x) of a field (n_phi, N); between the points where n_phi is odd, which is exact for orders up to (n_phi - 1) / 2."""
        n_phi = self.angular.n_phi
        if n_phi % 2 == 0:
            return np.roll(field, n_phi // 2, axis=0)
        signs = (-1.0) ** scipy.fft.fftfreq(n_phi, 1 / n_phi)
        turned = scipy.fft.ifft(scipy.fft.fft(field, axis=0) * signs[:, None], axis=0)
        return np.asarray(turned if np.iscomplexobj(field) else turned.real)

    def shifted(self, fields: NDArray[np.floating], centre: NDArray[np.floating]) -> NDArray[np.floating]:
        """Fields h of one amplitude times exp(+i q.centre), as a complex field: where n_phi is odd, h(-q) lies between the points."""
        angle = self.radial.q * (self.directions @ np.asarray(centre, dtype=float))[:, None]
        return self.amplitude_fields(self.amplitude_of(fields) * np.exp(1j * angle), len(fields))

    def moved_amplitudes(self, amplitudes: Sequence[Coefficients], centre: NDArray[np.floating]) -> list[Coefficients]:
        """Coefficients of several amplitudes after `shifted`, each by itself."""
        return [self.analyse(self.shifted(self.synthesise(amplitude), centre)) for amplitude in amplitudes]

    def rotated(self, coef: Coefficients, angles: NDArray[np.float64]) -> Coefficients:
        """Coefficients of the field turned by angles[0]."""
        return turn_about_z(coef, float(angles[0]))

    def rotation_matrix(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rotation of the plane (2, 2)."""
        cosine, sine = np.cos(angles[0]), np.sin(angles[0])
        return np.array([[cosine, -sine], [sine, cosine]])

    def find_rotation(self, f: Coefficients, g: Coefficients, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """Angle (1,) of the best rotation between -pi/2 and pi/2."""
        series = overlap_series(f, g, weights)
        count = SAMPLES_PER_ORDER * (self.l_max + 1)
        values = overlap_on_circle(series, count)
        angles = 2 * np.pi * scipy.fft.fftfreq(count)
        best = int(np.where(np.abs(angles) <= np.pi / 2, values, -np.inf).argmax())
        if values[best] < max(values[best - 1], values[(best + 1) % count]):
            # The maximum lies in the other half of the circle, where the other hand finds it.
            return angles[best : best + 1]
        return np.array([climb(series, float(angles[best]))])

    def refine_rotation(self, f: Coefficients, g: Coefficients, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """Angle (1,) of the maximum next to no rotation."""
        return np.array([climb(overlap_series(f, g, weights), 0.0)])


def overlap_series(f: Coefficients, g: Coefficients, weights: NDArray[np.floating]) -> NDArray[np.complex128]:
    """c_m (L+1,), m >= 0, of the overlap C(alpha) = c_0 + 2 Re sum_(m>0) c_m exp(-i m alpha) of real fields f and g."""
    a, b = (x[:, 0, 0].astype(float) + 1j * x[:, 0, 1] for x in (f, g))
    return np.asarray((a.conj() * b) @ weights)


def overlap_on_circle(series: NDArray[np.complexfloating], count: int) -> NDArray[np.float64]:
    """C (count,) at alpha_j = 2 pi j / count."""
    return np.asarray(scipy.fft.irfft(series.conj(), count, norm="forward"))


def climb(series: NDArray[np.complexfloating], start: float, tolerance: float = 1e-9, max_steps: int = 50) -> float:
    """The alpha (rad) of the maximum of C next to `start`, by Newton steps never longer than the shortest wave's radian."""
    m, longest, angle = np.arange(len(series)), 1.0 / len(series), start
    for _ in range(max_steps):
        terms = 2 * m * series * np.exp(-1j * m * angle)
        slope, bend = float(terms.imag.sum()), float(-(m * terms.real).sum())
        step = slope / max(abs(bend), np.finfo(float).tiny)
        step = float(np.clip(step, -longest, longest))
        angle += step
        if abs(step) < tolerance:
            break
    return angle


def inversion_metric(space: DiscFields, reference: Volume, volume: Volume) -> NDArray[np.float64]:
    """(3,): int |Im A - Im A_ref| d^2q, the same of the inverted object, and 1 where the volume has been inverted, else 0.

    The reference program decides by the smaller of the two, without a rotation.
    """
    ours, given = (space.amplitude_of(space.synthesise(v.amplitude)).imag for v in (reference, volume))
    metric = [total(space, np.abs(given - sign * ours), space.radial.q_weights) for sign in (1, -1)]
    return np.array([*(metric[::-1] if volume.inverted else metric), float(volume.inverted)])
