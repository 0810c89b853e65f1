"""outlier-<tag>.dat: pixels of one frame above what its background allows.

Text, a line ``pixel count`` each: full detector index and photons, in the order of rec-vectors.bin (ascending |q|).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError


def text(pixel: NDArray[np.int32], count: NDArray[np.int32]) -> str:
    """What the file holds."""
    return "".join([f"{index} {photons}\n" for index, photons in zip(pixel.tolist(), count.tolist(), strict=True)])


def read(path: Path | str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Pixels int32[n] and photons int32[n] of one frame.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    """
    try:
        numbers = np.array(Path(path).read_bytes().split(), np.int32).reshape(-1, 2)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); run `fxs-hpc emc make-background`") from None
    except ValueError:
        raise InputFileError(f"{path}: expected two whole numbers a line; run `fxs-hpc emc make-background` again") from None
    return np.ascontiguousarray(numbers[:, 0]), np.ascontiguousarray(numbers[:, 1])
