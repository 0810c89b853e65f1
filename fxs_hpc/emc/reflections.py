"""Reflections within a resolution shell, and the voxels of each."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import VoxelGrid
from fxs_hpc.errors import DataError

BATCH = 4096
"""Reflections whose voxels are looked at together: tens of MB."""
TIE = 1e-9
"""Distances that differ from a limit by less than this part of it count as equal to it, and the limit is inclusive: a lattice point whose
voxels lie exactly on the sphere is decided by this rule and not by rounding."""


@dataclass(frozen=True)
class Reflections:
    """The complete reflections of a shell, in the order of the files: h slowest, l fastest.

    A reflection is complete when all its voxels, the grid points within the support radius of the lattice point, lie in the shell.

    Attributes
    ----------
    grid : VoxelGrid
    inner, outer : float
        Radii of the shell, 1/Angstrom.
    hkl : int32[n, 3]
    first : int64[n + 1]
        Voxels of reflection k are first[k] .. first[k + 1] of the concatenated list (the order of intensity files).
    voxels : int32[m, 3]
        Grid coordinates of all voxels: for each reflection dx slowest, dz fastest.
    """

    grid: VoxelGrid
    inner: float
    outer: float
    hkl: NDArray[np.int32]
    first: NDArray[np.int64]
    voxels: NDArray[np.int32]

    @property
    def count(self) -> int:
        """Number of reflections."""
        return len(self.hkl)

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Lattice points in 1/Angstrom, float64[n, 3]."""
        return self.hkl @ self.grid.lattice.reciprocal.T

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Lattice points in voxels, float64[n, 3]."""
        return self.positions * self.grid.scale

    @cached_property
    def largest_index(self) -> tuple[int, int, int]:
        """Largest |h|, |k|, |l| that the shell can hold, as files and lookup tables give it."""
        h, k, l = (ceil(self.outer * length) for length in self.grid.lattice.cell[:3])
        return h, k, l

    @cached_property
    def lookup(self) -> NDArray[np.int32]:
        """Number of the reflection [h + hmax, k + kmax, l + lmax], -1 where it is not complete; int32[2 hmax + 1, ...]."""
        largest = np.array(self.largest_index)
        table = np.full(2 * largest + 1, -1, np.int32)
        table[tuple((self.hkl + largest).T)] = np.arange(self.count)
        return table

    def numbers(self, hkl: NDArray) -> NDArray[np.int32]:
        """Numbers of the reflections `hkl` int[..., 3]; -1 for those that are not complete."""
        largest = np.array(self.largest_index)
        inside = np.all(np.abs(hkl) <= largest, axis=-1)
        place = np.where(inside[..., None], hkl + largest, 0)
        return np.where(inside, self.lookup[tuple(np.moveaxis(place, -1, 0))], -1)


def voxels_near(centres: NDArray[np.float64], radius: float) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Grid points within `radius` of each centre, x slowest, z fastest.

    Parameters
    ----------
    centres : float64[n, 3]
        In voxels.
    radius : float
        In voxels.

    Returns
    -------
    voxels : int32[m, 3]
        Of all centres, one after another.
    counts : int64[n]
        Voxels of each centre.
    """
    reach = ceil(radius) + 1
    steps = np.arange(-reach, reach + 1, dtype=np.int32)
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    points = _round(centres).astype(np.int32)[:, None] + offsets
    near = np.sum((points - centres[:, None]) ** 2, axis=2) <= radius**2 * (1 + TIE)
    return points[near], np.count_nonzero(near, axis=1)


def complete_reflections(grid: VoxelGrid, inner: float, outer: float) -> Reflections:
    """All complete reflections between two radii in 1/Angstrom.

    Raises
    ------
    DataError
        No reflection lies wholly in the shell.
    """
    lattice = grid.lattice
    largest = [ceil(outer * length) for length in lattice.cell[:3]]
    indices = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in largest), indexing="ij"), axis=-1).reshape(-1, 3)
    modulus = np.linalg.norm(indices @ lattice.reciprocal.T, axis=1)
    margin = np.sqrt(3) / grid.scale
    near = indices[(modulus >= inner - margin) & (modulus <= outer + margin)]
    kept, parts, counts = [near[:0]], [np.zeros((0, 3), np.int32)], [np.zeros(0, np.int64)]
    for start in range(0, len(near), BATCH):
        batch = near[start : start + BATCH]
        voxels, count = voxels_near(batch @ lattice.reciprocal.T * grid.scale, grid.support)
        complete = _all_of_each(_in_shell(np.linalg.norm(voxels, axis=1) / grid.scale, inner, outer), count)
        kept.append(batch[complete])
        parts.append(voxels[np.repeat(complete, count)])
        counts.append(count[complete])
    hkl = np.concatenate(kept)
    if not len(hkl):
        raise DataError(
            f"the lattice {tuple(round(value, 3) for value in lattice.cell)} has no complete reflection between "
            f"{1 / inner if inner else np.inf:.3g} and {1 / outer:.3g} Angstrom (peaks of radius {grid.tolerance:.3g} 1/Angstrom); "
            f"check the cell, Rstop, res_cutoff, VN and gw"
        )
    first = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    return Reflections(grid, inner, outer, hkl.astype(np.int32), first, np.concatenate(parts))


def _in_shell(radii: NDArray[np.float64], inner: float, outer: float) -> NDArray[np.bool_]:
    return (radii >= inner * (1 - TIE)) & (radii <= outer * (1 + TIE))


def _all_of_each(good: NDArray[np.bool_], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether all of each run of `counts` values are true, and the run is not empty."""
    total = np.concatenate([[0], np.cumsum(good)])
    ends = np.cumsum(counts)
    return (counts > 0) & (total[ends] - total[ends - counts] == counts)


def _round(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nearest integers, halves away from zero."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values)
