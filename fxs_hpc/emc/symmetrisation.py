"""Symmetrise: reflections that the Laue group makes equal get equal intensities.

An operator S of the group maps reflections onto reflections exactly; only the voxels within a reflection fall between the points of the
grid, unless S maps the grid onto itself. A voxel v of reflection k therefore takes, from every operator, the trilinear value at S^-1 v
among the seen voxels of reflection S^-1 k, and becomes their mean by trilinear weight. What interpolation loses at the rim of a
reflection is put back evenly, so that the sum of each reflection is the mean of the sums over its orbit, to rounding, for every group
and lattice. Reflections of which no voxel was seen say nothing about their orbit.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fxs_hpc.emc.expansion import COMPILE, PeakCubes
from fxs_hpc.emc.merging import orbits
from fxs_hpc.emc.reflections import Reflections
from fxs_hpc.emc.symmetry import LaueGroup


@dataclass(frozen=True)
class Equivalents:
    """How the Laue group maps the reflections.

    Attributes
    ----------
    operators : float64[s, 3, 3]
        Cartesian matrices that map the lattice onto itself exactly.
    source : int32[n, s]
        The reflection that operator s maps onto reflection n; -1 where it is not complete.
    orbit : int64[n]
        Number of the set of equivalent reflections, 0 .. orbits - 1.
    """

    operators: NDArray[np.float64]
    source: NDArray[np.int32]
    orbit: NDArray[np.int64]

    @property
    def orbits(self) -> int:
        """Number of unique reflections."""
        return int(self.orbit.max()) + 1


def equivalents(reflections: Reflections, group: LaueGroup) -> Equivalents:
    """Which reflections the operators of a Laue group make equal."""
    inverse = np.round(np.linalg.inv(group.indices)).astype(np.int64)
    source = np.stack([reflections.numbers(reflections.hkl @ matrix.T) for matrix in inverse], axis=1)
    return Equivalents(group.matrices, source.astype(np.int32), orbits(reflections.hkl, group.indices).member)


def symmetrised(
    targets: NDArray[np.int64],
    intensity: NDArray[np.float64],
    seen: NDArray[np.bool_],
    same: Equivalents,
    cubes: PeakCubes,
    first: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Symmetrised voxels of some reflections.

    Parameters
    ----------
    targets : int64[n]
        Reflections to be made: whole orbits.
    intensity, seen : float64[m], bool[m]
        All voxels; only those of the orbits of `targets` are read.
    first : int64[reflections + 1]
        Voxels of each reflection.

    Returns
    -------
    float64[...]
        Voxels of the targets, one reflection after the other; 0 where nothing is known.
    """
    values, presence = np.zeros(len(cubes.slot)), np.zeros(len(cubes.slot))
    kept = np.concatenate([np.arange(first[k], first[k + 1]) for k in targets]) if len(targets) else np.empty(0, np.int64)
    place = cubes.place[kept]
    values[place] = np.where(seen[kept], intensity[kept], 0.0)
    presence[place] = seen[kept]
    return _symmetrise(targets, values, presence, same.source, np.linalg.inv(same.operators), cubes, first)


@njit(**COMPILE)
def _symmetrise(targets, values, presence, source, inverse, cubes, first):  # type: ignore[no-untyped-def]
    side = cubes.side
    volume = side * side * side
    total = 0
    for k in targets:
        total += first[k + 1] - first[k]
    result = np.zeros(total)
    at = 0
    for k in targets:
        size = first[k + 1] - first[k]
        wanted, members = 0.0, 0
        for s in range(source.shape[1]):
            origin = source[k, s]
            found, some = 0.0, 0.0
            if origin >= 0:
                for i in range(origin * volume, (origin + 1) * volume):
                    found += values[i]
                    some += presence[i]
            if some > 0:
                wanted += found
                members += 1
        reached = 0.0
        for n in range(size):
            local = cubes.place[first[k] + n] - k * volume
            vx = cubes.corner[k, 0] + local // (side * side)
            vy = cubes.corner[k, 1] + local // side % side
            vz = cubes.corner[k, 2] + local % side
            up, down = 0.0, 0.0
            for s in range(source.shape[1]):
                o = source[k, s]
                if o < 0:
                    continue
                m = inverse[s]
                x = m[0, 0] * vx + m[0, 1] * vy + m[0, 2] * vz - cubes.corner[o, 0]
                y = m[1, 0] * vx + m[1, 1] * vy + m[1, 2] * vz - cubes.corner[o, 1]
                z = m[2, 0] * vx + m[2, 1] * vy + m[2, 2] * vz - cubes.corner[o, 2]
                ix, iy, iz = int(np.floor(x + 1e-9)), int(np.floor(y + 1e-9)), int(np.floor(z + 1e-9))
                fx, fy, fz = x - ix, y - iy, z - iz
                for corner in range(8):
                    dx, dy, dz = corner >> 2, (corner >> 1) & 1, corner & 1
                    share = (fx if dx else 1 - fx) * (fy if dy else 1 - fy) * (fz if dz else 1 - fz)
                    ax, ay, az = ix + dx, iy + dy, iz + dz
                    if share > 1e-6 and 0 <= ax < side and 0 <= ay < side and 0 <= az < side:
                        i = o * volume + (ax * side + ay) * side + az
                        up += share * values[i]
                        down += share * presence[i]
            result[at + n] = up / down if down > 1e-6 else 0.0
            reached += result[at + n]
        if members > 0:
            for n in range(size):
                result[at + n] += (wanted / members - reached) / size
        at += size
    return result
