"""Scattering patterns of particles in random orientations on a flat detector.

Random numbers are keyed by (seed, number of the pattern), so that a pattern does not depend on which process makes it or in which order.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.fourier_volume import FourierVolume
from fxs_hpc.fluctuation.invariants import average_intensity, invariants_of
from fxs_hpc.fluctuation.polar_grid import FlatDetector
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.parallel.threads import over

ELECTRON_RADIUS = 2.8179403262e-5
"""Classical electron radius in A."""
ORDERS_BEYOND = 8
"""Orders of an amplitude beyond its q times its radius."""
_SHELLS = 8


class Amplitudes(Protocol):
    """The Fourier amplitude of an object."""

    def amplitude(self, q: NDArray[np.float64], rotation: NDArray[np.float64] | None = None) -> NDArray[np.complexfloating]:
        """F(R^T q) (m,) at wave vectors (m, 3) in 1/A of the object turned by `rotation` (3, 3)."""
        ...


@dataclass(frozen=True)
class Experiment:
    """What is looked at, and how.

    Parameters
    ----------
    detector : FlatDetector
    usable : (rows, columns) bool, False behind the beam stop and in gaps.
    scale : photons in a pixel on the axis for an intensity |F|^2 of 1, for a pulse of mean energy.
    particles : number in a pattern, or its mean. spread : 'fixed' or 'poisson' about that mean.
    energy_spread : relative standard deviation of the energy of a pulse (gamma distribution).
    interference : waves of all particles add up, at random places in a focus of Gaussian width `focus` (sigma, A); else intensities do.
    polarization : 'h' (along the columns' axis), 'v' or None. background : mean photons in every pixel, for a pulse of mean energy.
    noise : photons are counted (Poisson); else the patterns are expected values.
    """

    detector: FlatDetector
    usable: NDArray[np.bool_]
    scale: float
    particles: float = 1
    spread: Literal["fixed", "poisson"] = "fixed"
    energy_spread: float = 0.0
    interference: bool = False
    focus: float = 10_000.0
    polarization: Literal["h", "v"] | None = None
    background: float = 0.0
    noise: bool = True

    @cached_property
    def wave_vectors(self) -> NDArray[np.float64]:
        """q (m, 3) in 1/A of the usable pixels: k (direction of the pixel - direction of the beam), which lies on the Ewald sphere."""
        rows, columns = np.nonzero(self.usable)
        origin, distance = self.detector.origin, self.detector.distance_in_pixels
        out = np.stack([rows - origin[0], columns - origin[1], np.full(len(rows), distance)], axis=1)
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        return 2 * np.pi / self.detector.wavelength * (out - np.array([0.0, 0.0, 1.0]))

    def orientations(self, random: np.random.Generator, particles: int) -> NDArray[np.float64]:
        """Unit quaternions (particles, 4), scalar first, uniform."""
        quaternions = random.normal(size=(particles, 4))
        return np.asarray(quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True))

    @cached_property
    def geometry(self) -> NDArray[np.float64]:
        """Solid angle relative to a pixel on the axis, cos^3 2theta, times polarisation, of the usable pixels (m,)."""
        rows, columns = np.nonzero(self.usable)
        x, y = rows - self.detector.origin[0], columns - self.detector.origin[1]
        radius_squared = x**2 + y**2
        cosine_squared = 1 / (1 + radius_squared / self.detector.distance_in_pixels**2)
        factor: NDArray[np.float64] = cosine_squared**1.5
        if self.polarization is None:
            return factor
        across = np.divide(x if self.polarization == "h" else y, np.sqrt(radius_squared), out=np.zeros(len(x)), where=radius_squared > 0)
        return factor * (cosine_squared + (1 - cosine_squared) * across**2)


@dataclass(frozen=True)
class Shot:
    """A pattern and how it came about.

    Parameters
    ----------
    image : (rows, columns) f4, zero where not usable. orientations : (particles, 4) unit quaternions, scalar first: what turns the
    particle from the pose in which it was given. energy : of the pulse relative to the mean. photons : in the image.
    """

    image: NDArray[np.float32]
    orientations: NDArray[np.float64]
    energy: float
    photons: float


def generator(seed: int, number: int) -> np.random.Generator:
    """Random numbers of pattern `number`, counted out by Philox [Salmon et al. 2011]."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))


def rotation_matrix(quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix (3, 3) of a unit quaternion, scalar first."""
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def draws(experiment: Experiment, seed: int, number: int) -> tuple[np.random.Generator, float, NDArray[np.float64]]:
    """What is drawn for pattern `number` before its particles are placed: the generator after that, energy, orientations (particles, 4)."""
    random = generator(seed, number)
    particles = random.poisson(experiment.particles) if experiment.spread == "poisson" else round(experiment.particles)
    spread = experiment.energy_spread
    energy = float(random.gamma(spread**-2, spread**2)) if spread > 0 else 1.0
    return random, energy, experiment.orientations(random, particles)


def shot(volume: Amplitudes, experiment: Experiment, seed: int, number: int) -> Shot:
    """Pattern `number` of the experiment."""
    random, energy, quaternions = draws(experiment, seed, number)
    places = random.normal(scale=experiment.focus, size=(len(quaternions), 3)) if experiment.interference else None
    intensity = _intensity(volume, experiment, quaternions, places)
    expected = energy * (experiment.scale * intensity * experiment.geometry + experiment.background)
    image = np.zeros(experiment.usable.shape, np.float32)
    image[experiment.usable] = random.poisson(expected) if experiment.noise else expected
    return Shot(image, quaternions, energy, float(image.sum(dtype=np.float64)))


def _intensity(
    volume: Amplitudes, experiment: Experiment, quaternions: NDArray[np.float64], places: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    q = experiment.wave_vectors
    waves = np.zeros(len(q), np.complex128)
    intensity = np.zeros(len(q))
    for index, quaternion in enumerate(quaternions):
        # Row vectors: q R stands for R^T q.
        amplitude = volume.amplitude(q, rotation_matrix(quaternion))
        if places is None:
            intensity += amplitude.real.astype(np.float64) ** 2 + amplitude.imag.astype(np.float64) ** 2
        else:
            waves += amplitude * np.exp(-1j * (q @ places[index]))
    return intensity if places is None else np.abs(waves) ** 2


def exact_coefficients(volume: FourierVolume, q: NDArray[np.float64], max_order: int, workers: int = 1) -> NDArray[np.float64]:
    """coef[m, l, re/im, q] of |F|^2 at radii q, by quadrature over the sphere that is exact up to these orders."""
    amplitude_order = int(np.ceil(q.max() * volume.radius)) + ORDERS_BEYOND
    grid = AngularGrid.alias_free(max(amplitude_order, max_order), max_order)
    transform = SphericalTransform(grid, max_order)
    directions = grid.directions().reshape(-1, 3)

    def analyse(start: int) -> NDArray[np.float64]:
        shells = q[start : start + _SHELLS]
        field = np.stack([np.abs(volume.amplitude(radius * directions).astype(np.complex128)) ** 2 for radius in shells], axis=-1)
        return transform.analyse(field.reshape(grid.n_theta, grid.n_phi, -1))

    coefficients = np.concatenate(over(analyse, range(0, len(q), _SHELLS), workers), axis=-1)
    coefficients[:, 1::2] = 0
    return coefficients


def exact_invariants(
    volume: FourierVolume, q: NDArray[np.float64], max_order: int, workers: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """B_l (max_order + 1, n, n) and <I> (n,) of |F|^2 at radii q."""
    invariants = invariants_of(exact_coefficients(volume, q, max_order, workers), workers=workers)
    return invariants, average_intensity(invariants[0])


def scale_of_photons(photons: float, experiment: Experiment, q: NDArray[np.float64], mean: NDArray[np.float64]) -> float:
    """Scale with which a particle sends `photons` onto the usable pixels, on average over orientations; `mean` is <|F|^2> at radii q."""
    modulus = np.linalg.norm(experiment.wave_vectors, axis=1)
    expected = np.interp(modulus, q, mean) * experiment.geometry
    return photons / float(expected.sum())


def scale_of_fluence(fluence: float, detector: FlatDetector, dimensions: int = 3) -> float:
    """Scale for `fluence` in photons per square micron and densities in electrons per A^3, or per A^2 in the plane.

    dsigma/dOmega = r_e^2 |int rho e^{-iq.r} d^dr|^2 = r_e^2 (2 pi)^d |F|^2.
    """
    solid_angle = (detector.pixel_size / (1000 * detector.distance)) ** 2
    return fluence * 1e-8 * ELECTRON_RADIUS**2 * (2 * np.pi) ** dimensions * solid_angle
