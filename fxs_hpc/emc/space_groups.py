"""Names of symmetry for other programs, and the reflections that the centring of a space group extinguishes."""

import gemmi
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.symmetry import LaueGroup, laue_indices, of_space_group, space_group_settings
from fxs_hpc.errors import DataError

SYMMORPHIC = (
    "P 1",
    "P 1 2 1",
    "P 1 1 2",
    "P 2 1 1",
    "P 2 2 2",
    "P 4",
    "P 4 2 2",
    "P 3",
    "R 3:R",
    "P 3 2 1",
    "P 3 1 2",
    "R 3 2:R",
    "P 6",
    "P 6 2 2",
    "P 2 3",
    "P 4 3 2",
)
"""One space group of rotations for every Laue group and setting."""


def setting(name: str | None, group: LaueGroup, lattice: Lattice) -> str:
    """Hermann-Mauguin name, with the setting (R 3:R), of the space group `name` in the axes that data of Laue group `group` have.

    Parameters
    ----------
    name : str or None
        Number or symbol of a space group, or of a point or Laue group: what the key space_group holds. Of the settings of a space group
        the first one that has the operators of `group` is taken; without a space group the symmorphic one of rotations.

    Raises
    ------
    DataError
        No setting has this Laue group.
    """
    settings = space_group_settings(name or "")
    if name is None or not settings:
        return symmorphic(group, lattice)
    wanted = {matrix.tobytes() for matrix in group.indices.astype(np.int64)}
    for found in settings:
        if {matrix.tobytes() for matrix in laue_indices(found)} == wanted:
            return str(found.xhm())
    raise DataError(
        f"space_group = {name} has the Laue group {settings[0].laue_str()}, but the data were merged in {group.name} (aux/sym-op.dat), or "
        f"in other axes; run make-sym-op and the stages after it again, or correct space_group"
    )


def centred(name: str, hkl: NDArray) -> NDArray[np.bool_]:
    """Which reflections int[n, 3] the centring of the lattice of space group `name` leaves; screw axes and glide planes do not count."""
    translations = np.array(gemmi.SpaceGroup(name).operations().cen_ops, np.int64)
    return np.asarray(np.all((np.asarray(hkl, np.int64) @ translations.T) % gemmi.Op.DEN == 0, axis=1))


def symmorphic(group: LaueGroup, lattice: Lattice) -> str:
    """The symmorphic space group of rotations that has this Laue group.

    Raises
    ------
    DataError
        The axes of the cell are in no setting that has a name of its own.
    """
    wanted = {matrix.tobytes() for matrix in group.indices}
    for name in SYMMORPHIC:
        try:
            found = of_space_group(name, lattice)
        except DataError:
            continue
        if {matrix.tobytes() for matrix in found.indices} == wanted:
            return name
    raise DataError(f"no space group has the Laue group {group.name} in the axes of this cell; name one with the key space_group")


def main_axis(group: LaueGroup) -> str:
    """The cell axis, a, b or c, about which the rotations of highest order turn; '*': none of the three, or more than one."""
    rotations = group.proper_indices
    # 2 cos(angle) + 1 falls with the angle: the smallest angle, but for the identity, belongs to the highest order.
    traces = np.trace(rotations, axis1=1, axis2=2)
    highest = rotations[traces == max(traces[traces < 3], default=3)]
    fixed = {letter for matrix in highest for letter, column in zip("abc", (matrix.T == np.eye(3)).all(axis=1)) if column}
    return fixed.pop() if len(fixed) == 1 else "*"


def crystfel(group: LaueGroup) -> str:
    """Name of the Laue group in CrystFEL's spelling: 2/m_uab for the unique axis b (without: c), -3_H and -3_R by the axes."""
    axis, name = main_axis(group), group.name
    if name.startswith("-3"):
        if axis == "*":
            return f"{name}_R"
        if name == "-3m":
            name = "-3m1" if _swaps(group, axis) else "-31m"
        name += "_H"
    return f"{name}_ua{axis}" if axis in "ab" else name


def _swaps(group: LaueGroup, axis: str) -> bool:
    """Whether a two-fold axis exchanges the two equal axes of a hexagonal cell (321; 312 has none that does)."""
    first, second, main = np.roll(np.arange(3), 2 - "abc".index(axis))
    turn = np.zeros((3, 3), np.int64)
    turn[first, second] = turn[second, first] = 1
    turn[main, main] = -1
    return bool((group.proper_indices == turn).all(axis=(1, 2)).any())
