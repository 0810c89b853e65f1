"""Symmetrise: reflections that the Laue group makes equal get equal intensities.

An operator S of the group maps reflections onto reflections exactly; only the voxels within a reflection fall between the points of the
grid, unless S maps the grid onto itself. A voxel v of reflection k therefore takes, from every operator, the trilinear value at S^-1 v
among the seen voxels of reflection S^-1 k, and becomes their mean, weighted by the trilinear weights times what was seen of each voxel.
Where the grid is not mapped onto itself the sums of equivalent reflections still differ a little: the difference from their mean is
taken off evenly, so that they agree to rounding for every group and lattice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece
from fxs_hpc.emc.compression import UNSEEN, Exposure
from fxs_hpc.emc.expansion import PeakCubes
from fxs_hpc.emc.merging import orbits
from fxs_hpc.emc.reflections import Reflections
from fxs_hpc.emc.symmetry import LaueGroup

NEAR = 1e-9


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
    targets: NDArray[np.int64], part: Exposure, by_exposure: bool, same: Equivalents, cubes: PeakCubes, first: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Symmetrised voxels of some reflections.

    Parameters
    ----------
    targets : int64[n]
        Reflections to be made: whole orbits.
    part : Exposure
        Voxels of the targets, one reflection after the other.
    by_exposure : bool
        Average with the weights of `part`; else all seen voxels count the same.
    first : int64[reflections + 1]
        Voxels of each reflection.

    Returns
    -------
    float64[...]
        As in `part`; 0 where nothing is known.
    """
    values, presence = np.zeros(len(cubes.slot)), np.zeros(len(cubes.slot))
    counts = first[targets + 1] - first[targets]
    edges = np.concatenate([[0], np.cumsum(counts)])
    place = cubes.place[np.repeat(first[targets] - edges[:-1], counts) + np.arange(edges[-1])]
    weight = np.where(part.seen, part.weight if by_exposure else 1.0, 0.0)
    values[place], presence[place] = weight * part.intensity, weight
    result = np.zeros(edges[-1])
    _symmetrise(targets, values, presence, same.source, np.linalg.inv(same.operators), cubes, place, edges, result)
    return _levelled(result, edges, same.orbit[targets])


def _levelled(voxels: NDArray[np.float64], edges: NDArray[np.int64], orbit: NDArray[np.int64]) -> NDArray[np.float64]:
    """`voxels` with what the sum of a reflection differs from the mean of its orbit taken off evenly."""
    if not len(orbit):
        return voxels
    sums, counts = np.add.reduceat(voxels, edges[:-1]), np.diff(edges)
    group = np.unique(orbit, return_inverse=True)[1].reshape(-1)
    mean = np.bincount(group, sums) / np.bincount(group)
    return voxels + np.repeat((mean[group] - sums) / counts, counts)


@kernel
def _symmetrise(targets, values, presence, source, inverse, cubes, place, edges, result):  # type: ignore[no-untyped-def]
    side = cubes.side
    volume = side * side * side
    for n in range(len(targets)):
        k = targets[n]
        for i in range(edges[n], edges[n + 1]):
            local = place[i] - k * volume
            vx = cubes.corner[k, 0] + local // (side * side)
            vy = cubes.corner[k, 1] + local // side % side
            vz = cubes.corner[k, 2] + local % side
            up, down = 0.0, 0.0
            for s in range(source.shape[1]):
                o = source[k, s]
                if o >= 0:
                    m = inverse[s]
                    x = m[0, 0] * vx + m[0, 1] * vy + m[0, 2] * vz - cubes.corner[o, 0]
                    y = m[1, 0] * vx + m[1, 1] * vy + m[1, 2] * vz - cubes.corner[o, 1]
                    z = m[2, 0] * vx + m[2, 1] * vy + m[2, 2] * vz - cubes.corner[o, 2]
                    found, some = _around(values, presence, o * volume, side, x, y, z)
                    up += found
                    down += some
            result[i] = up / down if down > UNSEEN else 0.0


@piece
def _around(values, presence, base, side, x, y, z):  # type: ignore[no-untyped-def]
    """Trilinear sums of both arrays at x, y, z of the cube that begins at `base`; points of the grid are met exactly."""
    ix, iy, iz = int(np.floor(x + NEAR)), int(np.floor(y + NEAR)), int(np.floor(z + NEAR))
    fx, fy, fz = x - ix, y - iy, z - iz
    up, down = 0.0, 0.0
    for corner in range(8):
        dx, dy, dz = corner >> 2, (corner >> 1) & 1, corner & 1
        share = (fx if dx else 1 - fx) * (fy if dy else 1 - fy) * (fz if dz else 1 - fz)
        ax, ay, az = ix + dx, iy + dy, iz + dz
        if share > NEAR and 0 <= ax < side and 0 <= ay < side and 0 <= az < side:
            i = base + (ax * side + ay) * side + az
            up += share * values[i]
            down += share * presence[i]
    return up, down
