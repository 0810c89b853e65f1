"""make-detector/rec-vectors.bin: reciprocal vectors of the usable pixels.

int32 q_max, q_min, NPIX, then NPIX records of four float64: q_x, q_y, q_z in pixel units, and `polar`, polarisation times solid angle with
the maximum 1; ascending |q|. rec2pix-map beside it says which pixels of the raster these are.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.detector import Geometry, Pixels
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.emc import pix_map

HEADER = np.dtype("<i4")
RECORD = np.dtype("<f8")
AGAIN = "run `fxs-hpc emc make-detector`"


class Header(NamedTuple):
    """First three numbers of the file."""

    q_max: int
    q_min: int
    pixels: int


def write(path: Path, pixels: Pixels, geometry: Geometry) -> None:
    """Write `path`; pix_map.write writes the maps that belong to it."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.array([geometry.q_max, geometry.q_min, len(pixels)], HEADER).tofile(file)
        np.column_stack([pixels.q, pixels.polar]).astype(RECORD).tofile(file)


def read_header(path: Path) -> Header:
    """q_max, q_min (pixel units) and number of pixels.

    Raises
    ------
    InputFileError
        The file is missing, or its size is not what its header says.
    """
    try:
        numbers = np.fromfile(path, HEADER, 3).tolist()
        size = path.stat().st_size
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from None
    if len(numbers) < 3 or size != 12 + 32 * numbers[2]:
        expected = f"{12 + 32 * numbers[2]} bytes by its header" if len(numbers) == 3 else "12 bytes at least"
        raise InputFileError(f"{path}: {size} bytes, expected {expected}: it is cut off or no file of reciprocal vectors; {AGAIN} again")
    return Header(*numbers)


def read_records(path: Path) -> NDArray[np.float64]:
    """float64[NPIX, 4]: q in pixel units and polar."""
    header = read_header(path)
    return np.fromfile(path, RECORD, offset=12).reshape(header.pixels, 4)


def read(path: Path, shape: tuple[int, int]) -> Pixels:
    """Read `path` and rec2pix-map beside it.

    Parameters
    ----------
    shape : (rows, columns) of the raster.

    Raises
    ------
    InputFileError
        One of the files is missing or damaged, or is about a detector of another shape.
    """
    records = read_records(path)
    index = pix_map.read_index(path.parent, len(records))
    check_shape(path, index, shape)
    return Pixels(np.ascontiguousarray(records[:, :3]), np.ascontiguousarray(records[:, 3]), index, shape)


def check_shape(path: Path, index: NDArray, shape: tuple[int, int]) -> None:
    """Whether `index` can be of a raster of `shape`."""
    if len(index) and index.max() >= shape[0] * shape[1]:
        raise InputFileError(
            f"{path.parent / 'rec2pix-map.bin'}: pixel {index.max()}, but the detector has {shape[0]} x {shape[1]} = "
            f"{shape[0] * shape[1]}; {AGAIN} again"
        )
