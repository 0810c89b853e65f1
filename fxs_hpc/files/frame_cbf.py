"""CBF frames (Pilatus, mini-CBF), with a compiled decoder for the byte-offset compression of 32-bit integers.

Byte offset: the difference to the pixel before, in one byte; -128 announces two bytes, -32768 in these four. Other compressions and word
sizes go through fabio, which takes several times as long.
"""

import re
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError

MARK = b"\x0c\x1a\x04\xd5"
"""Between header and data."""
_SIZES = tuple(re.compile(rb"X-Binary-" + name + rb":\s*(\d+)") for name in (b"Size-Second-Dimension", b"Size-Fastest-Dimension", b"Size"))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def decode(data: NDArray[np.uint8], counts: NDArray[np.int32]) -> int:  # pragma: no cover
    """Decode byte-offset `data` into `counts`; return the number of bytes used, or -1 if the data end before."""
    at = np.int64(0)
    end = np.int64(len(data))
    value = np.int32(0)
    for pixel in range(len(counts)):
        if at >= end:
            return -1
        step = np.int32(np.int8(data[at]))
        at += 1
        if step == -128:
            if at + 2 > end:
                return -1
            step = np.int32(np.int16(np.uint16(data[at]) | (np.uint16(data[at + 1]) << np.uint16(8))))
            at += 2
            if step == -32768:
                if at + 4 > end:
                    return -1
                low = np.uint32(data[at]) | (np.uint32(data[at + 1]) << np.uint32(8))
                high = np.uint32(data[at + 2]) | (np.uint32(data[at + 3]) << np.uint32(8))
                step = np.int32(low | (high << np.uint32(16)))
                at += 4
        value = np.int32(value + step)
        counts[pixel] = value
    return int(at)


def read(path: Path | str) -> NDArray[np.int32] | None:
    """Counts int32 (rows, columns) of a byte-offset CBF; None if `path` is a CBF of another kind.

    Raises
    ------
    InputFileError
        The data are cut off, or are not as long as the header says.
    """
    with open(path, "rb") as file:
        content = file.read()
    start = content.find(MARK)
    header = content[: max(start, 0)]
    if b"x-CBF_BYTE_OFFSET" not in header or b'"signed 32-bit integer"' not in header:
        return None
    found = [size.search(header) for size in _SIZES]
    if not all(found):
        raise InputFileError(f"{path}: the CBF header does not give the size of the image")
    rows, columns, length = (int(match[1]) for match in found if match)
    return _decoded(path, np.frombuffer(content, np.uint8, offset=start + len(MARK)), rows, columns, length)


def _decoded(path: Path | str, data: NDArray[np.uint8], rows: int, columns: int, length: int) -> NDArray[np.int32]:
    if len(data) < length:
        raise InputFileError(f"{path}: cut off: {len(data)} bytes of image, expected {length}")
    counts = np.empty(rows * columns, np.int32)
    used = decode(data[:length], counts)
    if used != length:
        raise InputFileError(f"{path}: damaged: {rows} x {columns} pixels do not fill the {length} bytes of the image")
    return counts.reshape(rows, columns)
