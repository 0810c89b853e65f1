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

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.refinement import spots
from fxs_hpc.emc.refinement.compiled import COMPILE, revision
from fxs_hpc.emc.refinement.optimiser import NO_EXTRA
from fxs_hpc.emc.refinement.peak_model import LatticeTable
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.spots import load_frame

ALONG, ACROSS = 1.5, 1.3
"""Half sides of the window in standard deviations."""
AZIMUTHS = 360
PHI_STEPS = 5
_MEAN = 0.5 * pi * erf(ALONG / sqrt(2)) * erf(ACROSS / sqrt(2)) / (ALONG * ACROSS)


class ArcCells(NamedTuple):
    """Cell of each pixel of a table: number int64[n] (row of |q|, column of azimuth), -1 beyond the cutoff; rows; width of a row, 1/A."""

    number: NDArray[np.int64]
    rows: int
    width: float


def arc_cells(pixels: PixelTable, limit: float, width: float) -> ArcCells:
    """Cells up to |q| = `limit`, rows `width` wide (1/Angstrom)."""
    rows = int(np.ceil(limit / width))
    across = pixels.q @ pixels.frame[:2].T
    row = np.floor(np.sqrt(pixels.square) / width).astype(np.int64)
    column = np.floor((np.arctan2(across[:, 1], across[:, 0]) + pi) / (2 * pi) * AZIMUTHS).astype(np.int64) % AZIMUTHS
    return ArcCells(np.where(row < rows, row * AZIMUTHS + column, -1), rows, width)


@cache
def _kernels() -> Any:
    number = revision((spots.FILE, __file__))

    @numba.njit(cache=True, **COMPILE)
    def collect(pixels, photons, background, extra, cell, counts, ground, maps):  # type: ignore[no-untyped-def]
        assert number >= 0
        load_frame(pixels, photons, background, extra, counts, ground)
        rows, columns = maps.shape[0] - 1, maps.shape[1] - 1
        for i in range(len(cell)):
            if cell[i] >= 0 and ground[i] > 0.0:
                row, column = cell[i] // AZIMUTHS + 1, cell[i] % AZIMUTHS + 1
                maps[row, column, 0] += counts[i]
                maps[row, column, 1] += ground[i]
                maps[row, column, 2] += pixels.polar[i]
        for row in range(1, rows + 1):
            for column in range(AZIMUTHS + 1, columns + 1):
                for m in range(3):
                    maps[row, column, m] = maps[row, column - AZIMUTHS, m]
        for row in range(1, rows + 1):
            for column in range(1, columns + 1):
                for m in range(3):
                    maps[row, column, m] += maps[row - 1, column, m] + maps[row, column - 1, m] - maps[row - 1, column - 1, m]

    @numba.njit(cache=True, **COMPILE)
    def score(pixels, lattice, heights, variances, blur2, count, maps, width, rotations, scores, scales):  # type: ignore[no-untyped-def]
        assert number >= 0
        bx, by, bz = pixels.frame[2, 0], pixels.frame[2, 1], pixels.frame[2, 2]
        sphere = np.sqrt(bx * bx + by * by + bz * bz)
        rows = maps.shape[0] - 1
        seen = np.empty((count, 3))
        for r in range(len(rotations)):
            R = rotations[r]
            cx = R[0, 0] * bx + R[0, 1] * by + R[0, 2] * bz
            cy = R[1, 0] * bx + R[1, 1] * by + R[1, 2] * bz
            cz = R[2, 0] * bx + R[2, 1] * by + R[2, 2] * bz
            found = 0
            photons, total = 0.0, 0.0
            for j in range(count):
                height = heights[lattice.unique[j]]
                px, py, pz = lattice.point[j, 0], lattice.point[j, 1], lattice.point[j, 2]
                modulus = lattice.modulus[j]
                square = modulus * modulus
                tangential = variances[1] + (variances[2] + blur2) * square
                distance = (square + 2.0 * (px * cx + py * cy + pz * cz)) / (2.0 * sphere)
                if distance * distance > 6.25 * tangential or height <= 0.0:
                    continue
                gx = R[0, 0] * px + R[1, 0] * py + R[2, 0] * pz
                gy = R[0, 1] * px + R[1, 1] * py + R[2, 1] * pz
                gz = R[0, 2] * px + R[1, 2] * py + R[2, 2] * pz
                x = gx * pixels.frame[0, 0] + gy * pixels.frame[0, 1] + gz * pixels.frame[0, 2]
                y = gx * pixels.frame[1, 0] + gy * pixels.frame[1, 1] + gz * pixels.frame[1, 2]
                radial = variances[1] + variances[3] * square
                half = ALONG * np.sqrt(radial)
                row0 = max(0, int(np.round((modulus - half) / width)))
                row1 = min(rows, max(row0 + 1, int(np.round((modulus + half) / width))))
                if row1 <= row0:
                    continue
                turn = min(ACROSS * np.sqrt(tangential) / max(np.sqrt(x * x + y * y), 1e-9), 1.5)
                azimuth = (np.arctan2(y, x) + np.pi - turn) / (2.0 * np.pi) * AZIMUTHS
                if azimuth < 0.0:
                    azimuth += AZIMUTHS
                column0 = int(np.round(azimuth))
                column1 = max(column0 + 1, int(np.round(azimuth + turn / np.pi * AZIMUTHS)))
                polar = maps[row1, column1, 2] - maps[row0, column1, 2] - maps[row1, column0, 2] + maps[row0, column0, 2]
                ground = maps[row1, column1, 1] - maps[row0, column1, 1] - maps[row1, column0, 1] + maps[row0, column0, 1]
                if polar <= 1e-6 or ground <= 1e-6:
                    continue
                k = maps[row1, column1, 0] - maps[row0, column1, 0] - maps[row1, column0, 0] + maps[row0, column0, 0]
                amplitude = variances[0] / (tangential * np.sqrt(radial)) * np.exp(-0.5 * distance * distance / tangential)
                signal = height * amplitude * polar * _MEAN
                seen[found, 0], seen[found, 1], seen[found, 2] = k, signal, signal / ground
                total += signal
                photons += k
                found += 1
            phi = 1.0
            total = max(total, 1e-12)
            for _ in range(PHI_STEPS):
                explained = 0.0
                for i in range(found):
                    explained += seen[i, 0] * (1.0 - 1.0 / (1.0 + phi * seen[i, 2]))
                phi = explained / total
            gain = -phi * total
            for i in range(found):
                gain += seen[i, 0] * np.log(1.0 + phi * seen[i, 2])
            scores[r] = gain
            scales[r] = phi

    return collect, score


def arc_maps(
    pixels: PixelTable,
    cells: ArcCells,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    extra: NDArray[np.float32] = NO_EXTRA[0],
) -> NDArray[np.float64]:
    """K, B, P of one frame summed over |q| and azimuth up to each corner, float64[rows + 1, 2 azimuths + 1, 3]; twice round."""
    maps = np.zeros((cells.rows + 1, 2 * AZIMUTHS + 1, 3))
    counts, ground = (np.zeros(len(pixels.polar), np.float32) for _ in range(2))
    _kernels()[0](pixels, photons, background, extra, cells.number, counts, ground, maps)
    return maps


def arc_scores(
    pixels: PixelTable,
    lattice: LatticeTable,
    heights: NDArray[np.float64],
    variances: NDArray[np.float64],
    blur: float,
    limit: float,
    maps: NDArray[np.float64],
    width: float,
    rotations: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score and best phi of each of `rotations` float64[n, 3, 3], as `scoring.scores`."""
    gains, scales = np.empty(len(rotations)), np.empty(len(rotations))
    _kernels()[1](pixels, lattice, heights, variances, blur**2, lattice.count(limit), maps, width, rotations, gains, scales)
    return gains, scales
