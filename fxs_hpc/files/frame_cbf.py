"""CBF frames (Pilatus, mini-CBF), with a compiled decoder for the byte-offset compression of 32-bit integers.

Byte offset: the difference to the pixel before, in one byte; the most negative number of one, two or four bytes announces two, four or
eight. Other compressions and word sizes go through fabio, which takes several times as long.
"""

import re
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError

MARK = b"\x0c\x1a\x04\xd5"
"""Between header and data."""
ESCAPE = 0x80
"""Byte that announces a longer difference."""
_SIZES = tuple(re.compile(rb"X-Binary-" + name + rb":\s*(\d+)") for name in (b"Size-Second-Dimension", b"Size-Fastest-Dimension", b"Size"))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def decode(data: NDArray[np.uint8], counts: NDArray[np.int32]) -> int:  # pragma: no cover
    """Decode byte-offset `data` into `counts`; return the number of bytes used, or -1 if the data end before."""
    at, end = np.uint64(0), np.uint64(len(data))
    pixel, pixels = np.uint64(0), np.uint64(len(counts))
    value = np.int32(0)
    while pixel < pixels:
        stop = min(pixels, pixel + (end - at))
        while pixel < stop and data[at] != ESCAPE:
            value = np.int32(value + np.int8(data[at]))
            counts[pixel] = value
            at += np.uint64(1)
            pixel += np.uint64(1)
        if pixel == pixels:
            break
        if at + np.uint64(3) > end:
            return -1
        step = np.int64(np.int16(_little(data, at + np.uint64(1), 2)))
        at += np.uint64(3)
        for width in (4, 8):
            if step != -(1 << (4 * width - 1)):
                break
            if at + np.uint64(width) > end:
                return -1
            step = np.int64(_little(data, at, width))
            step = np.int64(np.int32(step)) if width == 4 else step
            at += np.uint64(width)
        value = np.int32(value + step)
        counts[pixel] = value
        pixel += np.uint64(1)
    return np.int64(at)  # type: ignore[return-value]


@numba.njit(forceinline=True, nogil=True, error_model="numpy")
def _little(data: NDArray[np.uint8], at: np.uint64, count: int) -> np.uint64:  # pragma: no cover
    """Little-endian number of `count` bytes."""
    value = np.uint64(0)
    for byte in range(count):
        value |= np.uint64(data[at + np.uint64(byte)]) << np.uint64(8 * byte)
    return value


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
