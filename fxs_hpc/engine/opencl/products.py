"""Matrix products of an engine step as tables for one batched kernel.

The products are made by the same functions as for the CPU (`engine.polar`, `engine.radial`): triples of NumPy views. Here the views
only tell where a factor lies: every buffer of the device has a stand-in array on the host, whose memory is never touched.
"""

from bisect import bisect, insort
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fxs_hpc.engine.fft import LANES
from fxs_hpc.engine.polar import Product

_FIELDS = 9
"""Numbers that describe a tile, see kernels/multiply.cl."""


@dataclass(frozen=True)
class Tiling:
    """How products are cut: `rows` x `columns` numbers a group, rows=0: as many as there are."""

    rows: int
    columns: int


class Places:
    """Knows the buffer and the offset of every view of the arrays it was told of."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._known: list[tuple[int, int, str, int]] = []
        self._constants: list[NDArray] = []
        self._pooled = 0

    def stand_in(self, name: str, shape: tuple[int, ...]) -> NDArray:
        """Array of `shape` in place of the buffer `name` (of one member); its memory is reserved, never used."""
        array = np.empty(shape, self._dtype)
        self._remember(array, name, 0)
        return array

    def constant(self, array: NDArray) -> NDArray:
        """The same array, from now on part of the buffer 'constants'."""
        array = np.ascontiguousarray(array, self._dtype)
        self._remember(array, "constants", self._pooled)
        self._constants.append(array)
        self._pooled += -(-array.size // LANES) * LANES
        return array

    def _remember(self, array: NDArray, name: str, offset: int) -> None:
        start = array.ctypes.data
        insort(self._known, (start, start + array.nbytes, name, offset))

    def find(self, view: NDArray) -> tuple[str, int]:
        """Buffer and offset of a view."""
        address = view.ctypes.data
        at = bisect(self._known, address, key=lambda known: known[0]) - 1
        if at >= 0 and address < self._known[at][1]:
            start, _, name, offset = self._known[at]
            return name, offset + (address - start) // self._dtype.itemsize
        raise ValueError("a view of an array that belongs to no buffer")

    def constants(self) -> NDArray:
        """All constants in one array, each beginning at a whole vector."""
        pool = np.zeros(max(self._pooled, LANES), self._dtype)
        at = 0
        for array in self._constants:
            pool[at : at + array.size] = array.ravel()
            at += -(-array.size // LANES) * LANES
        return pool


@dataclass(frozen=True)
class Launch:
    """One launch of the product kernel: names of the buffers of A, B, C and the table of tiles (count, 9).

    `together`: the products are those of all members at once, not of each.
    """

    left: str
    right: str
    result: str
    tiles: NDArray[np.int32]
    together: bool = False


def launch(products: list[Product], places: Places, tiling: Tiling, together: bool = False) -> Launch:
    """Table of `products`, whose factors must lie in the same three buffers."""
    entries: list[tuple[int, ...]] = []
    names: dict[str, str] = {}
    for a, b, out in products:
        depth, item = a.shape[1], out.itemsize
        if not out.size:
            continue
        (c_name, c_at) = places.find(out)
        names["result"] = c_name
        a_at = b_at = 0
        if depth:
            (names["left"], a_at), (names["right"], b_at) = places.find(a), places.find(b)
        a_row, b_row, c_row = (view.strides[0] // item for view in (a, b, out))
        rows = tiling.rows or out.shape[0]
        for i in range(0, out.shape[0], rows):
            for j in range(0, out.shape[1], tiling.columns):
                size = (min(rows, out.shape[0] - i), min(tiling.columns, out.shape[1] - j))
                entries.append((a_at + i * a_row, b_at + j, c_at + i * c_row + j, a_row, b_row, c_row, *size, depth))
    # The longest first: groups that start last should not be those that take longest.
    entries.sort(key=lambda entry: -entry[6] * entry[7] * entry[8])
    table = np.array(entries, np.int32).reshape(-1, _FIELDS)
    return Launch(names.get("left", "constants"), names.get("right", "constants"), names["result"], table, together)


def limited(products: list[Product], stored: int, shells: int) -> list[Product]:
    """Products whose columns are (re/im, shells): only the first `shells` of both parts."""
    if shells == stored:
        return products
    return [
        (a, b[:, start : start + shells], out[:, start : start + shells])
        for a, b, out in products
        for start in range(0, out.shape[1], stored)
    ]
