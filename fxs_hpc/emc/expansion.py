"""Expand: the tomogram that a rotation cuts out of the intensity.

A pixel with reciprocal vector q sees, in a crystal rotated by R, the point x = scale * R q of the voxel grid. Where x lies within the
support of a reflection, the tomogram is the trilinear value of the voxels around it, those outside the support counting as zero:

    W = sum over the eight corners v of floor(x) that belong to the reflection of  prod(1 - |x - v|) I(v)

Layout. Pixels stand in the order of the detector's raster, so that those of one reflection lie side by side in every table and in every
frame; `DetectorTable.before` counts the usable pixels before each place of the raster, and a rectangle of the raster becomes a few short
runs without any test of a mask. The voxels of each reflection stand in a cube with a rim of zeros: eight loads and no test. Tomograms are
never stored: one costs some microseconds, which all frames of a block that have the rotation as a candidate share.
"""

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece
from fxs_hpc.emc.reflections import Reflections


class DetectorTable(NamedTuple):
    """Usable pixels in raster order.

    x, y, z f8[n]: reciprocal vectors in voxels; polar f8[n]; bin i4[n]: radial bin of the background, `bins` where there is none;
    before i4[rows * columns + 1]: usable pixels before each place of the raster; columns of the raster.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    polar: NDArray[np.float64]
    bin: NDArray[np.int32]
    before: NDArray[np.int32]
    columns: int


class PeakCubes(NamedTuple):
    """Where the voxels of each reflection stand in the array of cubes.

    corner i4[n, 3]: grid coordinates of the first voxel of the cube; centre f8[n, 3]: lattice point in voxels from there; place i8[m]:
    position of each voxel of the intensity in the flat array of all cubes; slot i4[all cubes]: number of the voxel at each position,
    m where there is none; edge length `side`; `radius_squared` of the support.
    """

    corner: NDArray[np.int32]
    centre: NDArray[np.float64]
    place: NDArray[np.int64]
    slot: NDArray[np.int32]
    side: int
    radius_squared: float


class RotationTable(NamedTuple):
    """Rotations, and the pixels that each brings near a reflection.

    quaternion f8[n, 4]; first i8[n], length i4[n]: entries of rotation r are `entries[first[r] + 3 j + c]`, j < length[r], with c = 0 the
    number of the reflection, c = 1, 2 raster places of the upper left and the lower right corner of a rectangle of pixels.
    """

    quaternion: NDArray[np.float64]
    first: NDArray[np.int64]
    length: NDArray[np.int32]
    entries: NDArray[np.int32]


def raster_order(index: NDArray[np.int32]) -> NDArray[np.int64]:
    """Numbers, among pixels listed with raster places `index`, of the pixels in raster order."""
    return np.argsort(index, kind="stable")


def detector_table(
    q: NDArray[np.float64], polar: NDArray[np.float64], bins: NDArray[np.int32], index: NDArray[np.int32], shape: tuple[int, int]
) -> DetectorTable:
    """Tables of pixels that are listed in any order.

    Parameters
    ----------
    q : float64[n, 3]
        Reciprocal vectors in voxels.
    polar : float64[n]
    bins : int32[n]
        Radial bins, the number of bins where a pixel belongs to none.
    index : int32[n]
        Raster places, row * columns + column.
    shape : (rows, columns)
    """
    order = raster_order(index)
    usable = np.zeros(shape[0] * shape[1] + 1, np.int32)
    usable[index + 1] = 1
    x, y, z = (np.ascontiguousarray(column) for column in q[order].T)
    return DetectorTable(x, y, z, polar[order], bins[order].astype(np.int32), np.cumsum(usable, dtype=np.int32), shape[1])


def peak_cubes(reflections: Reflections) -> PeakCubes:
    """Cubes for the voxels of `reflections`."""
    support = reflections.grid.support
    centres = reflections.centres
    reach = ceil(support + 0.5)
    side = 2 * reach + 1
    corner = (np.copysign(np.floor(np.abs(centres) + 0.5), centres)).astype(np.int32) - reach
    number = np.repeat(np.arange(reflections.count), np.diff(reflections.first))
    offset = (reflections.voxels - corner[number]).astype(np.int64)
    place = ((number * side + offset[:, 0]) * side + offset[:, 1]) * side + offset[:, 2]
    # Weights of a corner beyond the cube are zero, but it is read: room for one more layer.
    slot = np.full(reflections.count * side**3 + side**2 + side + 1, len(place), np.int32)
    slot[place] = np.arange(len(place), dtype=np.int32)
    return PeakCubes(corner, centres - corner, place, slot, side, support**2)


def fill(cubes: PeakCubes, intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel values f8[m] in the array of cubes, with zeros elsewhere."""
    values = np.zeros(len(cubes.slot))
    values[cubes.place] = intensity
    return values


@piece
def rotation_matrix(q, R):  # type: ignore[no-untyped-def]
    """The matrix lab -> crystal of a unit quaternion, row after row into R f8[9]."""
    a, b, c, d = q[0], q[1], q[2], q[3]
    R[0], R[1], R[2] = 1 - 2 * (c * c + d * d), 2 * (b * c + a * d), 2 * (b * d - a * c)
    R[3], R[4], R[5] = 2 * (b * c - a * d), 1 - 2 * (b * b + d * d), 2 * (c * d + a * b)
    R[6], R[7], R[8] = 2 * (b * d + a * c), 2 * (c * d - a * b), 1 - 2 * (b * b + c * c)


@piece
def illuminated(r, rotations, detector, cubes, R, pixel, x, y, z, peak):  # type: ignore[no-untyped-def]
    """Pixels of rotation r that lie within the support of a reflection; returns their number.

    pixel i4, x, y, z f8 (position from the corner of the cube, in voxels) and peak i4 (reflection) receive them. The arrays must have
    room for one more than all usable pixels.
    """
    rotation_matrix(rotations.quaternion[r], R)
    R0, R1, R2, R3, R4, R5, R6, R7, R8 = R[0], R[1], R[2], R[3], R[4], R[5], R[6], R[7], R[8]
    count = 0
    at = rotations.first[r]
    for _ in range(rotations.length[r]):
        k, low, high = rotations.entries[at], rotations.entries[at + 1], rotations.entries[at + 2]
        at += 3
        ox, oy, oz = cubes.corner[k, 0], cubes.corner[k, 1], cubes.corner[k, 2]
        cx, cy, cz = cubes.centre[k, 0], cubes.centre[k, 1], cubes.centre[k, 2]
        width = high % detector.columns - low % detector.columns + 1
        for row in range(low, high + 1, detector.columns):
            for s in range(detector.before[row], detector.before[row + width]):
                qx, qy, qz = detector.x[s], detector.y[s], detector.z[s]
                px = R0 * qx + R1 * qy + R2 * qz - ox
                py = R3 * qx + R4 * qy + R5 * qz - oy
                pz = R6 * qx + R7 * qy + R8 * qz - oz
                pixel[count], x[count], y[count], z[count], peak[count] = s, px, py, pz, k
                dx, dy, dz = px - cx, py - cy, pz - cz
                count += dx * dx + dy * dy + dz * dz <= cubes.radius_squared
    return count


@piece
def tested(r, rotations, detector):  # type: ignore[no-untyped-def]
    """Number of usable pixels in the rectangles of rotation r: at least as many as are illuminated."""
    count = 0
    at = rotations.first[r]
    for _ in range(rotations.length[r]):
        low, high = rotations.entries[at + 1], rotations.entries[at + 2]
        at += 3
        width = high % detector.columns - low % detector.columns + 1
        for row in range(low, high + 1, detector.columns):
            count += detector.before[row + width] - detector.before[row]
    return count


@piece
def interpolated(values, base, side, x, y, z):  # type: ignore[no-untyped-def]
    """Trilinear value at x, y, z (voxels from the corner) of the cube that begins at values[base]."""
    ix, iy, iz = int(x), int(y), int(z)
    fx, fy, fz = x - ix, y - iy, z - iz
    i = base + (ix * side + iy) * side + iz
    near_low = values[i] * (1 - fz) + values[i + 1] * fz
    near_high = values[i + side] * (1 - fz) + values[i + side + 1] * fz
    i += side * side
    far_low = values[i] * (1 - fz) + values[i + 1] * fz
    far_high = values[i + side] * (1 - fz) + values[i + side + 1] * fz
    return (near_low * (1 - fy) + near_high * fy) * (1 - fx) + (far_low * (1 - fy) + far_high * fy) * fx


@piece
def expanded(r, rotations, detector, cubes, values, R, pixel, x, y, z, peak, W):  # type: ignore[no-untyped-def]
    """Tomogram W f8 of rotation r and its pixels; returns their number. See `illuminated`."""
    count = illuminated(r, rotations, detector, cubes, R, pixel, x, y, z, peak)
    volume = cubes.side * cubes.side * cubes.side
    for t in range(count):
        W[t] = interpolated(values, peak[t] * volume, cubes.side, x[t], y[t], z[t])
    return count


@kernel
def tomogram(r, rotations, detector, cubes, values):  # type: ignore[no-untyped-def]
    """Pixels i4[n] (raster order) and tomogram f8[n] of rotation r; `values` from `fill`."""
    room = len(detector.x) + 1
    pixel, peak = np.empty(room, np.int32), np.empty(room, np.int32)
    x, y, z, W = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    count = expanded(r, rotations, detector, cubes, values, np.empty(9), pixel, x, y, z, peak, W)
    return pixel[:count].copy(), W[:count].copy()
