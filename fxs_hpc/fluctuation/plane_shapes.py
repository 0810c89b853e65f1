"""Objects of the plane made of homogeneous figures: their density at any point, and their exact Fourier amplitudes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import j1

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation.shapes import check_lengths, density_at, divided_exponential

KINDS = ("disc", "square", "triangle")
_OF_SOLIDS = {"sphere": "disc", "cube": "square", "tetrahedron": "triangle"}
# The first corner of the unrotated triangle lies on the x axis, as in the reference program.
_CORNERS = np.array([[1.0, 0.0], [-0.5, np.sqrt(0.75)], [-0.5, -np.sqrt(0.75)]])
Point = tuple[float, float]


@dataclass(frozen=True)
class PlaneShape:
    """A homogeneous figure.

    Parameters
    ----------
    kind : 'disc' (size = radius), 'square' (size = half its side), 'triangle' (equilateral, size = circum-radius).
    center : Cartesian, in A. size : in A. density : value inside, added where figures overlap.
    angle : by which the figure is turned about its centre, in rad.
    """

    kind: str
    center: Point
    size: float
    density: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(f"shape type {self.kind!r} is unknown in the plane; use one of {', '.join(KINDS)}")
        if not self.size > 0:
            raise SettingsError(f"shape size {self.size} must be positive (A)")

    @property
    def circumradius(self) -> float:
        """Radius of the smallest circle about `center` that holds the figure."""
        return self.size * np.sqrt(2) if self.kind == "square" else self.size

    @property
    def _rotation(self) -> NDArray[np.float64]:
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cosine, -sine], [sine, cosine]])

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """True for points (..., 2) strictly inside."""
        local = (points - np.asarray(self.center)) @ self._rotation
        if self.kind == "disc":
            return np.sqrt((local**2).sum(axis=-1)) < self.size
        if self.kind == "square":
            return np.abs(local).max(axis=-1) < self.size
        return (local @ _CORNERS.T).min(axis=-1) > -self.size / 2

    def amplitude(self, q: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Exact (2 pi)^-1 int rho e^{-iq.r} d^2r for wave vectors (..., 2) in 1/A."""
        local = q @ self._rotation
        if self.kind == "disc":
            form = _disc_form(np.sqrt((local**2).sum(axis=-1)) * self.size) * np.pi * self.size**2
        elif self.kind == "square":
            form = np.sinc(local * self.size / np.pi).prod(axis=-1) * (2 * self.size) ** 2
        else:
            form = _triangle_form(local * self.size) * np.sqrt(27) / 4 * self.size**2
        return np.asarray(self.density / (2 * np.pi) * form * np.exp(-1j * (q @ np.asarray(self.center))))


@dataclass(frozen=True)
class PlaneModel:
    """A simulated object: the exact figures and their density (N, n_phi) on the grid r, phi."""

    shapes: tuple[PlaneShape, ...]
    r: NDArray[np.float64]
    phi: NDArray[np.float64]
    density: NDArray[np.floating]


def _disc_form(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 J_1(x) / x."""
    small = np.abs(x) < 1e-3
    safe = np.where(small, 1.0, x)
    return np.where(small, 1 - x**2 / 8, 2 * j1(safe) / safe)


def _triangle_form(x: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Mean of e^{-i x.u} over the equilateral triangle of circum-radius 1: -2 times the divided difference at its corners."""
    return -2 * divided_exponential(np.sort(x @ _CORNERS.T, axis=-1))


def polar_points(r: ArrayLike, phi: ArrayLike) -> NDArray[np.float64]:
    """Cartesian points (..., 2) of polar coordinates that broadcast against each other."""
    r, phi = np.broadcast_arrays(np.asarray(r, np.float64), np.asarray(phi, np.float64))
    return np.stack([r * np.cos(phi), r * np.sin(phi)], axis=-1)


def random_angle(seed: int, index: int) -> float:
    """Angle, uniform on [0, 2 pi), that depends on (seed, index) alone."""
    return float(np.random.default_rng([seed, index]).uniform(0, 2 * np.pi))


def build(
    types: Sequence[str],
    centers: Sequence[Sequence[float]],
    sizes: Sequence[float],
    densities: Sequence[float],
    random_orientation: Sequence[bool],
    seed: int,
) -> tuple[PlaneShape, ...]:
    """Figures of the settings: centres in polar coordinates (r [A], phi [rad]), one list entry per figure; solids name their figures."""
    check_lengths(types, centers, sizes, densities, random_orientation)
    figures = []
    for index, (kind, center, size, density) in enumerate(zip(types, centers, sizes, densities, strict=True)):
        x, y = polar_points(*center)
        angle = random_angle(seed, index) if random_orientation[index] else 0.0
        figures.append(PlaneShape(_OF_SOLIDS.get(kind, kind), (float(x), float(y)), float(size), float(density), angle))
    return tuple(figures)


def density_on(shapes: Sequence[PlaneShape], r: ArrayLike, phi: ArrayLike) -> NDArray[np.float64]:
    """Density (N, n_phi) on a polar grid, sampled at its points."""
    return density_at(shapes, polar_points(np.asarray(r)[:, None], np.asarray(phi)))


def from_json(text: str) -> tuple[PlaneShape, ...]:
    """Figures from the text of `shapes.to_json`."""
    return tuple(
        PlaneShape(entry["kind"], (entry["center"][0], entry["center"][1]), entry["size"], entry["density"], entry["angle"])
        for entry in json.loads(text)
    )
