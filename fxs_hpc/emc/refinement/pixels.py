"""Pixels found by direction: which of them look at a given point of the Ewald sphere.

A pixel at scattering vector q looks along k = q + B, with B the wave vector of the beam. The directions are laid out flat by Lambert's
equal-area projection about the beam (defined for all scattering angles, stretched by no more than 1 / cos(theta) for 2 theta), cut into
square cells about as large as a pixel, and the pixels are kept in the order of the cells: those near a point are a few short runs.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError

COARSE = 8
"""Cells along the side of a patch of the flux map."""


class PixelTable(NamedTuple):
    """Pixels in the order of their cells.

    Attributes
    ----------
    q : float64[n, 3]
        Scattering vectors, 1/Angstrom.
    polar : float64[n]
        Polarisation and solid angle factor.
    bin : int32[n]
        Radial bin of the background, -1 outside.
    square : float64[n]
        |q|^2.
    place : int32[n]
        Index of the pixel in a frame's list of photons.
    first : int32[rows * columns + 1]
        Pixels first[c] .. first[c + 1] lie in cell c = row * columns + column.
    frame : float64[3, 3]
        Rows: two axes across the beam, and the beam B, 1/Angstrom.
    corner : float64[2]
        Lowest coordinates of the cells, 1/Angstrom.
    cell : float
        Side of a cell, 1/Angstrom.
    rows, columns : int
    flux : float64[ceil(rows / COARSE), ceil(columns / COARSE)]
        Sum of `polar` per area of the Ewald sphere, Angstrom^2; zero where the detector does not look.
    """

    q: NDArray[np.float64]
    polar: NDArray[np.float64]
    bin: NDArray[np.int32]
    square: NDArray[np.float64]
    place: NDArray[np.int32]
    first: NDArray[np.int32]
    frame: NDArray[np.float64]
    corner: NDArray[np.float64]
    cell: float
    rows: int
    columns: int
    flux: NDArray[np.float64]


def wave_vector(q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wave vector B of the beam, float64[3] in the unit of `q` float64[n, 3]: elastic scattering means |q + B| = |B| for every pixel.

    Raises
    ------
    DataError
        The vectors do not lie on a sphere through the origin.
    """
    beam = np.linalg.lstsq(2 * q, -np.sum(q**2, axis=1), rcond=None)[0]
    error = np.abs(np.linalg.norm(q + beam, axis=1) / np.linalg.norm(beam) - 1).max()
    if not error < 1e-5:
        raise DataError(f"the pixels lie on no Ewald sphere (relative error {error:.1e}); make their vectors by make-detector")
    return np.asarray(beam)


def pixel_table(q: NDArray[np.float64], polar: NDArray[np.float64], bins: NDArray[np.int32]) -> PixelTable:
    """The table of pixels `q` float64[n, 3] (1/Angstrom), `polar` float64[n], `bins` int32[n] (radial bin of each, -1 outside)."""
    beam = wave_vector(q)
    axes = _axes(beam)
    k = q + beam
    stretch = np.sqrt(2 / (1 + k @ beam / (beam @ beam)))
    flat = (k @ axes.T) * stretch[:, None]
    corner = flat.min(axis=0)
    extent = flat.max(axis=0) - corner
    cell = _cell(flat, extent)
    number = (np.floor((flat - corner) / cell)).astype(np.int64)
    rows, columns = (int(value) + 1 for value in number.max(axis=0))
    cells = number[:, 0] * columns + number[:, 1]
    order = np.argsort(cells, kind="stable")
    first = np.searchsorted(cells[order], np.arange(rows * columns + 1)).astype(np.int32)
    flux = _flux(number, polar, (rows, columns), cell)
    return PixelTable(
        np.ascontiguousarray(q[order]),
        np.ascontiguousarray(polar[order]),
        np.ascontiguousarray(bins[order], np.int32),
        np.sum(q[order] ** 2, axis=1),
        order.astype(np.int32),
        first,
        np.vstack([axes, beam]),
        corner,
        cell,
        rows,
        columns,
        flux,
    )


def _axes(beam: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two unit vectors across the beam, float64[2, 3]."""
    start = np.eye(3)[np.argmin(np.abs(beam))]
    across = np.cross(beam, start)
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(beam, across) / np.linalg.norm(beam)])


def _cell(flat: NDArray[np.float64], extent: NDArray[np.float64]) -> float:
    """Side of the cells: as many cells as pixels in the box, unless most of it is empty."""
    side = float(np.sqrt(np.prod(np.maximum(extent, 1e-6)) / len(flat)))
    return float(max(side, extent.max() / 4096, 1e-9))


def _flux(number: NDArray[np.int64], polar: NDArray[np.float64], shape: tuple[int, int], cell: float) -> NDArray[np.float64]:
    coarse = number // COARSE
    rows, columns = (-(-size // COARSE) for size in shape)
    total = np.bincount(coarse[:, 0] * columns + coarse[:, 1], polar, rows * columns)
    return total.reshape(rows, columns) / (COARSE * cell) ** 2
