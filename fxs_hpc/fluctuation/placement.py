"""Where a reconstructed density stands: its centre of mass comes to the origin, and in the plane it turns to a defined orientation.

Invariants know neither place nor orientation of a particle. A shift multiplies the amplitude by exp(i q.c), so that a density that was
moved holds what is known of it up to q_max and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from fxs_hpc.fluctuation.field_transform import density_fields, density_of
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.harmonics.grids import AngularGrid


def rotated(field: NDArray, angle: float) -> NDArray:
    """Field (N, n_phi) of the plane turned by `angle` (rad) against the clock: f(phi - angle), by its Fourier series."""
    n_phi = field.shape[1]
    orders = np.fft.fftfreq(n_phi, 1 / n_phi)
    turn = np.exp(-1j * orders * angle)
    if n_phi % 2 == 0:
        turn[n_phi // 2] = np.cos(n_phi / 2 * angle)
    found = np.fft.ifft(np.fft.fft(field, axis=1) * turn, axis=1)
    return found if np.iscomplexobj(field) else found.real


def orientation(vectors: Mapping[int, NDArray], factors: Mapping[int, complex], q: NDArray[np.float64], fixed: int) -> float:
    """Angle (rad) by which a reconstruction has to be turned to stand as all others of the same invariants.

    Turning by alpha multiplies u_n by exp(-i n alpha). The order `fixed` > 0 is given u = 1, which leaves the angles
    alpha_0 + 2 pi k / fixed; of those the one is taken for which the intensity is closest to sum_n V_n exp(i n phi), that is for
    which sum_n mean_q |V_n q| Re(u_n exp(-i n alpha)) is largest. Where all odd orders vanish, alpha and alpha + pi (point
    inversion) give the same intensity, and the former is taken.
    """
    start = np.angle(factors[fixed]) / fixed
    orders = [n for n in factors if n > 0 and np.any(vectors[n])]
    count = fixed if any(n % 2 for n in orders) else fixed // 2
    angles = start + 2 * np.pi * np.arange(count) / fixed
    scores = sum(np.mean(np.abs(vectors[n][:, 0]) * q) * (factors[n] * np.exp(-1j * n * angles)).real for n in orders)
    return float(angles[int(np.argmax(scores))])


@dataclass(frozen=True)
class PlaneMove:
    """x -> R(angle) (x - centre) of a density (N, n_phi); `centre` (2,) in A, `angle` in rad."""

    transform: DiscTransform
    centre: NDArray[np.float64]
    angle: float = 0.0

    def density(self, density: NDArray) -> NDArray:
        """The moved density."""
        moved = self.transform.density(self.amplitude(self.transform.amplitude(density)))
        return moved if np.iscomplexobj(density) else moved.real

    def amplitude(self, amplitude: NDArray[np.complexfloating]) -> NDArray[np.complex128]:
        """The amplitude of the moved density."""
        return rotated(self.transform.shifted(amplitude, self.centre), self.angle)

    def support(self, support: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The moved support, between grid points by linear interpolation, cut at a half."""
        radial, angular = self.transform.radial, self.transform.angular
        angles = angular.phi - self.angle
        places = radial.r[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1) + self.centre
        closed = np.concatenate([support, support[:, :1]], axis=1).astype(float)
        azimuth = np.arctan2(places[..., 1], places[..., 0]) % (2 * np.pi) * angular.n_phi / (2 * np.pi)
        radius = np.linalg.norm(places, axis=-1)
        index = [np.interp(radius, radial.r, np.arange(radial.n_points)), azimuth]
        return (map_coordinates(closed, index, order=1, mode="nearest") >= 0.5) & (radius <= radial.r_max)


@dataclass(frozen=True)
class BallMove:
    """x -> x - centre of a density (N, n_theta, n_phi); `centre` (3,) in A."""

    transform: BallTransform
    angular: AngularGrid
    centre: NDArray[np.float64]

    def density(self, density: NDArray) -> NDArray:
        """The moved density."""
        transform, parts = self.transform, density_fields(np.moveaxis(density, 0, -1))
        amplitude = transform.synthesise(transform.amplitude(transform.analyse(parts)))
        moved = transform.density(transform.analyse(transform.shifted(amplitude, self.centre)))
        found = np.moveaxis(density_of(transform.synthesise(moved)), -1, 0)
        return found.astype(density.dtype) if np.iscomplexobj(density) else found

    def amplitude(self, amplitude: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        """The amplitude of the moved density."""
        fields = self.transform.amplitude_fields(np.moveaxis(amplitude, 0, -1), 2)
        return np.moveaxis(self.transform.amplitude_of(self.transform.shifted(fields, self.centre)), -1, 0)

    def support(self, support: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The moved support, between grid points by linear interpolation, cut at a half."""
        radial, angular = self.transform.radial, self.angular
        places = radial.r[:, None, None, None] * angular.directions() + self.centre
        radius = np.linalg.norm(places, axis=-1)
        azimuth = np.arctan2(places[..., 1], places[..., 0]) % (2 * np.pi) * angular.n_phi / (2 * np.pi)
        polar = np.arctan2(np.hypot(places[..., 0], places[..., 1]), places[..., 2])
        closed = np.concatenate([support, support[:, :, :1]], axis=2).astype(float)
        index = [
            np.interp(radius, radial.r, np.arange(radial.n_points)),
            np.interp(polar, angular.theta, np.arange(angular.n_theta)),
            azimuth,
        ]
        return (map_coordinates(closed, index, order=1, mode="nearest") >= 0.5) & (radius <= radial.r_max)
