"""Bragg peaks of one crystal on a detector: each reflection near the Ewald sphere touches the few pixels around it.

A peak is a Gaussian in reciprocal space about the lattice point G, with the standard deviation s_r along G and s_t across it:

    s_r^2 = s^2 + (bandwidth |G|)^2      s_t^2 = s^2 + (mosaicity |G|)^2

and, where there are tails, a part of it with twice both. Heights are such that every disturbance keeps the peak's integral over reciprocal
space: `height` is that of the undisturbed peak of width s_0.
"""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fxs_hpc.emc.raster import Raster

REACH = 5.0
"""Standard deviations at which a peak is cut off."""
TAIL = 2.0
"""Width of the tails, relative to the core."""


@dataclass(frozen=True)
class PeakShape:
    """Peak widths.

    sigma : s_0, 1/Angstrom; bandwidth : relative standard deviation of the wavelength; tails : share of the peak's integral in its tails.
    """

    sigma: float
    bandwidth: float = 0.0
    tails: float = 0.0


def add_crystal(
    signal: NDArray[np.float64],
    raster: Raster,
    points: NDArray[np.float64],
    heights: NDArray[np.float64],
    rotation: NDArray[np.float64],
    shape: PeakShape,
    width: float,
    mosaicity: float,
) -> None:
    """Add the expected photons of a crystal, for polar = 1, to `signal` f8[rows * columns].

    Parameters
    ----------
    points : f8[n, 3]
        Lattice points in the crystal's axes, 1/Angstrom.
    heights : f8[n]
        Their undisturbed peak heights, photons.
    rotation : f8[3, 3]
        From the laboratory to the crystal.
    width : float
        This crystal's factor on sigma.
    mosaicity : float
        Its angular spread, rad.
    """
    numbers = np.array([shape.sigma, width, mosaicity, shape.bandwidth, shape.tails])
    laboratory = np.ascontiguousarray(points @ rotation)  # rows times R = inverse rotation of columns
    _add(signal, raster.q, raster.shape[1], raster.areas, raster.frames, raster.wave, laboratory, np.ascontiguousarray(heights), numbers)


@njit("UniTuple(f8, 3)(f8[::1], f8, f8, f8)", cache=True, nogil=True, error_model="numpy", forceinline=True)
def _meets(panel: NDArray, ux: float, uy: float, uz: float) -> tuple[float, float, float]:
    """Row and column (in the raster) where the ray along the unit vector u meets the panel's plane, and the finer of the angles (rad)
    between neighbouring pixels there; the angle is 0 where it does not."""
    ox, oy, oz = panel[2], panel[3], panel[4]
    rx, ry, rz = panel[5], panel[6], panel[7]
    cx, cy, cz = panel[8], panel[9], panel[10]
    nx, ny, nz = ry * cz - rz * cy, rz * cx - rx * cz, rx * cy - ry * cx
    t = (nx * ox + ny * oy + nz * oz) / (nx * ux + ny * uy + nz * uz)
    if not 0 < t < 1e12:
        return 0.0, 0.0, 0.0
    px, py, pz = t * ux - ox, t * uy - oy, t * uz - oz
    rr, rc, cc = rx * rx + ry * ry + rz * rz, rx * cx + ry * cy + rz * cz, cx * cx + cy * cy + cz * cz
    pr, pc = px * rx + py * ry + pz * rz, px * cx + py * cy + pz * cz
    determinant = rr * cc - rc * rc
    down = rr - (rx * ux + ry * uy + rz * uz) ** 2
    right = cc - (cx * ux + cy * uy + cz * uz) ** 2
    return panel[0] + (pr * cc - pc * rc) / determinant, panel[1] + (pc * rr - pr * rc) / determinant, sqrt(min(down, right)) / t


@njit(
    "void(f8[::1], f8[:,::1], i8, i8[:,::1], f8[:,::1], f8[::1], f8[:,::1], f8[::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _add(
    signal: NDArray,
    q: NDArray,
    columns: int,
    areas: NDArray,
    frames: NDArray,
    wave: NDArray,
    points: NDArray,
    heights: NDArray,
    numbers: NDArray,
) -> None:
    nominal, width, mosaicity, bandwidth, tails = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    kappa = sqrt(wave[0] ** 2 + wave[1] ** 2 + wave[2] ** 2)
    sigma = nominal * width
    for number in range(len(points)):
        gx, gy, gz = points[number, 0], points[number, 1], points[number, 2]
        g = sqrt(gx * gx + gy * gy + gz * gz)
        radial, tangential = sqrt(sigma**2 + (bandwidth * g) ** 2), sqrt(sigma**2 + (mosaicity * g) ** 2)
        reach = REACH * max(radial, tangential) * (TAIL if tails > 0 else 1.0)
        ux, uy, uz = wave[0] + gx, wave[1] + gy, wave[2] + gz
        length = sqrt(ux * ux + uy * uy + uz * uz)
        if abs(length - kappa) > reach or heights[number] <= 0:
            continue
        height = heights[number] * nominal**3 / (radial * tangential**2)
        radial_factor, tangential_factor = -0.5 / radial**2, -0.5 / tangential**2
        for panel in range(len(areas)):
            row, column, angle = _meets(frames[panel], ux / length, uy / length, uz / length)
            if not angle > 0:
                continue
            size = min(reach / (kappa * angle) + 1, 1e6)
            first, left = areas[panel, 0], areas[panel, 1]
            low, high = max(first, int(np.floor(row - size))), min(first + areas[panel, 2], int(row + size) + 2)
            begin, end = max(left, int(np.floor(column - size))), min(left + areas[panel, 3], int(column + size) + 2)
            for i in range(low, high):
                for k in range(begin, end):
                    pixel = i * columns + k
                    x, y, z = q[pixel, 0] - gx, q[pixel, 1] - gy, q[pixel, 2] - gz
                    distance = x * x + y * y + z * z
                    if distance > reach * reach:
                        continue
                    along = ((x * gx + y * gy + z * gz) / g) ** 2
                    exponent = along * radial_factor + (distance - along) * tangential_factor
                    value = (1 - tails) * exp(exponent)
                    if tails > 0:
                        value += tails / TAIL**3 * exp(exponent / TAIL**2)
                    signal[pixel] += height * value
