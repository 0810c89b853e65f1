"""Compress: tomogram values of all rotations merged into voxels.

    I(v) = sum P phi w W / sum P phi w

over rotations, their pixels and the frames that have them, with the trilinear weight w of the pixel at voxel v. Both sums are kept
(`Merged`); they add up over blocks of frames. Voxels whose summed weight is at most 1e-10 were not seen.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece
from fxs_hpc.emc.expansion import DetectorTable, PeakCubes, RotationTable, illuminated
from fxs_hpc.emc.maximisation import Observations, best, gathered

UNSEEN = 1e-10
"""Summed weights up to this count as none."""


class Exposure(NamedTuple):
    """Means of voxels and how much was seen of each: intensity f8[m], 0 where nothing was seen; weight f8[m]."""

    intensity: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether a voxel was seen, bool[m]."""
        return self.weight > UNSEEN


def mean(sums: NDArray[np.float64]) -> Exposure:
    """Voxel means of the sums f8[2, m] of `merged`."""
    seen = sums[1] > UNSEEN
    return Exposure(np.where(seen, sums[0] / np.where(seen, sums[1], 1), 0.0), sums[1])


def merged(
    observed: Observations, low: int, high: int, rotations: RotationTable, detector: DetectorTable, cubes: PeakCubes
) -> NDArray[np.float64]:
    """Sums of P phi w W and of P phi w, float64[2, m voxels], over pairs low .. high of `observed`.

    The pairs of one rotation must all lie in that range.
    """
    sums = np.zeros((2, len(cubes.place) + 1))
    _merge(observed, low, high, rotations, detector, cubes, sums)
    return sums[:, :-1]


@piece
def spread(sums, value, weight, slot, base, side, x, y, z):  # type: ignore[no-untyped-def]
    """Add weight * w * value and weight * w to the eight voxels around x, y, z of the cube that begins at `base`."""
    ix, iy, iz = int(x), int(y), int(z)
    fx, fy, fz = x - ix, y - iy, z - iz
    i = base + (ix * side + iy) * side + iz
    for dx in range(2):
        along_x = weight * (fx if dx else 1 - fx)
        for dy in range(2):
            along_xy = along_x * (fy if dy else 1 - fy)
            row = i + (dx * side + dy) * side
            low, high = slot[row], slot[row + 1]
            sums[0, low] += along_xy * (1 - fz) * value
            sums[1, low] += along_xy * (1 - fz)
            sums[0, high] += along_xy * fz * value
            sums[1, high] += along_xy * fz


@kernel
def _merge(observed, low, high, rotations, detector, cubes, sums):  # type: ignore[no-untyped-def]
    room = len(detector.x) + 1
    R, pixel, peak = np.empty(9), np.empty(room, np.int32), np.empty(room, np.int32)
    x, y, z = np.empty(room), np.empty(room), np.empty(room)
    A, B, C, which = np.empty(high - low), np.empty(high - low), np.empty(high - low), np.empty(high - low, np.int64)
    volume = cubes.side * cubes.side * cubes.side
    while low < high:
        r, end = observed.rotation[low], low
        while end < high and observed.rotation[end] == r:
            end += 1
        count = illuminated(r, rotations, detector, cubes, R, pixel, x, y, z, peak)
        for t in range(count):
            s = pixel[t]
            live, total = gathered(observed, low, end, t, detector.bin[s], detector.polar[s], A, B, C, which)
            if live:
                W = best(A, B, live, total)
                spread(sums, W, total / detector.polar[s], cubes.slot, peak[t] * volume, cubes.side, x[t], y[t], z[t])
        low = end
