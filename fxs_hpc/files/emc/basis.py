"""aux/basis-vec.dat: the direct lattice.

Text, three lines of three numbers in Angstrom. **Columns** are the vectors a, b, c.
"""

from pathlib import Path

import numpy as np

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.atomic import write_text


def read(path: Path) -> Lattice:
    """Read a lattice.

    Raises
    ------
    InputFileError
        The file is missing or holds something else than three linearly independent vectors.
    """
    try:
        numbers = np.array([line.split() for line in path.read_text().splitlines() if line.split()], float)
        return Lattice(numbers)
    except FileNotFoundError:
        raise InputFileError(
            f"{path} is missing: three lines of three numbers, whose columns are the lattice vectors a, b, c in Angstrom"
        ) from None
    except (ValueError, UnicodeDecodeError):
        raise InputFileError(f"{path}: expected three lines of three numbers (columns a, b, c in Angstrom)") from None
    except DataError as error:
        raise InputFileError(f"{path}: {error}") from None


def write(path: Path, lattice: Lattice) -> None:
    """Write a lattice, with all its digits."""
    write_text(path, "".join(" ".join(f"{value!r}" for value in row) + "\n" for row in lattice.basis.tolist()))
