"""Which pixels see which reflections in a rotation.

Pixel q sees reflection g in rotation R where |R q - g| <= t. Pixels lie on the Ewald sphere, so only reflections within t of it are seen,
and since |R q - g| = |q - R^T g|, the pixels of one lie in a square of half edge t around R^T g in the plane of q_x, q_y. Pixels are
sorted into square cells of that plane: a rotation costs a look at every reflection and at some tens of pixels for each near the sphere,
whatever the size and the panels of the detector.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece
from fxs_hpc.emc.detector import Pixels
from fxs_hpc.emc.peak_maps import PeakMap
from fxs_hpc.emc.reflections import TIE

NONE = np.int32(2**31 - 1)
"""Rank of no pixel."""
U = np.uint64
"""Type of the innermost indices: a signed index costs a test for negative values, which keeps loops scalar."""


class PixelCells(NamedTuple):
    """Pixels sorted into cells of the plane of q_x and q_y.

    q f8[3, n] (pixel units), rank i4[n] (place by ascending |q|), row i4[n], column i4[n], all in the order of the cells; first i8[cells
    + 1]; origin of the first cell, edge of a cell, shape of the raster of cells.
    """

    q: NDArray[np.float64]
    rank: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    first: NDArray[np.int64]
    x: float
    y: float
    edge: float
    rows: int
    columns: int


@dataclass(frozen=True)
class Sphere:
    """The Ewald sphere and the detector's pixels on it.

    Attributes
    ----------
    beam : float64[3]
        Incident beam of length D, pixel units: pixels q obey |q + beam| = D.
    cells : PixelCells
    raster_columns : int
        Columns of the detector's raster.
    radius : float
        Radius of a Bragg peak in pixel units.
    """

    beam: NDArray[np.float64]
    cells: PixelCells
    raster_columns: int
    radius: float


def sphere(pixels: Pixels, count: int, beam: NDArray[np.float64], radius: float) -> Sphere:
    """The first `count` pixels (those up to a cutoff), for peaks of a radius in pixel units."""
    q = pixels.q[:count]
    x, y = q[:, :2].min(axis=0) if count else (0.0, 0.0)
    edge = max(radius, 1.0)
    place = np.floor((q[:, :2] - (x, y)) / edge).astype(np.int64)
    rows, columns = (place.max(axis=0) + 1) if count else (1, 1)
    cell = place[:, 0] * columns + place[:, 1]
    order = np.argsort(cell, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=rows * columns))]).astype(np.int64)
    row, column = np.divmod(pixels.index[:count][order], pixels.shape[1])
    cells = PixelCells(
        np.ascontiguousarray(q[order].T),
        order.astype(np.int32),
        row.astype(np.int32),
        column.astype(np.int32),
        first,
        float(x),
        float(y),
        float(edge),
        int(rows),
        int(columns),
    )
    return Sphere(np.asarray(beam, np.float64), cells, pixels.shape[1], radius)


def peak_boxes(matrices: NDArray[np.float64], positions: NDArray[np.float64], ewald: Sphere) -> PeakMap:
    """The reflections of each rotation with the box around their pixels, in the order of the first pixel by ascending |q|.

    Parameters
    ----------
    matrices : float64[m, 3, 3]
        Rotations from the laboratory to the crystal.
    positions : float64[n, 3]
        Reflections in the crystal, pixel units.
    ewald : Sphere
    """
    counts = np.empty(len(matrices), np.int64)
    turned = np.ascontiguousarray(positions.T)
    entries = _boxes(np.ascontiguousarray(matrices), turned, ewald.beam, ewald.radius, ewald.cells, ewald.raster_columns, counts)
    return PeakMap(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), entries)


def transposed(packed: NDArray[np.int32], low: int, counts: NDArray[np.int64]) -> PeakMap:
    """The rotations of some reflections with their boxes, ascending.

    Parameters
    ----------
    packed : int32[n]
        Lists of all rotations as they lie in a file: count, then count triples.
    low : int
        First of the reflections.
    counts : int64[m]
        Entries of reflections low .. low + m - 1.
    """
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    entries = np.empty((first[-1], 3), np.int32)
    _scatter(packed, low, first[:-1].copy(), entries)
    return PeakMap(first, entries)


@kernel
def _scatter(packed, low, place, entries):  # type: ignore[no-untyped-def]
    """Put the entries of reflections low .. low + len(place) - 1 where their lists go."""
    at = 0
    rotation = 0
    while at < packed.shape[0]:
        stop = at + 1 + 3 * packed[at]
        for i in range(at + 1, stop, 3):
            reflection = packed[i] - low
            if 0 <= reflection < place.shape[0]:
                to = place[reflection]
                entries[to, 0], entries[to, 1], entries[to, 2] = rotation, packed[i + 1], packed[i + 2]
                place[reflection] = to + 1
        at = stop
        rotation += 1


@kernel
def _boxes(matrices, positions, beam, radius, cells, raster_columns, counts):  # type: ignore[no-untyped-def]
    """Entries of all rotations, int32[n, 3]; how many each has goes into `counts`."""
    D = np.sqrt(beam[0] ** 2 + beam[1] ** 2 + beam[2] ** 2)
    reach = radius * (1 + 1e-6)
    low, high = max(D - reach, 0.0) ** 2, (D + reach) ** 2
    squares, chosen = np.empty(positions.shape[1]), np.empty(positions.shape[1] + 1, np.int64)
    entries, order = np.empty((4096, 3), np.int32), np.empty(4096, np.int32)
    box = np.empty(5, np.int32)
    end = 0
    for m in range(matrices.shape[0]):
        near = _near_sphere(matrices[m], positions, beam, low, high, squares, chosen)
        if end + near > order.shape[0]:
            entries, order = np.concatenate((entries, np.empty_like(entries))), np.concatenate((order, np.empty_like(order)))
        begin = end
        for c in range(near):
            n = chosen[c]
            _look(matrices[m], positions[0, n], positions[1, n], positions[2, n], radius, cells, box)
            if box[0] != NONE:
                _insert(n, box, raster_columns, begin, end, entries, order)
                end += 1
        counts[m] = end - begin
    return entries[:end].copy()


@piece
def _near_sphere(matrix, positions, beam, low, high, squares, chosen):  # type: ignore[no-untyped-def]
    """Reflections whose squared distance from the centre of the Ewald sphere lies between `low` and `high`; how many there are."""
    x = matrix[0, 0] * beam[0] + matrix[0, 1] * beam[1] + matrix[0, 2] * beam[2]
    y = matrix[1, 0] * beam[0] + matrix[1, 1] * beam[1] + matrix[1, 2] * beam[2]
    z = matrix[2, 0] * beam[0] + matrix[2, 1] * beam[1] + matrix[2, 2] * beam[2]
    count = U(positions.shape[1])
    for n in range(count):
        squares[n] = (positions[0, n] + x) ** 2 + (positions[1, n] + y) ** 2 + (positions[2, n] + z) ** 2
    near = U(0)
    for n in range(count):
        chosen[near] = n
        near += U((squares[n] >= low) & (squares[n] <= high))
    return near


@piece
def _look(matrix, gx, gy, gz, radius, cells, box):  # type: ignore[no-untyped-def]
    """Least rank, least and largest row, least and largest column of the pixels that see a reflection; rank NONE where none does."""
    x = matrix[0, 0] * gx + matrix[1, 0] * gy + matrix[2, 0] * gz
    y = matrix[0, 1] * gx + matrix[1, 1] * gy + matrix[2, 1] * gz
    z = matrix[0, 2] * gx + matrix[1, 2] * gy + matrix[2, 2] * gz
    limit, reach = radius * radius * (1 + TIE), radius * (1 + 1e-6)
    top, bottom = int(np.floor((x - reach - cells.x) / cells.edge)), int(np.floor((x + reach - cells.x) / cells.edge))
    left, right = int(np.floor((y - reach - cells.y) / cells.edge)), int(np.floor((y + reach - cells.y) / cells.edge))
    left, right = max(0, left), min(right, cells.columns - 1)
    rank = row_low = column_low = NONE
    row_high = column_high = np.int32(-1)
    if left <= right:
        for row in range(max(0, top), min(bottom, cells.rows - 1) + 1):
            begin, end = cells.first[row * cells.columns + left], cells.first[row * cells.columns + right + 1]
            for i in range(U(begin), U(end)):
                seen = (cells.q[0, i] - x) ** 2 + (cells.q[1, i] - y) ** 2 + (cells.q[2, i] - z) ** 2 <= limit
                rank = min(rank, cells.rank[i] if seen else NONE)
                row_low = min(row_low, cells.row[i] if seen else NONE)
                row_high = max(row_high, cells.row[i] if seen else np.int32(-1))
                column_low = min(column_low, cells.column[i] if seen else NONE)
                column_high = max(column_high, cells.column[i] if seen else np.int32(-1))
    box[0], box[1], box[2], box[3], box[4] = rank, row_low, row_high, column_low, column_high


@piece
def _insert(number, box, raster_columns, begin, at, entries, order):  # type: ignore[no-untyped-def]
    """Put an entry in its place among those from `begin` to `at`, which ascend in their first pixels."""
    while at > begin and order[at - 1] > box[0]:
        order[at] = order[at - 1]
        for k in range(3):
            entries[at, k] = entries[at - 1, k]
        at -= 1
    order[at] = box[0]
    entries[at, 0] = number
    entries[at, 1] = box[1] * raster_columns + box[3]
    entries[at, 2] = box[2] * raster_columns + box[4]
