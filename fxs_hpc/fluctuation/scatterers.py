"""Objects that scatter, and their Fourier amplitudes F(q) = (2 pi)^(-3/2) int rho e^{-iq.r} d^3r on Cartesian grids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation import shapes

_NORM = (2 * np.pi) ** -1.5


@dataclass(frozen=True)
class Solids:
    """Homogeneous solids; their amplitudes are exact."""

    parts: tuple[shapes.Shape, ...]

    @property
    def radius(self) -> float:
        """Of the ball about the origin that holds them, in A."""
        return shapes.outer_radius(self.parts)

    def amplitude_planes(self, x: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Amplitudes (len(x), n, n) at q = (x, axis, axis)."""
        q = np.stack(np.meshgrid(x, axis, axis, indexing="ij"), axis=-1)
        return shapes.amplitude(self.parts, q)


@dataclass(frozen=True)
class DensityMap:
    """A density on a Cartesian grid.

    Parameters
    ----------
    density : (nx, ny, nz), any unit per A^3. voxel : edges of a voxel in A. The origin is the centre of the box.
    """

    density: NDArray[np.floating]
    voxel: tuple[float, float, float]

    def positions(self, axis: int) -> NDArray[np.float64]:
        """Coordinates of the voxels along an axis, in A."""
        count = self.density.shape[axis]
        return (np.arange(count) - (count - 1) / 2) * self.voxel[axis]

    @property
    def radius(self) -> float:
        """Of the ball about the origin that holds all voxels that are not zero, in A."""
        squares = [self.positions(axis) ** 2 for axis in range(3)]
        distance = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
        return float(distance[self.density != 0].max(initial=max(self.voxel))) + max(self.voxel)

    def amplitude_planes(self, x: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Amplitudes (len(x), n, n) at q = (x, axis, axis): a sum over voxels, axis by axis; zero beyond what the voxels resolve."""
        phases = [
            np.exp(-1j * np.multiply.outer(q, self.positions(number))) * (np.abs(q) <= np.pi / self.voxel[number])[:, None]
            for number, q in enumerate((x, axis, axis))
        ]
        planes = np.tensordot(phases[0], self.density.astype(np.complex128), axes=1)
        return np.asarray(_NORM * np.prod(self.voxel) * (phases[1] @ planes @ phases[2].T), np.complex128)


@dataclass(frozen=True)
class FormFactor:
    """f(s) = sum a_i exp(-b_i s^2) + c of an element, s = sin(theta) / lambda = q / 4 pi, in electrons [Brown et al. 2006]."""

    a: tuple[float, ...]
    b: tuple[float, ...]
    c: float

    def at(self, q_squared: NDArray[np.float64]) -> NDArray[np.float64]:
        """f at q^2 in 1/A^2."""
        s_squared = q_squared / (4 * np.pi) ** 2
        return self.c + np.sum([a * np.exp(-b * s_squared) for a, b in zip(self.a, self.b, strict=True)], axis=0)


@dataclass(frozen=True)
class Atoms:
    """Atoms in vacuum; densities count electrons.

    Parameters
    ----------
    positions : element -> (n, 3) in A, the centre of mass at the origin. factors : element -> FormFactor.
    occupancies : element -> (n,). b_factor : of all atoms, in A^2: f exp(-B q^2 / 16 pi^2).
    """

    positions: Mapping[str, NDArray[np.float64]]
    occupancies: Mapping[str, NDArray[np.float64]]
    factors: Mapping[str, FormFactor]
    b_factor: float = 0.0

    @property
    def radius(self) -> float:
        """Of the ball about the origin that holds all atoms with their electrons, in A."""
        displacement = np.sqrt(self.b_factor / (8 * np.pi**2))
        return max(float(np.linalg.norm(places, axis=1).max()) for places in self.positions.values()) + 2.0 + 4 * float(displacement)

    def amplitude_planes(self, x: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Amplitudes (len(x), n, n) at q = (x, axis, axis): the phase of an atom is a product of three."""
        q_squared = x[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
        total = np.zeros(q_squared.shape, np.complex128)
        for element, places in self.positions.items():
            phases = [np.exp(-1j * np.multiply.outer(q, places[:, number])) for number, q in enumerate((x, axis, axis))]
            phases[0] *= self.occupancies[element]
            structure = np.stack([(phases[1] * along) @ phases[2].T for along in phases[0]])
            total += self.factors[element].at(q_squared) * structure
        return _NORM * np.exp(-self.b_factor * q_squared / (4 * np.pi) ** 2) * total


def as_cartesian(model: shapes.Model, voxel: float) -> DensityMap:
    """A density on a spherical grid, interpolated linearly onto cubic voxels; zero beyond its last shell."""
    from scipy.interpolate import RegularGridInterpolator

    half = int(np.ceil(model.r[-1] / voxel))
    axis = np.arange(-half, half + 1) * voxel
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    r = np.sqrt(x**2 + y**2 + z**2)
    theta = np.arccos(np.clip(np.divide(z, r, out=np.ones_like(z), where=r > 0), -1, 1))
    phi = np.arctan2(y, x) % (2 * np.pi)
    nodes, values = _closed(model)
    field = RegularGridInterpolator(nodes, values, bounds_error=False, fill_value=None)(np.stack([r, theta, phi], axis=-1))
    return DensityMap(np.where(r <= model.r[-1], field, 0.0), (voxel, voxel, voxel))


def _closed(model: shapes.Model) -> tuple[Sequence[NDArray[np.float64]], NDArray[np.float64]]:
    """Nodes and values of a spherical grid with the seam in phi and both poles."""
    phi = np.append(model.phi, model.phi[0] + 2 * np.pi)
    values = np.concatenate([model.density, model.density[..., :1]], axis=2).astype(np.float64)
    poles = [np.repeat(values[:, [row]].mean(axis=2, keepdims=True), len(phi), axis=2) for row in (0, -1)]
    values = np.concatenate([poles[0], values, poles[1]], axis=1)
    return (model.r, np.concatenate([[0.0], model.theta, [np.pi]]), phi), values
