"""The intensity in reciprocal space as one regular grid, for programs that show maps.

The axes are the Cartesian axes of the crystal frame (those of aux/basis-vec.dat), so that a map of any lattice looks as the lattice is;
lengths are in 1/Angstrom without 2 pi.
"""

from dataclasses import dataclass
from math import ceil, erf

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.reflections import Reflections

REACH = 4.0
"""Standard deviations to which a peak is drawn."""


@dataclass(frozen=True)
class IntensityVolume:
    """Intensity on a cube around the origin of reciprocal space.

    Attributes
    ----------
    values : float32[n, n, n]
        Indices along x, y, z; x runs fastest in memory. n is odd, and the middle is the origin.
    step : float
        Distance of neighbouring points, 1/Angstrom.
    """

    values: NDArray[np.float32]
    step: float

    @property
    def half(self) -> int:
        """Points on either side of the origin."""
        return len(self.values) // 2


def volume_of_voxels(reflections: Reflections, intensity: NDArray[np.float64], edge: int) -> IntensityVolume:
    """The voxels of all reflections at their places, zero between them.

    Where the voxels' own grid needs more than `edge` points along an edge, points of the map are means over whole boxes of voxels, those
    between the reflections counting as zero.

    Parameters
    ----------
    intensity : float64[voxels]
    edge : int
        Points along an edge, at most.
    """
    reach = int(np.abs(reflections.voxels).max())
    box = int(2 * reach / _odd(edge)) + 1
    place = np.floor(reflections.voxels / box + 0.5).astype(np.int64)
    values = _empty(int(np.abs(place).max()))
    np.add.at(values, tuple((place + len(values) // 2).T), (intensity / box**3).astype(np.float32))
    return IntensityVolume(values, box / reflections.grid.scale)


def volume_of_peaks(positions: NDArray[np.float64], height: NDArray[np.float64], width: float, step: float, edge: int) -> IntensityVolume:
    """Round Gaussian peaks at lattice points.

    Every point of the map holds the mean over its voxel, so that a narrow peak keeps its integral on a coarse grid:
    height * product over the axes of (step^-1 integral of exp(-x^2 / 2 width^2)).

    Parameters
    ----------
    positions : float64[n, 3]
        1/Angstrom.
    height : float64[n]
        At the lattice points.
    width : float
        Standard deviation of a peak, 1/Angstrom.
    step : float
        Wanted distance of points, 1/Angstrom; a multiple is taken where more than `edge` points would be needed.
    """
    step *= int(2 * (np.abs(positions).max(initial=0) + REACH * width) / step / (_odd(edge) - 4)) + 1
    span = ceil(REACH * width / step)
    centre = np.floor(positions / step + 0.5).astype(np.int64)
    values = _empty(int(np.abs(centre).max(initial=0)) + span)
    offset = np.arange(-span, span + 1)
    middle = len(values) // 2
    for point, at, top in zip(centre, positions, height, strict=True):
        x, y, z = (_profile((point[axis] + offset) * step - at[axis], width, step) for axis in range(3))
        i, j, k = (slice(point[axis] + middle - span, point[axis] + middle + span + 1) for axis in range(3))
        values[i, j, k] += (top * x[:, None, None] * y[:, None] * z).astype(np.float32)
    return IntensityVolume(values, step)


def _odd(edge: int) -> int:
    """The largest odd number up to `edge`: points of a map that has the origin in the middle."""
    return edge - 1 + edge % 2


def _empty(half: int) -> NDArray[np.float32]:
    return np.zeros((2 * half + 1,) * 3, np.float32, order="F")


def _profile(x: NDArray[np.float64], width: float, step: float) -> NDArray[np.float64]:
    """Mean of exp(-x^2 / 2 width^2) over voxels around x."""
    low, high = (np.array([erf(value) for value in (x + side * step / 2) / (np.sqrt(2) * width)]) for side in (-1, 1))
    profile: NDArray[np.float64] = np.sqrt(np.pi / 2) * width / step * (high - low)
    return profile
