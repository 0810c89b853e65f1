"""ave_bg-<tag>.bin: radial background of one frame.

float64[QL]: photons per pixel whose `polar` is 1, in QL bins of equal width from |q| = 0 to q_max; -1 = bin without pixels or with a ring.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError


def content(background: NDArray[np.float64]) -> bytes:
    """What the file holds."""
    return background.astype("<f8").tobytes()


def read(path: Path | str, bins: int) -> NDArray[np.float64]:
    """Background float64[bins] of one frame.

    Raises
    ------
    InputFileError
        The file is missing, or has another number of bins.
    """
    try:
        background = np.fromfile(path, "<f8")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); run `fxs-hpc emc make-background`") from None
    if len(background) != bins:
        raise InputFileError(
            f"{path}: {len(background)} radial bins, expected qlen = {bins}: it is cut off or of another run; "
            "run `fxs-hpc emc make-background` again"
        )
    return background
