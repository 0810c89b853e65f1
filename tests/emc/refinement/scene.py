"""A small experiment made by brute force: every pixel's nearest lattice point is searched, no table is used.

It shares with the code under test only the definition of the peak model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.refinement.peak_model import LatticeTable, PeakShape, index_operators, lattice_table
from fxs_hpc.emc.refinement.pixels import PixelTable, pixel_table

WAVELENGTH = 1.0
DISTANCE = 120.0
SIDE = 97
BINS = 12


def laue_operators(order: str) -> NDArray[np.float64]:
    """Cartesian operators of 4/mmm or 4/m (fourfold axis along z)."""
    turns = Rotation.from_rotvec(np.outer(np.arange(4) * np.pi / 2, [0, 0, 1])).as_matrix()
    if order == "4/m":
        proper = turns
    else:
        proper = np.concatenate([turns, turns @ Rotation.from_euler("x", 180, degrees=True).as_matrix()])
    return np.round(np.concatenate([proper, -proper]), 12)


@dataclass
class Scene:
    """Detector, crystal and background."""

    q: NDArray
    polar: NDArray
    bins: NDArray
    lattice: Lattice
    operators: NDArray
    pixels: PixelTable
    table: LatticeTable
    shape: PeakShape
    heights: NDArray
    level: NDArray

    @property
    def proper(self) -> NDArray:
        return self.operators[np.linalg.det(self.operators) > 0]

    @property
    def unique(self) -> int:
        return len(self.heights)

    def rotations(self, count: int, seed: int) -> NDArray:
        return Rotation.random(count, random_state=seed).as_matrix()

    def signal(self, rotation: NDArray, state: NDArray, shape: PeakShape | None = None, blur: float = 0.0) -> NDArray:
        """phi W p of every pixel, in the order of `q`: the formula of the peak model, at the nearest lattice point."""
        shape = shape or self.shape
        reciprocal = self.lattice.reciprocal
        x = self.q @ rotation.T
        hkl = np.round(x @ np.linalg.inv(reciprocal).T).astype(int)
        # strain: each index's lattice vector is longer by its own factor
        point = (hkl * (1 + state[4:7])) @ reciprocal.T
        modulus = np.linalg.norm(point, axis=1)
        e = x - point
        along = np.einsum("ij,ij->i", e, point) / np.maximum(modulus, 1e-9)
        across = np.sum(e**2, axis=1) - along**2
        own = shape.width**2 * np.exp(state[7])
        unstrained = np.sum((hkl @ reciprocal.T) ** 2, axis=1)
        t = own + (shape.mosaicity**2 + blur**2) * unstrained
        q = own + shape.radial**2 * unstrained
        largest = np.array(self.table.lookup.shape) // 2
        inside = np.all(np.abs(hkl) <= largest, axis=1)
        number = np.where(inside, self.table.lookup[tuple(np.where(inside[:, None], hkl + largest, 0).T)], -1)
        height = np.where(number >= 0, self.heights[self.table.unique[number]], 0.0)
        near = along**2 + across <= 3.5**2 * np.maximum(t, q)
        w = height * shape.reference**3 / (t * np.sqrt(q)) * np.exp(-0.5 * (along**2 / q + across / t))
        return np.exp(state[3]) * w * near * self.polar

    def background(self) -> NDArray:
        return self.level[self.bins] * self.polar

    def photons(self, rotation: NDArray, state: NDArray, rng: np.random.Generator, shape: PeakShape | None = None) -> NDArray:
        return rng.poisson(self.background() + self.signal(rotation, state, shape)).astype(np.int16)


def scene(cell: tuple[float, float, float] = (14.0, 14.0, 11.0), laue: str = "4/mmm", strength: float = 60.0) -> Scene:
    """The experiment; peaks about 0.9 pixel wide, to 2.6 Angstrom."""
    row, column = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    v = np.stack([row.ravel() - 47.3, column.ravel() - 49.1, np.full(SIDE**2, -DISTANCE)], axis=1)
    length = np.linalg.norm(v, axis=1)
    q = (v / length[:, None] - np.array([0.0, 0.0, -1.0])) / WAVELENGTH
    modulus = np.linalg.norm(q, axis=1)
    q, length, modulus, v = (a[(modulus > 0.04) & (modulus < 0.4)] for a in (q, length, modulus, v))
    polar = (DISTANCE / length) ** 3 * (1 - (v[:, 1] / length) ** 2)
    bins = np.minimum(modulus / 0.4 * BINS, BINS - 1).astype(np.int32)
    lattice = Lattice(np.diag(cell))
    operators = laue_operators(laue)
    table = lattice_table(lattice, index_operators(lattice, operators), 0.05, 1 / 2.6)
    heights = np.random.default_rng(5).exponential(strength, int(table.unique.max()) + 1) + 1.0
    width = lattice.shortest / 9
    level = np.linspace(1.5, 0.6, BINS)
    return Scene(q, polar, bins, lattice, operators, pixel_table(q, polar, bins), table, PeakShape(width, width), heights, level)


def turned(rotation: NDArray, degrees: float, rng: np.random.Generator) -> NDArray:
    """Rotations off by `degrees` about random axes."""
    axis = rng.normal(size=(len(rotation), 3))
    axis *= np.radians(degrees) / np.linalg.norm(axis, axis=1, keepdims=True)
    return rotation @ Rotation.from_rotvec(axis).as_matrix()
