"""Scattering patterns of objects of the plane, which lie across the beam and are turned about it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.fourier_plane import FourierPlane
from fxs_hpc.fluctuation.pattern_simulation import ORDERS_BEYOND, Experiment
from fxs_hpc.fluctuation.plane_scattering import invariants_of
from fxs_hpc.fluctuation.plane_shapes import polar_points
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import CircleGrid


@dataclass(frozen=True)
class PlaneExperiment(Experiment):
    """An experiment with objects of the plane."""

    @cached_property
    def wave_vectors(self) -> NDArray[np.float64]:
        """q (m, 3) in 1/A of the usable pixels, in the plane: as long as on the Ewald sphere, in the direction of the pixel."""
        rows, columns = np.nonzero(self.usable)
        x, y = rows - self.detector.origin[0], columns - self.detector.origin[1]
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        modulus = self.detector.q_of(radius)
        return np.stack([modulus * np.cos(angle), modulus * np.sin(angle), np.zeros(len(modulus))], axis=1)

    def orientations(self, random: np.random.Generator, particles: int) -> NDArray[np.float64]:
        """Unit quaternions (particles, 4), scalar first, of rotations about the beam, uniform."""
        half = random.uniform(0, np.pi, particles)
        return np.stack([np.cos(half), np.zeros(particles), np.zeros(particles), np.sin(half)], axis=1)


def exact_harmonics(plane: FourierPlane, q: NDArray[np.float64], max_order: int) -> NDArray[np.complex128]:
    """Harmonics (max_order + 1, n) of |F|^2 at radii q, by Fourier series that are exact up to these orders."""
    amplitude_order = int(np.ceil(q.max() * plane.radius)) + ORDERS_BEYOND
    circle = CircleGrid.alias_free(max(amplitude_order, max_order), max_order)
    points = polar_points(q[:, None], circle.phi)
    field = np.abs(plane.amplitude(points.reshape(-1, 2)).reshape(len(q), -1)) ** 2
    harmonics = np.asarray(CircularTransform(circle, max_order).analyse(field.T), np.complex128)
    harmonics[1::2] = 0
    return harmonics


def exact_plane_invariants(
    plane: FourierPlane, q: NDArray[np.float64], max_order: int
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """B_n (max_order + 1, n, n) and <I> (n,) of |F|^2 at radii q."""
    harmonics = exact_harmonics(plane, q, max_order)
    return invariants_of(harmonics), harmonics[0].real.copy()
