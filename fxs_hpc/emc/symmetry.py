"""Laue groups of a crystal: which reflections and which orientations are the same.

An operator is a pair of matrices: integers that act on Miller indices (hkl as a column), and an orthogonal matrix that acts on vectors of
the crystal frame. They describe the same motion: S G = G M, with the columns of G = a*, b*, c*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import gemmi
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.quaternions import quaternions_of
from fxs_hpc.errors import DataError

METRIC_TOLERANCE = 5e-3
"""Relative change of the metric tensor by an operator up to which the cell counts as obeying it: cells are given with few digits."""
NAMES = {
    (2, 1): "-1",
    (4, 2): "2/m",
    (8, 2): "mmm",
    (8, 4): "4/m",
    (16, 4): "4/mmm",
    (6, 3): "-3",
    (12, 3): "-3m",
    (12, 6): "6/m",
    (24, 6): "6/mmm",
    (24, 3): "m-3",
    (48, 4): "m-3m",
}
"""The eleven Laue groups by number of operators and highest order of a rotation."""
_ORDER_OF_TRACE = {3: 1, -1: 2, 0: 3, 1: 4, 2: 6}


@dataclass(frozen=True)
class LaueGroup:
    """All operators of a Laue group, proper ones first, the identity before all.

    Attributes
    ----------
    indices : int64[s, 3, 3]
        Act on Miller indices: hkl' = indices @ hkl.
    matrices : float64[s, 3, 3]
        Act on vectors of the crystal frame (Cartesian), reciprocal or direct.
    """

    indices: NDArray[np.int64]
    matrices: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def name(self) -> str:
        """Hermann-Mauguin symbol."""
        orders = [_ORDER_OF_TRACE[int(np.trace(matrix))] for matrix in self.proper_indices]
        return NAMES[len(self), max(orders)]

    @property
    def proper_indices(self) -> NDArray[np.int64]:
        """`indices` of the rotations, int64[s / 2, 3, 3]."""
        return self.indices[: len(self) // 2]

    @property
    def proper(self) -> NDArray[np.float64]:
        """`matrices` of the rotations, float64[s / 2, 3, 3]."""
        return self.matrices[: len(self) // 2]

    @cached_property
    def quaternions(self) -> NDArray[np.float64]:
        """The rotations as quaternions of `emc.quaternions`, float64[s / 2, 4]: orientations q and q s are the same."""
        return quaternions_of(self.proper)

    def images(self, hkl: NDArray) -> NDArray[np.int64]:
        """Equivalent reflections of int[n, 3], operator by operator: int64[s, n, 3]."""
        return np.einsum("sij,nj->sni", self.indices, np.asarray(hkl, np.int64))


def laue_group(indices: NDArray, lattice: Lattice) -> LaueGroup:
    """The Laue group that operators on Miller indices generate on a lattice.

    The inversion is added where it is missing. The orthogonal matrices are exact: where the cell obeys the group only to its digits they
    are those of the nearest cell that obeys it, the one whose metric tensor is the mean over the group.

    Parameters
    ----------
    indices : int[m, 3, 3]
        Some or all operators.

    Raises
    ------
    DataError
        The operators generate no finite group, or they do not map the lattice to itself.
    """
    group = _closed(np.asarray(indices, np.int64))
    metric = lattice.reciprocal.T @ lattice.reciprocal
    moved = np.einsum("sji,jk,skl->sil", group, metric, group)
    misfit = misfit_of(group, lattice)
    if misfit.max() > METRIC_TOLERANCE:
        worst = group[np.argmax(misfit)].tolist()
        cell = ", ".join(f"{value:.6g}" for value in lattice.cell)
        raise DataError(
            f"the cell {cell} (Angstrom, degrees) does not have the symmetry asked for: the operator {worst} on hkl changes "
            f"lengths and angles by up to {misfit.max():.2g} (at most {METRIC_TOLERANCE:g} is put down to rounding); check the "
            f"space group and its setting, and the order of a, b, c in basis-vec.dat"
        )
    rotation, _ = _polar(lattice.reciprocal)
    exact = rotation @ _root(moved.mean(axis=0))
    return LaueGroup(group, _clean(exact @ group @ np.linalg.inv(exact)))


def misfit_of(indices: NDArray, lattice: Lattice) -> NDArray[np.float64]:
    """How much each operator changes the metric tensor of the reciprocal lattice, relative to its lengths; float64[s]."""
    metric = lattice.reciprocal.T @ lattice.reciprocal
    lengths = np.sqrt(np.diag(metric))
    moved = np.einsum("sji,jk,skl->sil", indices, metric, indices)
    return np.abs((moved - metric) / np.outer(lengths, lengths)).max(axis=(1, 2))


def of_matrices(matrices: NDArray[np.float64], lattice: Lattice) -> LaueGroup:
    """The Laue group of Cartesian operators that may have few digits: the exact group on the lattice that they stand for.

    Parameters
    ----------
    matrices : float64[s, 3, 3]
        Act on vectors of the crystal frame.

    Raises
    ------
    DataError
        An operator does not map the lattice to itself, or operators are missing.
    """
    exact = np.linalg.solve(lattice.reciprocal, matrices @ lattice.reciprocal)
    indices = np.rint(exact).astype(np.int64)
    if np.abs(exact - indices).max() > 0.1:
        worst = int(np.argmax(np.abs(exact - indices).max(axis=(1, 2))))
        raise DataError(
            f"operator {worst + 1} does not map the lattice to itself: on hkl it is {np.round(exact[worst], 3).tolist()}, expected "
            f"whole numbers; check that the operators are in the axes of basis-vec.dat"
        )
    group = laue_group(indices, lattice)
    if len(group) != len(np.unique(indices, axis=0)):
        raise DataError(
            f"{len(np.unique(indices, axis=0))} different operators are given, but together with the inversion they generate the "
            f"{len(group)} of the Laue group {group.name}; all of them are needed"
        )
    return group


def of_space_group(name: str, lattice: Lattice) -> LaueGroup:
    """The Laue group of a space group or point group, in the setting that the cell has.

    Parameters
    ----------
    name : str
        Number (96), symbol of the space group (P 43 21 2, P43212, P_43_21_2) or of the point or Laue group (422, 4/mmm); 1 .. 230 is
        always the number of a space group. Where several settings (unique axis, hexagonal or rhombohedral axes) belong to a space group
        the first one that the cell obeys is taken.

    Raises
    ------
    DataError
        The name is unknown, the cell obeys none of the settings, or it obeys several of a point group.
    """
    spaces, points = _settings(name)
    groups = spaces or points
    if not groups:
        raise DataError(
            f"space_group = {name}: no space group or point group of this name; give a number (96), a symbol (P43212) or a point "
            f"group (422, 4/mmm)"
        )
    fits = [misfit_of(group, lattice).max() for group in groups]
    good = [group for group, fit in zip(groups, fits) if fit <= METRIC_TOLERANCE]
    if points and len(good) > 1:
        raise DataError(
            f"space_group = {name}: the cell allows {len(good)} settings of this point group (which axis is meant?); give the symbol of a "
            f"space group, P 1 2/m 1 or P -3 1 m for example"
        )
    try:
        return laue_group(good[0] if good else groups[int(np.argmin(fits))], lattice)
    except DataError as error:
        raise DataError(f"space_group = {name} ({len(groups)} settings tried): {error}") from None


def of_lattice(lattice: Lattice) -> LaueGroup:
    """The highest symmetry that the cell allows, that of the lattice of a, b, c itself."""
    cell = gemmi.UnitCell(*lattice.cell)
    return laue_group(_on_indices(gemmi.find_lattice_symmetry(cell, "P", np.degrees(METRIC_TOLERANCE))), lattice)


def space_group_settings(name: str) -> list[gemmi.SpaceGroup]:
    """All settings of the space group that `name` means, the one that is named first; none where it names no space group."""
    text = name.replace("_", " ").strip()
    is_number = text.isdigit() and 1 <= int(text) <= 230
    found = gemmi.find_spacegroup_by_number(int(text)) if is_number else gemmi.find_spacegroup_by_name(text)
    if found is None or not (is_number or text[0].lower() in "pabcfirh"):
        return []
    return [found, *(group for group in gemmi.spacegroup_table() if group.number == found.number)]


def laue_indices(group: gemmi.SpaceGroup) -> NDArray[np.int64]:
    """Operators int64[s, 3, 3] of its Laue group on (h, k, l) as a column."""
    return _closed(_on_indices(group.operations()))


def _settings(name: str) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Laue groups on hkl that `name` can mean, the most likely first: settings of a space group, or those of a point group."""
    if spaces := space_group_settings(name):
        return _different(spaces), []
    compact = name.replace("_", "").replace(" ", "").lower()
    table = list(gemmi.spacegroup_table())
    bare = {"-3m1": "-3m", "-31m": "-3m", "321": "32", "312": "32", "3m1": "3m", "31m": "3m"}.get(compact)
    if bare is None:
        return [], _different([group for group in table if compact in (group.point_group_hm(), group.laue_str())])
    return [], _different([group for group in table if group.point_group_hm() == bare and group.hm.replace(" ", "")[1:] == compact])


def _different(groups: Sequence[gemmi.SpaceGroup]) -> list[NDArray[np.int64]]:
    """Laue groups on hkl, each once."""
    different: dict[bytes, NDArray[np.int64]] = {}
    for group in groups:
        closed = laue_indices(group)
        different.setdefault(np.unique(closed, axis=0).tobytes(), closed)
    return list(different.values())


def _on_indices(operations: gemmi.GroupOps) -> NDArray[np.int64]:
    """Point operators on Miller indices: hkl as a row times the rotation part, hence its transpose on columns."""
    parts = np.array([operator.rot for operator in operations.sym_ops], np.int64) // gemmi.Op.DEN
    return np.unique(parts.transpose(0, 2, 1), axis=0)


def _closed(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """The group generated by `indices` and the inversion: identity first, then rotations, then their inverted copies."""
    group = np.unique(np.concatenate([np.eye(3, dtype=np.int64)[None], indices, -indices]), axis=0)
    while True:
        products = np.unique((group[:, None] @ group[None]).reshape(-1, 3, 3), axis=0)
        if len(products) == len(group):
            break
        if len(products) > 48:
            raise DataError(f"the operators generate more than 48 motions ({len(products)}): they belong to no point group")
        group = products
    rotations = group[np.rint(np.linalg.det(group)) > 0]
    first = np.argsort(-np.trace(rotations, axis1=1, axis2=2), kind="stable")
    return np.concatenate([rotations[first], -rotations[first]])


def _polar(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Orthogonal and symmetric factor."""
    left, values, right = np.linalg.svd(matrix)
    return left @ right, right.T * values @ right


def _root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root of a positive symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values) @ vectors.T


def _clean(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthogonal to the last digit; what is rounding of 0, 1/2 or 1 becomes these."""
    left, _, right = np.linalg.svd(matrices)
    exact = left @ right
    near = np.rint(2 * exact) / 2
    return np.where(np.abs(exact - near) < 1e-13, near, exact) + 0.0
