"""r2peak and peak2r: for each rotation its reflections with their pixels, and for each reflection its rotations.

For each list int32 count, then count triples of int32: number of the reflection (rotation), first and last corner of the box of pixels.
There is no index: the place of a list follows from the lengths of those before.
"""

from collections.abc import Iterable
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.peak_maps import PeakMap
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing

INT = np.dtype("<i4")
AGAIN = "run `fxs-hpc emc make-Ematrix` again"


def size(lists: int, entries: int) -> int:
    """Bytes of a file."""
    return INT.itemsize * (lists + 3 * entries)


def packed(peaks: PeakMap) -> NDArray[np.int32]:
    """The lists as they lie in the file, int32[n + 3 m]."""
    flat = np.empty(len(peaks) + 3 * len(peaks.entries), INT)
    heads = _head_places(peaks.first)[:-1]
    body = np.ones(len(flat), bool)
    body[heads] = False
    flat[heads] = peaks.counts
    flat[body] = peaks.entries.ravel()
    return flat


def write(path: Path, parts: Iterable[PeakMap]) -> None:
    """Write a map, given in one part or in several whose lists follow one another."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            packed(part).tofile(file)


def index(path: Path, lists: int | None = None) -> NDArray[np.int64]:
    """Where the entries of each list begin, int64[n + 1], counted in entries.

    Parameters
    ----------
    lists : int, optional
        Number of lists there must be: rotations or reflections.

    Raises
    ------
    InputFileError
        The file is missing, cut off, or has another number of lists.
    """
    flat = mapped(path)
    heads = _heads(flat)
    if heads[-1] != len(flat):
        raise InputFileError(f"{path}: list {len(heads) - 2} does not fit the file; it is cut off or no map of peaks; {AGAIN}")
    if lists is not None and len(heads) - 1 != lists:
        raise InputFileError(
            f"{path}: {len(heads) - 1} lists, expected {lists}: it was made with other rotations, lattice or cutoff; {AGAIN}"
        )
    return (heads - np.arange(len(heads))) // 3


def read(path: Path, lists: int | None = None) -> PeakMap:
    """Read a whole map; see `index` for `lists` and the errors."""
    first = index(path, lists)
    return PeakMap(first, read_entries(path, first, 0, len(first) - 1))


def read_entries(path: Path, first: NDArray[np.int64], start: int, stop: int) -> NDArray[np.int32]:
    """Entries int32[m, 3] of lists start .. stop - 1, with `first` from `index`."""
    places = _head_places(first[start : stop + 1]) + 3 * first[start] + start
    return np.delete(mapped(path)[places[0] : places[-1]], places[:-1] - places[0]).reshape(-1, 3)


def mapped(path: Path) -> NDArray[np.int32]:
    """The file as int32, read from disk where it is touched."""
    path = Path(path)
    try:
        length = path.stat().st_size
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from None
    if length % INT.itemsize:
        raise InputFileError(f"{path}: {length} bytes is no whole number of int32; it is cut off; {AGAIN}")
    return np.memmap(path, INT, "r") if length else np.empty(0, INT)


def _head_places(first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each list has its count and where the last ends, relative to the first count."""
    return 3 * (first - first[0]) + np.arange(len(first))


@numba.njit(cache=True, nogil=True)
def _heads(flat):  # type: ignore[no-untyped-def]
    """Where each list has its count, and where the last one ends (another place than the end of `flat` if lists do not fit)."""
    found = np.empty(1024, np.int64)
    lists = 0
    at = np.int64(0)
    while 0 <= at < flat.shape[0]:
        if lists + 1 == found.shape[0]:
            found = np.concatenate((found, np.empty(found.shape[0], np.int64)))
        found[lists] = at
        lists += 1
        if flat[at] < 0:
            at = np.int64(-1)
            break
        at += 1 + 3 * np.int64(flat[at])
    found[lists] = at
    return found[: lists + 1].copy()
