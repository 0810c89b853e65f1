"""The peak model: one Gaussian at every lattice point, one height for every set of equivalent reflections.

At x = R q (R from laboratory to crystal) near the lattice point G, with e = x - G split into e_r along G and e_t across it,

    W = F s0^3 / (T sqrt(Q)) exp(-e_r^2 / 2Q - e_t^2 / 2T),   T = s^2 + (mosaicity^2 + blur^2) |G|^2,   Q = s^2 + radial^2 |G|^2.

F is the height of a peak of width s0 (the width at the start); its integral F s0^3 does not change with the widths. Bandwidth, cell spread
and an error of the detector distance all scale |q| and show as `radial`. The blur widens the basin of the likelihood at the start of a
refinement: to first order W is then the expected peak under an orientation uncertain by that angle.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.errors import DataError

SIGMAS = 3.5
"""A peak ends here."""


@dataclass(frozen=True)
class PeakShape:
    """Widths common to all frames.

    Attributes
    ----------
    reference : float
        s0, 1/Angstrom: sets the unit of the heights.
    width : float
        s, 1/Angstrom.
    mosaicity : float
        Radian.
    radial : float
        Relative spread of |q|.
    """

    reference: float
    width: float
    mosaicity: float = 0.0
    radial: float = 0.0

    @property
    def variances(self) -> NDArray[np.float64]:
        """s0^3, s^2, mosaicity^2, radial^2 for the kernels."""
        return np.array([self.reference**3, self.width**2, self.mosaicity**2, self.radial**2])

    def with_variances(self, values: NDArray[np.float64]) -> "PeakShape":
        """The shape with other s^2, mosaicity^2, radial^2."""
        width, mosaicity, radial = np.sqrt(values).tolist()
        return replace(self, width=width, mosaicity=mosaicity, radial=radial)


class LatticeTable(NamedTuple):
    """Reflections sorted by |G|.

    Attributes
    ----------
    point : float64[n, 3]
        Lattice points G in the crystal frame, 1/Angstrom.
    modulus : float64[n]
    hkl : float64[n, 3]
    unique : int32[n]
        Number of the set of equivalent reflections.
    lookup : int32[2 H + 1, 2 K + 1, 2 L + 1]
        Number of the reflection [h + H, k + K, l + L], -1 where there is none.
    basis, inverse : float64[3, 3]
        Columns a*, b*, c* and the inverse of that matrix.
    overlap : float
        Half the shortest distance between lattice points: peaks that reach farther have to share pixels.
    """

    point: NDArray[np.float64]
    modulus: NDArray[np.float64]
    hkl: NDArray[np.float64]
    unique: NDArray[np.int32]
    lookup: NDArray[np.int32]
    basis: NDArray[np.float64]
    inverse: NDArray[np.float64]
    overlap: float

    def count(self, limit: float) -> int:
        """Number of reflections with |G| <= limit (1/Angstrom)."""
        return int(np.searchsorted(self.modulus, limit * (1 + 1e-9), side="right"))


def index_operators(lattice: Lattice, operators: NDArray[np.float64], tolerance: float = 0.02) -> NDArray[np.int64]:
    """Operators on indices, int64[n, 3, 3] (column vectors h, k, l), of Cartesian ones float64[n, 3, 3].

    Raises
    ------
    DataError
        An operator does not map the lattice to itself.
    """
    exact = np.linalg.inv(lattice.reciprocal) @ operators @ lattice.reciprocal
    found = np.round(exact)
    worst = np.abs(exact - found).max(axis=(1, 2))
    if worst.max() > tolerance:
        raise DataError(
            f"symmetry operator {int(worst.argmax()) + 1} does not map the lattice {tuple(round(value, 3) for value in lattice.cell)} to "
            f"itself (off by {worst.max():.3f} of a lattice vector); operators must be Cartesian, in the axes of the cell"
        )
    return found.astype(np.int64)


def lattice_table(lattice: Lattice, operators: NDArray[np.int64], inner: float, outer: float) -> LatticeTable:
    """All reflections with inner <= |G| <= outer (1/Angstrom), equivalent ones (by `operators` on indices, and Friedel's law) joined.

    Raises
    ------
    DataError
        There is none.
    """
    largest = np.ceil(outer * np.linalg.norm(lattice.basis, axis=0)).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in largest), indexing="ij"), axis=-1).reshape(-1, 3)
    modulus = np.linalg.norm(grid @ lattice.reciprocal.T, axis=1)
    kept = (modulus >= inner) & (modulus <= outer * (1 + 1e-9)) & (modulus > 0)
    if not kept.any():
        raise DataError(f"no reflection of the lattice lies between {inner:.4g} and {outer:.4g} 1/Angstrom; check the cell and the cutoffs")
    hkl, modulus = grid[kept], modulus[kept]
    order = np.lexsort((hkl[:, 2], hkl[:, 1], hkl[:, 0], np.round(modulus / outer, 9)))
    hkl, modulus = hkl[order], modulus[order]
    lookup = np.full(2 * largest + 1, -1, np.int32)
    lookup[tuple((hkl + largest).T)] = np.arange(len(hkl))
    representative = representatives(hkl, operators)
    _, unique = np.unique(representative, axis=0, return_inverse=True)
    shortest = shortest_vectors(lattice)
    return LatticeTable(
        np.ascontiguousarray(hkl @ lattice.reciprocal.T),
        np.maximum.accumulate(modulus),
        hkl.astype(np.float64),
        _by_first_use(unique.reshape(-1)),
        lookup,
        np.ascontiguousarray(lattice.reciprocal),
        np.asarray(np.linalg.inv(lattice.reciprocal), np.float64),
        shortest / 2,
    )


def representatives(hkl: NDArray, operators: NDArray[np.int64]) -> NDArray[np.int64]:
    """One of each set of reflections that are equivalent by `operators` and Friedel's law, int64[n, 3]: the largest h, then k, then l."""
    best = np.full((len(hkl), 3), np.iinfo(np.int32).min, np.int64)
    for operator in np.concatenate([operators, -operators]):
        image = np.asarray(hkl, np.int64) @ operator.T
        larger = np.zeros(len(hkl), bool)
        undecided = np.ones(len(hkl), bool)
        for axis in range(3):
            larger |= undecided & (image[:, axis] > best[:, axis])
            undecided &= image[:, axis] == best[:, axis]
        best[larger] = image[larger]
    return best


def shortest_vectors(lattice: Lattice) -> float:
    """Shortest distance between two points of the reciprocal lattice, also where the basis is oblique."""
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(steps @ lattice.reciprocal.T, axis=1)
    return float(lengths[lengths > 0].min())


def _by_first_use(numbers: NDArray) -> NDArray[np.int32]:
    """The same classes numbered in the order in which they first occur."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
