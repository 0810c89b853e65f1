"""All pixels of a detector's raster, usable or not: what a simulated frame is made on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.detector import Geometry, Pixels, usable_pixels


@dataclass(frozen=True)
class Raster:
    """Pixels row by row.

    Attributes
    ----------
    shape : (rows, columns)
    q : f8[rows * columns, 3]
        1/Angstrom; infinite where there is no pixel.
    polar : f8[rows * columns]
        Polarisation times solid angle, 1 for the best of the usable pixels; 0 where there is no pixel.
    usable : bool[rows * columns]
        Inside the range of resolution, and not masked.
    wave : f8[3]
        Incident wave vector, 1/Angstrom (length 1 / wavelength).
    areas : i8[panels, 4]
        First row, first column, rows, columns of each panel.
    frames : f8[panels, 11]
        Point of each panel in rows and columns, its position (pixels, from the sample), steps of a row and of a column.
    """

    shape: tuple[int, int]
    q: NDArray[np.float64]
    polar: NDArray[np.float64]
    usable: NDArray[np.bool_]
    wave: NDArray[np.float64]
    areas: NDArray[np.int64]
    frames: NDArray[np.float64]

    @property
    def modulus(self) -> NDArray[np.float64]:
        """|q| in 1/Angstrom."""
        return np.linalg.norm(self.q, axis=1)


def raster(geometry: Geometry, mask: NDArray[np.bool_]) -> Raster:
    """The raster of a detector; `mask` bool (rows, columns), True = not usable."""
    every = usable_pixels(replace(geometry, q_min=0, q_max=int(2 * geometry.D) + 1), np.zeros(geometry.shape, bool))
    usable = usable_pixels(geometry, mask)
    best = every.polar[every.positions()[usable.index]].max()
    return Raster(
        geometry.shape,
        _spread(every, every.q * geometry.pixel_to_inverse_angstrom, np.inf),
        _spread(every, every.polar / best, 0.0),
        usable.positions() >= 0,
        *panel_tables(geometry),
    )


def panel_tables(geometry: Geometry) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """`wave`, `areas` and `frames` of `Raster`."""
    areas = [(*panel.first, *panel.shape) for panel in geometry.panels]
    frames = [(*panel.at, *panel.origin, *panel.row_step, *panel.column_step) for panel in geometry.panels]
    return geometry.beam * geometry.pixel_to_inverse_angstrom, np.array(areas, np.int64), np.array(frames, np.float64)


def _spread(pixels: Pixels, values: NDArray, elsewhere: float) -> NDArray[np.float64]:
    full = np.full((pixels.shape[0] * pixels.shape[1], *values.shape[1:]), elsewhere)
    full[pixels.index] = values
    return full
