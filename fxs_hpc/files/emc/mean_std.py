"""intens-mean-std.dat: integrated intensities before symmetrisation, with standard deviations.

Text, a line ``number h k l I std`` for every reflection that was seen. The standard deviations written here come from the scatter
between frames (`emc.uncertainty`); those of the reference program hold photon noise alone.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text


class MeanStd(NamedTuple):
    """Number i4[n] among all reflections, hkl i4[n, 3], intensity f8[n], std f8[n]."""

    number: NDArray[np.int32]
    hkl: NDArray[np.int32]
    intensity: NDArray[np.float64]
    std: NDArray[np.float64]


def write(path: Path, values: MeanStd) -> None:
    """Write the reflections that were seen."""
    rows = zip(values.number.tolist(), values.hkl.tolist(), values.intensity.tolist(), values.std.tolist())
    write_text(path, "".join(f"{n} {h} {k} {l} {mean:12.5e} {std:12.5e}\n" for n, (h, k, l), mean, std in rows))


def read(path: Path) -> MeanStd:
    """Read the file.

    Raises
    ------
    InputFileError
        It is missing, cut off, or holds something else.
    """
    try:
        numbers = np.array(Path(path).read_text().split(), float)
        table = numbers.reshape(-1, 6)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputFileError(f"{path}: expected lines `number h k l I std`; it is cut off or another file") from None
    return MeanStd(table[:, 0].astype(np.int32), table[:, 1:4].astype(np.int32), table[:, 4].copy(), table[:, 5].copy())
