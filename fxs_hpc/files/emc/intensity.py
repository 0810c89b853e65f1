"""start_intensity.bin, finish_intensity.bin: voxels of all reflections, float64, one reflection after the other.

The file does not say which reflections and voxels it holds: their order is that of `emc.reflections.complete_reflections`.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing

RECORD = np.dtype("<f8")


def read(path: Path, voxels: int) -> NDArray[np.float64]:
    """Voxel values float64[voxels].

    Raises
    ------
    InputFileError
        The file is missing, has another size, or holds values that are not finite.
    """
    try:
        values = np.fromfile(path, RECORD)
        size = Path(path).stat().st_size
    except OSError as error:
        raise InputFileError(f"{path}: the intensity cannot be read ({error.strerror})") from None
    if size != voxels * RECORD.itemsize:
        raise InputFileError(
            f"{path}: {size} bytes, but lattice and cutoff give {voxels} voxels of 8 bytes; it was made with another cell, VN, gw, cutoff "
            "or beam stop"
        )
    if not np.all(np.isfinite(values)):
        raise InputFileError(f"{path}: {np.count_nonzero(~np.isfinite(values))} of {voxels} voxels are not finite")
    return values


def write(path: Path, intensity: NDArray[np.float64]) -> None:
    """Write voxel values."""
    with replacing(path) as temporary:
        np.ascontiguousarray(intensity, RECORD).tofile(temporary)
