"""Objects of the plane that scatter, and their Fourier amplitude anywhere in a disc of reciprocal space.

Amplitudes F(q) = (2 pi)^-1 int rho e^{-iq.r} d^2r are computed on a Cartesian grid six times as fine as the object's size asks for and
interpolated by quintic splines, to 1e-6 of the largest.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import map_coordinates, spline_filter

from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.plane_shapes import PlaneModel, PlaneShape

_ORDER = 5
_FINENESS = 6
_RIM = 8
"""Grid points beyond the largest q."""


class PlaneScatterer(Protocol):
    """An object of the plane whose amplitude can be computed on a grid."""

    @property
    def radius(self) -> float:
        """Radius in A of the disc about the origin that holds it."""
        ...

    def amplitude_plane(self, axis: NDArray[np.float64]) -> NDArray[np.complex128]:
        """(2 pi)^-1 int rho e^{-iq.r} d^2r at (n, n) points q = (axis, axis) in 1/A."""
        ...

    def density_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density at Cartesian points (..., 2) in A."""
        ...


@dataclass(frozen=True)
class Figures:
    """Homogeneous figures; their amplitudes are exact."""

    parts: tuple[PlaneShape, ...]

    @property
    def radius(self) -> float:
        """Of the disc about the origin that holds them, in A."""
        return shapes.outer_radius(self.parts)

    def amplitude_plane(self, axis: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Amplitudes (n, n) at q = (axis, axis)."""
        return shapes.amplitude(self.parts, np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1))

    def density_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density at Cartesian points (..., 2) in A."""
        return shapes.density_at(self.parts, points)


@dataclass(frozen=True)
class PlaneDensity:
    """A density on square pixels.

    Parameters
    ----------
    density : (nx, ny), any unit per A^2. pixel : edges of a pixel in A. The origin is the centre of the picture.
    """

    density: NDArray[np.floating]
    pixel: tuple[float, float]

    def positions(self, axis: int) -> NDArray[np.float64]:
        """Coordinates of the pixels along an axis, in A."""
        count = self.density.shape[axis]
        return (np.arange(count) - (count - 1) / 2) * self.pixel[axis]

    @property
    def radius(self) -> float:
        """Of the disc about the origin that holds all pixels that are not zero, in A."""
        distance = np.hypot(self.positions(0)[:, None], self.positions(1))
        return float(distance[self.density != 0].max(initial=max(self.pixel))) + max(self.pixel)

    def amplitude_plane(self, axis: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Amplitudes (n, n) at q = (axis, axis): a sum over pixels, axis by axis; zero beyond what the pixels resolve."""
        rows, columns = (
            np.exp(-1j * np.multiply.outer(axis, self.positions(number))) * (np.abs(axis) <= np.pi / self.pixel[number])[:, None]
            for number in range(2)
        )
        return np.asarray(np.prod(self.pixel) / (2 * np.pi) * (rows @ self.density @ columns.T), np.complex128)

    def density_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density at Cartesian points (..., 2) in A, linear between the pixels, zero outside."""
        table = RegularGridInterpolator((self.positions(0), self.positions(1)), self.density, bounds_error=False, fill_value=0.0)
        return np.asarray(table(points), np.float64)


@dataclass(frozen=True)
class FourierPlane:
    """Amplitudes of an object, prepared for interpolation.

    Parameters
    ----------
    coefficients : (2, n, n) of the splines through real and imaginary part, centre at n // 2. step : grid spacing in 1/A.
    q_max : largest |q| in 1/A that may be asked for. radius : of the object, in A.
    """

    coefficients: NDArray[np.float64]
    step: float
    q_max: float
    radius: float

    def amplitude(self, q: NDArray[np.float64], rotation: NDArray[np.float64] | None = None) -> NDArray[np.complex128]:
        """Amplitude (m,) at wave vectors (m, 3), the third component zero, of the object turned in the plane: F(R^T q).

        `rotation` is a matrix (3, 3) about the third axis.
        """
        turned = q[:, :2] if rotation is None else q[:, :2] @ np.asarray(rotation)[:2, :2]
        places = turned.T / self.step + self.coefficients.shape[1] // 2
        real, imag = (map_coordinates(part, places, order=_ORDER, prefilter=False, mode="mirror") for part in self.coefficients)
        return np.asarray(real + 1j * imag, np.complex128)


def grid_size(radius: float, q_max: float) -> tuple[int, float]:
    """Points along an axis (odd) and their spacing in 1/A for an object of `radius` in A."""
    step = np.pi / (_FINENESS * radius)
    return 2 * (int(np.ceil(q_max / step)) + _RIM) + 1, step


def fourier_plane(scatterer: PlaneScatterer, q_max: float) -> FourierPlane:
    """Prepare the amplitudes of `scatterer` up to `q_max` in 1/A."""
    n, step = grid_size(scatterer.radius, q_max)
    values = scatterer.amplitude_plane(step * (np.arange(n, dtype=np.float64) - n // 2))
    coefficients = np.stack([spline_filter(part, order=_ORDER, mode="mirror") for part in (values.real, values.imag)])
    return FourierPlane(coefficients, float(step), float(q_max), float(scatterer.radius))


def as_pixels(model: PlaneModel, pixel: float) -> PlaneDensity:
    """A density on a polar grid, interpolated linearly onto square pixels; zero beyond its last ring."""
    half = int(np.ceil(model.r[-1] / pixel))
    axis = np.arange(-half, half + 1) * pixel
    x, y = np.meshgrid(axis, axis, indexing="ij")
    r = np.hypot(x, y)
    nodes = model.r, np.append(model.phi, model.phi[0] + 2 * np.pi)
    values = np.concatenate([model.density, model.density[:, :1]], axis=1).astype(np.float64)
    table = RegularGridInterpolator(nodes, values, bounds_error=False, fill_value=None)
    field = table(np.stack([r, np.arctan2(y, x) % (2 * np.pi)], axis=-1))
    return PlaneDensity(np.where(r <= model.r[-1], field, 0.0), (pixel, pixel))
