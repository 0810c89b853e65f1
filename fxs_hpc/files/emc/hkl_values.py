"""hkl-val.dat: integrated intensities after symmetrisation.

Text: ``hmax kmax lmax count``, then ``h k l sum of the voxels`` for every complete reflection.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text


def write(path: Path, largest: tuple[int, int, int], hkl: NDArray[np.int32], values: NDArray[np.float64]) -> None:
    """Write integrated intensities float64[n] of reflections int32[n, 3]; `largest` indices as in `Reflections.largest_index`."""
    head = " ".join(str(number) for number in (*largest, len(hkl)))
    lines = (f"{h} {k} {l} {value:1.7e}" for (h, k, l), value in zip(hkl.tolist(), values.tolist()))
    write_text(path, "\n".join([head, *lines]) + "\n")


def read(path: Path) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Reflections int32[n, 3] and intensities float64[n].

    Raises
    ------
    InputFileError
        The file is missing, cut off, or holds something else.
    """
    try:
        words = Path(path).read_text().split()
        count, numbers = int(words[3]), np.array(words[4:], float)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, IndexError):
        raise InputFileError(f"{path}: expected `hmax kmax lmax count` and then lines `h k l intensity`") from None
    if len(numbers) != 4 * count:
        raise InputFileError(f"{path}: {len(numbers) // 4} reflections, but its first line says {count}; it is cut off")
    table = numbers.reshape(-1, 4)
    return table[:, :3].astype(np.int32), table[:, 3].copy()
