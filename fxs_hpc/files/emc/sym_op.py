"""aux/sym-op.dat: symmetry operators of the Laue group.

Text: the number of operators, then a line of nine numbers for each, a matrix row by row that acts on vectors of the crystal frame (the axes
of basis-vec.dat). The whole Laue group, half of it proper; here with all digits of a double (the reference program writes four).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.symmetry import LaueGroup, of_matrices
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.atomic import write_text

AGAIN = "run `fxs-hpc emc make-sym-op`"


def write(path: Path, group: LaueGroup, number: str = "%.17g") -> None:
    """Write the operators, each number in the format `number`; ``%1.3e`` is that of the reference program."""
    lines = ["".join(f"{number % value} " for value in matrix.ravel()) for matrix in group.matrices]
    write_text(path, "\n".join([str(len(group)), *lines]) + "\n")


def read(path: Path, lattice: Lattice) -> LaueGroup:
    """Read the operators and sharpen them: numbers with few digits become those of the exact group on the lattice.

    Raises
    ------
    InputFileError
        The file is missing, damaged, or its operators are no Laue group of the lattice.
    """
    matrices = read_matrices(path)
    try:
        return of_matrices(matrices, lattice)
    except DataError as error:
        raise InputFileError(f"{path}: {error}; {AGAIN} to have them made") from None


def read_matrices(path: Path) -> NDArray[np.float64]:
    """The matrices as they stand in the file, float64[s, 3, 3]."""
    try:
        words = Path(path).read_text().split()
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from None
    try:
        count, numbers = int(words[0]), np.array(words[1:], float)
    except (ValueError, IndexError):
        raise InputFileError(f"{path}: expected the number of operators and nine numbers for each; {AGAIN} again") from None
    if count < 1 or len(numbers) != 9 * count:
        raise InputFileError(f"{path}: {len(numbers)} numbers for {count} operators, expected {9 * count}; {AGAIN} again")
    matrices = numbers.reshape(-1, 3, 3)
    if np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(3)).max() > 5e-3:
        raise InputFileError(f"{path}: a matrix is not orthogonal; expected rotations, mirrors and inversions; {AGAIN} again")
    return matrices
