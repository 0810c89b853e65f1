"""A space group for files that want one, where only the Laue group is known."""

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.symmetry import LaueGroup, of_space_group
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
