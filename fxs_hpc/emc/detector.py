"""Where the pixels of a detector lie in reciprocal space, and how much they see.

Axes
----
x along the rows' index (slow axis), y along the columns' index (fast axis), z along the detector's normal. Lengths are in pixels. With the
beam B = (s / |s|) D and a pixel at v (from the sample), elastic scattering gives

    q = D v / |v| - B

in **pixel units**: the Ewald sphere has the radius D, and q / (wavelength * D) is in 1/Angstrom (no 2 pi). For a beam that is polarised
along y, and a pixel with the normal n,

    polar = (1 - (v_y / |v|)^2) |n v| / |v|^3

up to a factor that makes it 1 for the best of the usable pixels (Loh & Elser 2009; Lan et al. 2018).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError

TIE = 1e-12
"""Moduli of q that differ by less than this, relative to the modulus, are equal: rounding must not order them."""
BLOCK = 1 << 18
"""Pixels that are worked on at a time."""


@dataclass(frozen=True)
class Panel:
    """A flat piece of the detector: a rectangle of the raster.

    Attributes
    ----------
    first : (row, column) of its first pixel in the raster.
    shape : (rows, columns).
    at : (row, column)
        A point of the panel, in rows and columns of the raster; the centre of a pixel has whole numbers.
    origin : float64[3]
        Position of that point from the sample, in pixels.
    row_step, column_step : float64[3]
        From one pixel to the next row and to the next column.
    """

    first: tuple[int, int]
    shape: tuple[int, int]
    at: tuple[float, float]
    origin: NDArray[np.float64]
    row_step: NDArray[np.float64]
    column_step: NDArray[np.float64]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Normal, as long as the area of a pixel."""
        return np.cross(self.row_step, self.column_step)

    def positions(self, rows: NDArray, columns: NDArray) -> NDArray[np.float64]:
        """Centres (..., 3) of the pixels at `rows` and `columns` of the raster."""
        return self.origin + ((rows - self.at[0])[..., None] * self.row_step + (columns - self.at[1])[..., None] * self.column_step)


@dataclass(frozen=True)
class Geometry:
    """An experiment: beam, detector, range of resolution.

    Attributes
    ----------
    shape : (rows, columns) of the raster.
    panels : tuple of Panel
    beam : float64[3]
        Along the incident beam, with the length D.
    D : float
        Radius of the Ewald sphere in pixel units; for one flat detector the distance along the beam.
    wavelength : float
        Angstrom.
    q_min, q_max : int
        Range of |q| that is kept, pixel units, both ends included.
    """

    shape: tuple[int, int]
    panels: tuple[Panel, ...]
    beam: NDArray[np.float64]
    D: float
    wavelength: float
    q_min: int
    q_max: int

    @property
    def pixel_to_inverse_angstrom(self) -> float:
        """1/Angstrom per pixel unit of q."""
        return 1 / (self.wavelength * self.D)

    def limit(self, resolution: float) -> float:
        """Largest |q| in pixel units of a stage that stops at `resolution` Angstrom: ceil(wavelength D / resolution)."""
        return float(math.ceil(self.wavelength * self.D / resolution))

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], Panel]]:
        """Full indices (n,), positions (n, 3) and panel of all pixels, some at a time."""
        for panel in self.panels:
            step = max(1, BLOCK // max(1, panel.shape[1]))
            (first, left), (height, width) = panel.first, panel.shape
            for start in range(first, first + height, step):
                rows, columns = (grid.ravel() for grid in np.mgrid[start : min(start + step, first + height), left : left + width])
                yield rows * self.shape[1] + columns, panel.positions(rows, columns), panel

    def scattering(self, positions: NDArray) -> NDArray[np.float64]:
        """q (..., 3) in pixel units of pixels at `positions`."""
        return self.D * positions / np.linalg.norm(positions, axis=-1, keepdims=True) - self.beam

    def panel_numbers(self) -> NDArray[np.int32]:
        """Panel (rows, columns) that a pixel belongs to; -1 = none."""
        numbers = np.full(self.shape, -1, np.int32)
        for number, panel in enumerate(self.panels):
            (row, column), (rows, columns) = panel.first, panel.shape
            numbers[row : row + rows, column : column + columns] = number
        return numbers


@dataclass(frozen=True)
class Pixels:
    """The usable pixels, sorted by ascending |q|; pixels of equal |q| by their index.

    Attributes
    ----------
    q : float64[NPIX, 3]
        Pixel units.
    polar : float64[NPIX]
        Polarisation times solid angle, at most 1.
    index : int32[NPIX]
        row * columns + column.
    shape : (rows, columns) of the raster.
    """

    q: NDArray[np.float64]
    polar: NDArray[np.float64]
    index: NDArray[np.int32]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.index)

    @cached_property
    def modulus(self) -> NDArray[np.float64]:
        """|q| in pixel units."""
        return np.linalg.norm(self.q, axis=1)

    def prefix(self, limit: float) -> int:
        """Number of pixels before the first one with |q| > `limit` (pixel units)."""
        beyond = np.flatnonzero(self.modulus > limit * (1 + TIE))
        return int(beyond[0]) if len(beyond) else len(self)

    def positions(self) -> NDArray[np.int32]:
        """int32[rows * columns]: place of a pixel in this table, -1 where it is not usable."""
        table = np.full(self.shape[0] * self.shape[1], -1, np.int32)
        table[self.index] = np.arange(len(self), dtype=np.int32)
        return table


def flat(
    shape: tuple[int, int], centre: tuple[float, float], distance: float, direction: tuple[float, float, float], wavelength: float
) -> Geometry:
    """One flat detector, all resolutions kept.

    Parameters
    ----------
    shape : (rows, columns)
    centre : (row, column) of the direct beam.
    distance : float
        Of the plane from the sample along its normal, in pixels (detd / px).
    direction : (x, y, z) of the beam, of any length.
    wavelength : float
        Angstrom.
    """
    s = np.array(direction)
    length = float(np.linalg.norm(s))
    D = distance * length / abs(direction[2])
    beam = s * D / length
    panel = Panel((0, 0), shape, centre, beam, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    return Geometry(shape, (panel,), beam, D, wavelength, 0, math.ceil(2 * D))


def limits(wavelength: float, D: float, stop_radius: float, resolution: float) -> tuple[int, int]:
    """q_min and q_max in pixel units: behind the beam stop (radius in pixels) and at `resolution` (Angstrom).

    q_min = ceil(2 D sin(atan(stop_radius / D) / 2)), q_max = ceil(wavelength D / resolution).
    """
    return math.ceil(2 * D * math.sin(math.atan(stop_radius / D) / 2)), math.ceil(wavelength * D / resolution)


def usable_pixels(geometry: Geometry, mask: NDArray[np.bool_]) -> Pixels:
    """The pixels that are not masked and whose |q| lies in the range that is kept.

    Parameters
    ----------
    mask : bool (rows, columns)
        True = leave out.

    Raises
    ------
    DataError
        No pixel is left.
    """
    parts = [_kept(geometry, mask.ravel(), *block) for block in geometry.blocks()]
    q, polar, index = (np.concatenate(arrays) for arrays in zip(*parts))
    if not len(index):
        raise DataError(
            f"no pixel is usable: {int(mask.sum())} of {mask.size} are masked, and |q| from {geometry.q_min} to {geometry.q_max} pixels "
            f"({geometry.wavelength * geometry.D / max(geometry.q_min, 1):.3g} to {geometry.wavelength * geometry.D / geometry.q_max:.3g} "
            "Angstrom) leaves none of the others; check the beam centre, the beam stop (Rstop), res_max and the mask"
        )
    order = _ascending(np.linalg.norm(q, axis=1), index)
    return Pixels(q[order], polar[order] / polar.max(), index[order].astype(np.int32), geometry.shape)


def _kept(geometry: Geometry, mask: NDArray, index: NDArray, positions: NDArray, panel: Panel) -> tuple[NDArray, NDArray, NDArray]:
    q = geometry.scattering(positions)
    modulus = np.linalg.norm(q, axis=1)
    kept = ~mask[index] & (modulus >= geometry.q_min) & (modulus <= geometry.q_max)
    positions = positions[kept]
    distance = np.linalg.norm(positions, axis=1)
    polarisation = 1 - (positions[:, 1] / distance) ** 2
    return q[kept], polarisation * np.abs(positions @ panel.normal) / distance**3, index[kept]


def _ascending(modulus: NDArray, index: NDArray) -> NDArray[np.int64]:
    order = np.argsort(modulus, kind="stable")
    sorted_modulus = modulus[order]
    group = np.concatenate([[0], np.cumsum(np.diff(sorted_modulus) > TIE * sorted_modulus[1:])])
    return order[np.lexsort((index[order], group))]
