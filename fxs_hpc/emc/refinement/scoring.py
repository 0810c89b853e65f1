"""Score of orientations from all photons near the arcs on which peaks may lie.

An error of the orientation moves a lattice point across G, so that a peak stays at its |q| and spreads along an arc. The photons of a frame
are summed in cells of |q| and azimuth, and summed again over both, so that the photons K, background B and `polar` P in the window of a
peak (1.5 standard deviations along G, 1.3 across it) are twelve numbers looked up. Then

    S = max over phi of  sum over peaks [ K log(1 + phi s / B) - phi s ],   s = F s0^3 / (T sqrt(Q)) exp(-d^2 / 2T) P c,

with d the distance of the lattice point from the Ewald sphere and c the mean of the profile over the window.
"""

from functools import cache
from math import erf, pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece, revision
from fxs_hpc.emc.refinement import spots
from fxs_hpc.emc.refinement.optimiser import NO_EXTRA
from fxs_hpc.emc.refinement.peak_model import LatticeTable
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.spots import TINY_BACKGROUND

ALONG, ACROSS = 1.5, 1.3
"""Half sides of the window in standard deviations."""
AZIMUTHS = 360
PHI_STEPS = 5
WIDEST = 2.5
"""Standard deviations from the Ewald sphere within which a peak is looked at."""
_MEAN = 0.5 * pi * erf(ALONG / sqrt(2)) * erf(ACROSS / sqrt(2)) / (ALONG * ACROSS)


class ArcCells(NamedTuple):
    """Where the pixels of a table lie in a map of |q| and azimuth.

    Attributes
    ----------
    pixel : int32[m]
        Those within the cutoff.
    corner : int32[m]
        Place of each in the flat map [rows + 1, 2 azimuths + 1].
    rows : int
    width : float
        Of a row, 1/Angstrom.
    """

    pixel: NDArray[np.int32]
    corner: NDArray[np.int32]
    rows: int
    width: float


def arc_cells(pixels: PixelTable, limit: float, width: float) -> ArcCells:
    """Cells up to |q| = `limit`, rows `width` wide (1/Angstrom)."""
    rows = int(np.ceil(limit / width))
    across = pixels.q @ pixels.frame[:2].T
    row = np.floor(np.sqrt(pixels.square) / width).astype(np.int64)
    column = np.floor((np.arctan2(across[:, 1], across[:, 0]) + pi) / (2 * pi) * AZIMUTHS).astype(np.int64) % AZIMUTHS
    inside = np.flatnonzero(row < rows)
    corner = (row[inside] + 1) * (2 * AZIMUTHS + 1) + column[inside] + 1
    return ArcCells(inside.astype(np.int32), corner.astype(np.int32), rows, width)


@piece
def put(pixels, cells, photons, background, extra, flat):  # type: ignore[no-untyped-def]
    """Add photons, background and `polar` of the live pixels to their cells."""
    for m in range(len(cells.pixel)):
        i, corner = cells.pixel[m], cells.corner[m]
        if pixels.bin[i] < 0 or pixels.place[i] >= len(photons):
            continue
        count, level = photons[pixels.place[i]], background[pixels.bin[i]]
        if count >= 0 and level > TINY_BACKGROUND:
            flat[corner, 0] += count
            flat[corner, 1] += level * pixels.polar[i] + (extra[i] if len(extra) > 0 else 0.0)
            flat[corner, 2] += pixels.polar[i]


@piece
def sum_up(maps):  # type: ignore[no-untyped-def]
    """Sums over rows and columns up to each corner, twice round."""
    for row in range(1, maps.shape[0]):
        k, b, p = 0.0, 0.0, 0.0
        for column in range(1, AZIMUTHS + 1):
            k, b, p = k + maps[row, column, 0], b + maps[row, column, 1], p + maps[row, column, 2]
            maps[row, column, 0] = maps[row - 1, column, 0] + k
            maps[row, column, 1] = maps[row - 1, column, 1] + b
            maps[row, column, 2] = maps[row - 1, column, 2] + p
        for column in range(1, AZIMUTHS + 1):
            for m in range(3):
                maps[row, AZIMUTHS + column, m] = maps[row, AZIMUTHS, m] + maps[row, column, m]


@piece
def window(maps, row0, row1, column0, column1, m):  # type: ignore[no-untyped-def]
    """Sum of map m over some rows and columns."""
    return maps[row1, column1, m] - maps[row0, column1, m] - maps[row1, column0, m] + maps[row0, column0, m]


@piece
def best_scale(seen, found, total):  # type: ignore[no-untyped-def]
    """The largest gain of `found` peaks (photons, signal / background) over phi, and that phi; `total` is the sum of the signals."""
    phi = 1.0
    for _ in range(PHI_STEPS):
        explained = 0.0
        for i in range(found):
            explained += seen[i, 0] * (1.0 - 1.0 / (1.0 + phi * seen[i, 1]))
        phi = explained / total
    gain = -phi * total
    for i in range(found):
        gain += seen[i, 0] * np.log(1.0 + phi * seen[i, 1])
    return gain, phi


class Windows(NamedTuple):
    """What the peaks with a height have, wherever they lie; n of them.

    Attributes
    ----------
    point : float64[n, 3]
        1/Angstrom, in the crystal frame.
    lift, reach : float64[n]
        |G|^2 / 2 |B|, and the largest distance from the Ewald sphere, 1/Angstrom.
    tangential, strength : float64[n]
        T, and the expected photons over P on the sphere.
    row0, row1 : int64[n]
        Rows of the map.
    """

    point: NDArray[np.float64]
    lift: NDArray[np.float64]
    reach: NDArray[np.float64]
    tangential: NDArray[np.float64]
    strength: NDArray[np.float64]
    row0: NDArray[np.int64]
    row1: NDArray[np.int64]


def windows(
    pixels: PixelTable,
    lattice: LatticeTable,
    heights: NDArray[np.float64],
    variances: NDArray[np.float64],
    blur: float,
    limit: float,
    cells: ArcCells,
) -> Windows:
    """Of the peaks up to |G| = `limit` (1/Angstrom), scored with orientations uncertain by `blur` (radian)."""
    modulus, height = (column[: lattice.count(limit)] for column in (lattice.modulus, heights[lattice.unique]))
    tangential = variances[1] + (variances[2] + blur**2) * modulus**2
    radial = variances[1] + variances[3] * modulus**2
    half = ALONG * np.sqrt(radial)
    row0 = np.maximum(0, np.round((modulus - half) / cells.width)).astype(np.int64)
    row1 = np.minimum(cells.rows, np.maximum(row0 + 1, np.round((modulus + half) / cells.width))).astype(np.int64)
    strength = height * variances[0] / (tangential * np.sqrt(radial)) * _MEAN
    kept = (height > 0) & (row1 > row0)
    sphere = 2 * np.linalg.norm(pixels.frame[2])
    columns = (modulus**2 / sphere, WIDEST * np.sqrt(tangential), tangential, strength, row0, row1)
    return Windows(np.ascontiguousarray(lattice.point[: len(kept)][kept]), *(column[kept] for column in columns))


@cache
def _kernels() -> Any:
    number = revision((spots.FILE, __file__))

    @kernel
    def collect(pixels, cells, photons, background, extra, maps):  # type: ignore[no-untyped-def]
        assert number >= 0
        maps[:] = 0.0
        put(pixels, cells, photons, background, extra, maps.reshape(maps.shape[0] * maps.shape[1], 3))
        sum_up(maps)

    @kernel
    def score(frame, peaks, maps, rotations, scores, scales):  # type: ignore[no-untyped-def]
        assert number >= 0
        sphere = np.sqrt(frame[2, 0] ** 2 + frame[2, 1] ** 2 + frame[2, 2] ** 2)
        seen, axes = np.empty((len(peaks.point), 2)), np.empty((3, 3))
        for r in range(len(rotations)):
            for a in range(3):
                for i in range(3):
                    axes[a, i] = rotations[r, i, 0] * frame[a, 0] + rotations[r, i, 1] * frame[a, 1] + rotations[r, i, 2] * frame[a, 2]
            cx, cy, cz = axes[2, 0] / sphere, axes[2, 1] / sphere, axes[2, 2] / sphere
            found, total = 0, 1e-12
            for j in range(len(peaks.point)):
                px, py, pz = peaks.point[j, 0], peaks.point[j, 1], peaks.point[j, 2]
                distance = peaks.lift[j] + (px * cx + py * cy + pz * cz)
                if abs(distance) > peaks.reach[j]:
                    continue
                x = px * axes[0, 0] + py * axes[0, 1] + pz * axes[0, 2]
                y = px * axes[1, 0] + py * axes[1, 1] + pz * axes[1, 2]
                turn = min(ACROSS * np.sqrt(peaks.tangential[j]) / max(np.sqrt(x * x + y * y), 1e-9), 1.5)
                azimuth = (np.arctan2(y, x) + np.pi - turn) / (2.0 * np.pi) * AZIMUTHS
                if azimuth < 0.0:
                    azimuth += AZIMUTHS
                column0 = int(np.round(azimuth))
                column1 = max(column0 + 1, int(np.round(azimuth + turn / np.pi * AZIMUTHS)))
                row0, row1 = peaks.row0[j], peaks.row1[j]
                polar = window(maps, row0, row1, column0, column1, 2)
                ground = window(maps, row0, row1, column0, column1, 1)
                if polar > 1e-6 and ground > 1e-6:
                    signal = peaks.strength[j] * polar * np.exp(-0.5 * distance * distance / peaks.tangential[j])
                    seen[found, 0], seen[found, 1] = window(maps, row0, row1, column0, column1, 0), signal / ground
                    total += signal
                    found += 1
            scores[r], scales[r] = best_scale(seen, found, total)

    return collect, score


def empty_maps(cells: ArcCells) -> NDArray[np.float64]:
    """Room for the maps of one frame."""
    return np.zeros((cells.rows + 1, 2 * AZIMUTHS + 1, 3))


def fill_maps(
    pixels: PixelTable,
    cells: ArcCells,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    maps: NDArray[np.float64],
    extra: NDArray[np.float32] = NO_EXTRA[0],
) -> None:
    """K, B, P of one frame summed over |q| and azimuth up to each corner, in `maps` float64[rows + 1, 2 azimuths + 1, 3]; twice round."""
    _kernels()[0](pixels, cells, photons, background, extra, maps)


def arc_scores(
    pixels: PixelTable, peaks: Windows, maps: NDArray[np.float64], rotations: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score and best phi of each of `rotations` float64[n, 3, 3]."""
    gains, scales = np.empty(len(rotations)), np.empty(len(rotations))
    _kernels()[1](pixels.frame, peaks, maps, rotations, gains, scales)
    return gains, scales
