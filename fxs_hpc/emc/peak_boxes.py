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


class PixelCells(NamedTuple):
    """Pixels sorted into cells of the plane of q_x and q_y.

    q f8[n, 3] (pixel units), rank i4[n] (place by ascending |q|), row i4[n], column i4[n], all in the order of the cells; first i8[cells
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
        np.ascontiguousarray(q[order]),
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
    arguments = (np.ascontiguousarray(matrices), np.ascontiguousarray(positions), ewald.beam, ewald.radius)
    room = _near_counts(*arguments)
    start = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
    entries, order = np.empty((start[-1], 3), np.int32), np.empty(start[-1], np.int32)
    counts = _boxes(*arguments, ewald.cells, ewald.raster_columns, start, entries, order)
    kept = np.arange(start[-1]) - np.repeat(start[:-1], room) < np.repeat(counts, room)
    return PeakMap(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), entries[kept])


def transposed(peaks: PeakMap, first_rotation: int, low: int, high: int) -> PeakMap:
    """The rotations of reflections low .. high - 1 with their boxes, ascending; rotations are numbered from `first_rotation` on."""
    rotation = np.repeat(np.arange(first_rotation, first_rotation + len(peaks)), peaks.counts)
    wanted = (peaks.entries[:, 0] >= low) & (peaks.entries[:, 0] < high)
    rotation, entries = rotation[wanted], peaks.entries[wanted]
    order = np.argsort(entries[:, 0], kind="stable")
    counts = np.bincount(entries[:, 0] - low, minlength=high - low)
    swapped = np.column_stack([rotation, entries[:, 1:]]).astype(np.int32)
    return PeakMap(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), swapped[order])


@kernel
def _near_counts(matrices, positions, beam, radius):  # type: ignore[no-untyped-def]
    """Reflections near the Ewald sphere in each rotation, i8[m]."""
    counts = np.zeros(len(matrices), np.int64)
    low, high = _limits(beam, radius)
    for m in range(len(matrices)):
        x, y, z = _turned(matrices[m], beam)
        near = 0
        for n in range(len(positions)):
            square = (positions[n, 0] + x) ** 2 + (positions[n, 1] + y) ** 2 + (positions[n, 2] + z) ** 2
            near += low <= square <= high
        counts[m] = near
    return counts


@piece
def _limits(beam, radius):  # type: ignore[no-untyped-def]
    """Squared distances from the sphere's centre between which a peak can touch it."""
    D = np.sqrt(beam[0] ** 2 + beam[1] ** 2 + beam[2] ** 2)
    reach = radius * (1 + 1e-6)
    return max(D - reach, 0.0) ** 2, (D + reach) ** 2


@piece
def _turned(matrix, vector):  # type: ignore[no-untyped-def]
    """Components of matrix @ vector."""
    x = matrix[0, 0] * vector[0] + matrix[0, 1] * vector[1] + matrix[0, 2] * vector[2]
    y = matrix[1, 0] * vector[0] + matrix[1, 1] * vector[1] + matrix[1, 2] * vector[2]
    z = matrix[2, 0] * vector[0] + matrix[2, 1] * vector[1] + matrix[2, 2] * vector[2]
    return x, y, z


@kernel
def _boxes(matrices, positions, beam, radius, cells, raster_columns, start, entries, order):  # type: ignore[no-untyped-def]
    """Fill `entries` (and `order`, the first pixel of each) from start[m] on for rotation m; returns how many there are, i8[m]."""
    counts = np.zeros(len(matrices), np.int64)
    low, high = _limits(beam, radius)
    for m in range(len(matrices)):
        x, y, z = _turned(matrices[m], beam)
        begin = at = start[m]
        for n in range(len(positions)):
            square = (positions[n, 0] + x) ** 2 + (positions[n, 1] + y) ** 2 + (positions[n, 2] + z) ** 2
            if low <= square <= high:
                gx, gy, gz = _turned(matrices[m].T, positions[n])
                first, one, other = _box(gx, gy, gz, radius, cells, raster_columns)
                if first >= 0:
                    _insert(n, first, one, other, begin, at, entries, order)
                    at += 1
        counts[m] = at - begin
    return counts


@piece
def _insert(number, first, one, other, begin, at, entries, order):  # type: ignore[no-untyped-def]
    """Put an entry in its place among those from `begin` to `at`, which ascend in their first pixels."""
    while at > begin and order[at - 1] > first:
        order[at] = order[at - 1]
        for k in range(3):
            entries[at, k] = entries[at - 1, k]
        at -= 1
    order[at] = first
    entries[at, 0], entries[at, 1], entries[at, 2] = number, one, other


@piece
def _box(x, y, z, radius, cells, raster_columns):  # type: ignore[no-untyped-def]
    """Least rank of the pixels within `radius` of (x, y, z), -1 for none, and the corners of the box around them."""
    limit = radius * radius * (1 + TIE)
    reach = radius * (1 + 1e-6)
    top, bottom = int(np.floor((x - reach - cells.x) / cells.edge)), int(np.floor((x + reach - cells.x) / cells.edge))
    left, right = int(np.floor((y - reach - cells.y) / cells.edge)), int(np.floor((y + reach - cells.y) / cells.edge))
    left, right = max(0, left), min(right, cells.columns - 1)
    first = -1
    row_low = column_low = 2**31 - 1
    row_high = column_high = -1
    if left <= right:
        for row in range(max(0, top), min(bottom, cells.rows - 1) + 1):
            for i in range(cells.first[row * cells.columns + left], cells.first[row * cells.columns + right + 1]):
                square = (cells.q[i, 0] - x) ** 2 + (cells.q[i, 1] - y) ** 2 + (cells.q[i, 2] - z) ** 2
                if square <= limit:
                    first = cells.rank[i] if first < 0 else min(first, cells.rank[i])
                    row_low, row_high = min(row_low, cells.row[i]), max(row_high, cells.row[i])
                    column_low, column_high = min(column_low, cells.column[i]), max(column_high, cells.column[i])
    return first, row_low * raster_columns + column_low, row_high * raster_columns + column_high
