"""c-quaternion<N>.bin: samples of the rotation group.

int32 count, then count records of five float64: q0, q1, q2, q3 (unit quaternion, scalar first) and a weight, not normalised.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.atomic import replacing

HEADER = np.dtype("<i4")
RECORD = np.dtype("<f8")
AGAIN = "run `fxs-hpc emc make-quaternion`"


def size(count: int) -> int:
    """Bytes of a file of `count` samples."""
    return HEADER.itemsize + 5 * RECORD.itemsize * count


def num_div_of(path: Path) -> int:
    """num_div as the name of the file gives it: the digits after `quaternion`.

    Raises
    ------
    InputFileError
        The name holds none.
    """
    found = re.search(r"quaternion(\d+)", Path(path).name)
    if found is None:
        raise InputFileError(
            f"quat_file = {path}: the name must contain quaternion<N>, N = divisions of the edges of the 600-cell (c-quaternion70.bin)"
        )
    return int(found.group(1))


def write(path: Path, count: int, blocks: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> None:
    """Write samples as they come.

    Parameters
    ----------
    count : int
        How many there will be.
    blocks : iterable of (quaternions float64[m, 4], weights float64[m])
    """
    if count > np.iinfo(HEADER).max:
        raise DataError(f"{path}: {count} rotations, but the file counts them in 32 bits; use a coarser sampling")
    written = 0
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.array(count, HEADER).tofile(file)
        for quaternions, weights in blocks:
            np.column_stack([quaternions, weights]).astype(RECORD, copy=False).tofile(file)
            written += len(weights)
        if written != count:
            raise DataError(f"{path}: {written} rotations came where {count} were announced")


def read_count(path: Path) -> int:
    """Number of samples.

    Raises
    ------
    InputFileError
        The file is missing, or its size is not what its header says.
    """
    try:
        header = np.fromfile(path, HEADER, 1)
        found = Path(path).stat().st_size
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from None
    if len(header) != 1 or header[0] < 0 or found != size(int(header[0])):
        expected = f"{size(int(header[0]))} bytes by its header" if len(header) == 1 else "4 bytes at least"
        raise InputFileError(f"{path}: {found} bytes, expected {expected}: it is cut off or no quaternion file; {AGAIN} again")
    return int(header[0])


def mapped(path: Path) -> NDArray[np.float64]:
    """The records float64[N, 5], read from disk where they are touched: memory that all ranks of a node have in common."""
    count = read_count(path)
    if count == 0:
        return np.empty((0, 5))
    return np.memmap(path, RECORD, "r", HEADER.itemsize, (count, 5))


def read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quaternions float64[N, 4] and weights float64[N]."""
    records = mapped(path)
    return np.ascontiguousarray(records[:, :4]), np.ascontiguousarray(records[:, 4])
