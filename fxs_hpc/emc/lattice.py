"""The crystal lattice, its reciprocal lattice, and the voxel grid that intensities live on."""

from dataclasses import dataclass
from functools import cached_property

import gemmi
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError

UNITS = 1e3
"""Reciprocal lengths are reduced in units of 1e-3/Angstrom: the reduction counts what is below 1e-9 as nothing."""
ROUNDING = 1e-6


@dataclass(frozen=True)
class Lattice:
    """A crystal lattice in Cartesian axes.

    Attributes
    ----------
    basis : float64[3, 3]
        Columns are the direct lattice vectors a, b, c in Angstrom.
    """

    basis: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.basis.shape != (3, 3) or not np.all(np.isfinite(self.basis)):
            raise DataError(f"a lattice needs 3 x 3 finite numbers (columns a, b, c in Angstrom), found shape {self.basis.shape}")
        if self.volume < 1e-6 * np.prod(np.linalg.norm(self.basis, axis=0)):
            raise DataError(f"the lattice vectors {self.basis.T.tolist()} span no volume: one depends on the others")

    @cached_property
    def volume(self) -> float:
        """Volume of the cell, Angstrom^3."""
        return float(abs(np.linalg.det(self.basis)))

    @cached_property
    def reciprocal(self) -> NDArray[np.float64]:
        """Columns a*, b*, c* in 1/Angstrom (no 2 pi)."""
        a, b, c = self.basis.T
        return np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1) / np.linalg.det(self.basis)

    @cached_property
    def shortest(self) -> float:
        """Length of the shortest of a*, b*, c*, 1/Angstrom."""
        return float(np.linalg.norm(self.reciprocal, axis=0).min())

    @cached_property
    def spacing(self) -> float:
        """Distance of neighbouring reciprocal lattice points, 1/Angstrom: less than `shortest` where the cell is not reduced."""
        lengths, angles = _cell(self.reciprocal)
        reduced = gemmi.GruberVector(gemmi.UnitCell(*(UNITS * lengths).tolist(), *angles.tolist()), "P")
        reduced.niggli_reduce()
        return min(reduced.cell_parameters()[:3]) / UNITS

    @cached_property
    def cell(self) -> tuple[float, float, float, float, float, float]:
        """Cell lengths (Angstrom) and angles alpha, beta, gamma (degrees)."""
        lengths, angles = _cell(self.basis)
        a, b, c = lengths.tolist()
        alpha, beta, gamma = angles.tolist()
        return a, b, c, alpha, beta, gamma


def _cell(basis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lengths of the columns, and the angles in degrees between second and third, first and third, first and second."""
    lengths = np.linalg.norm(basis, axis=0)
    cosines = (basis.T @ basis) / np.outer(lengths, lengths)
    return lengths, np.degrees(np.arccos(np.clip([cosines[1, 2], cosines[0, 2], cosines[0, 1]], -1, 1)))


@dataclass(frozen=True)
class VoxelGrid:
    """The grid of intensity voxels.

    Attributes
    ----------
    lattice : Lattice
    voxels_per_vector : int
        Voxels per shortest reciprocal lattice vector (config key VN).
    support : float
        Radius of the support of a Bragg peak in voxels (config key gw).
    """

    lattice: Lattice
    voxels_per_vector: int
    support: float

    def __post_init__(self) -> None:
        if self.support >= self.voxels_per_vector / 2:
            raise DataError(
                f"gw = {self.support:g} voxels is not below VN / 2 = {self.voxels_per_vector / 2:g}: the supports of neighbouring "
                f"Bragg peaks overlap; choose a smaller gw or a larger VN"
            )
        apart = self.lattice.spacing * self.scale
        if 2 * self.support >= apart * (1 - ROUNDING):
            raise DataError(
                f"gw = {self.support:g} voxels: the supports of neighbouring Bragg peaks overlap, because the cell "
                f"{tuple(round(value, 3) for value in self.lattice.cell)} is not reduced: its reciprocal lattice points lie {apart:.2f} "
                f"voxels apart, and not VN = {self.voxels_per_vector}; put the reduced cell into aux/basis-vec.dat, or choose a larger VN"
            )

    @property
    def scale(self) -> float:
        """Voxels per 1/Angstrom."""
        return self.voxels_per_vector / self.lattice.shortest

    @property
    def tolerance(self) -> float:
        """Radius of a Bragg peak in 1/Angstrom: how far a pixel may lie from its lattice point."""
        return self.support / self.scale
