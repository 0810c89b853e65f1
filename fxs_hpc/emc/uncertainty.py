"""Standard deviations of integrated intensities.

Two estimates, both for the means before symmetrisation, I_k = sum of the voxels of reflection k:

From the scatter between frames (`influences`, the one that is written): the delete-one jackknife. u(d, k) is what I_k changes by when
frame d is left out, whatever makes it differ from the others: photons, a wrong orientation or scale factor, a second crystal. The frames
being independent, var I_k = sum_d u(d, k)^2. With D(v) the summed weights and M = P phi,

    u(d, k) = sum_v (n_d(v) - e_d(v) I(v)) / (D(v) - e_d(v)),     e_d = sum w M,   n_d = sum w M W_d
    W_d = W + C' s_d / M,    s_d = (A_d / (B_d + W) - C_d) / sum A / (B + W)^2   the frame's pull on W,    C' = sum_d M

over the pixels of one rotation; what the rotations of a frame give is added. Other frames keep their scale factors and rotations.

From photon noise alone at fixed orientations and scale factors (`photon_variance`, the reference's; two to three times too
small): var I_k = sum (C' beta)^2 var W, var W = sum_d K J^2, J = P / ((B + W) sum A / (B + W)^2).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece
from fxs_hpc.emc.compression import Exposure
from fxs_hpc.emc.expansion import DetectorTable, PeakCubes, RotationTable, fill, illuminated, interpolated
from fxs_hpc.emc.likelihood import LEAST
from fxs_hpc.emc.maximisation import Observations, best, gathered

LARGEST_LEVERAGE = 0.95
"""Share of a voxel's weight that is one frame's, at most: where it is all, nothing can be learnt about the scatter."""


class Influences(NamedTuple):
    """u(d, k) of single pairs of a frame and a rotation: frame i8[m], reflection i4[m], rotation i4[m], value f8[m]."""

    frame: NDArray[np.int64]
    reflection: NDArray[np.int32]
    rotation: NDArray[np.int32]
    value: NDArray[np.float64]


class Fields(NamedTuple):
    """Means and inverse weights of the voxels, in cubes; 0 where nothing was seen."""

    intensity: NDArray[np.float64]
    inverse: NDArray[np.float64]


def fields(exposure: Exposure, cubes: PeakCubes) -> Fields:
    """Of the means and weights over all frames."""
    seen = exposure.seen
    inverse = np.where(seen, 1 / np.where(seen, exposure.weight, 1), 0.0)
    return Fields(fill(cubes, exposure.intensity), fill(cubes, inverse))


def influences(
    observed: Observations, low: int, high: int, voxels: Fields, rotations: RotationTable, detector: DetectorTable, cubes: PeakCubes
) -> tuple[Influences, NDArray[np.float64]]:
    """What each of the pairs low .. high adds to the influence of its frame, and the variance by photon noise, float64[n reflections].

    The pairs of one rotation must all lie in that range. Rotations are places in the table `rotations`.
    """
    room = int(rotations.length[observed.rotation[low:high]].sum())
    found = Influences(np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room))
    variance = np.zeros(len(cubes.corner))
    count = _influences(observed, low, high, voxels, rotations, detector, cubes, found, variance)
    return Influences(*(values[:count] for values in found)), variance  # type: ignore[arg-type]


def summed(found: Influences, reflections: int) -> Influences:
    """One influence for each frame and reflection, sorted by frame, then reflection.

    Those of a frame's rotations are added by ascending rotation, in whatever order they come.
    """
    key = found.frame * reflections + found.reflection
    order = np.argsort((key << 31) + found.rotation, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    if not len(starts):
        return found
    first = order[starts]
    return Influences(found.frame[first], found.reflection[first], found.rotation[first], np.add.reduceat(found.value[order], starts))


def joined(parts: Sequence[Influences]) -> Influences:
    """All influences of all parts."""
    empty = Influences(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))
    return Influences(*(np.concatenate(values) for values in zip(empty, *parts, strict=True)))


def between(total: Influences, low: int, high: int) -> Influences:
    """Entries low .. high."""
    return Influences(*(values[low:high] for values in total))  # type: ignore[arg-type]


def scatters(total: Influences, orbit: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum over frames of the squared influence on each reflection, and then on the sum over each orbit, float64[n + orbits].

    Parameters
    ----------
    total : Influences
        From `summed`.
    orbit : int64[n]
        Orbit of each reflection.
    """
    single = np.bincount(total.reflection, total.value**2, len(orbit))
    merged = summed(total._replace(reflection=orbit[total.reflection].astype(np.int32), rotation=total.reflection), int(orbit.max()) + 1)
    return np.concatenate([single, np.bincount(merged.reflection, merged.value**2, int(orbit.max()) + 1)]).astype(np.float64)


@kernel
def _influences(observed, low, pairs, voxels, rotations, detector, cubes, found, variance):  # type: ignore[no-untyped-def]
    room, most = len(detector.x) + 1, pairs - low
    R, pixel, peak = np.empty(9), np.empty(room, np.int32), np.empty(room, np.int32)
    x, y, z = np.empty(room), np.empty(room), np.empty(room)
    A, B, C, which = np.empty(most), np.empty(most), np.empty(most), np.empty(most, np.int64)
    volume = cubes.side * cubes.side * cubes.side
    # Weights of a corner beyond the cube are zero, but it is reached: room for one more layer.
    reach = volume + cubes.side * cubes.side + cubes.side + 1
    own, touched = np.zeros((1, 2, reach)), np.empty(reach + 1, np.int32)
    marked = np.zeros(reach, np.bool_)
    at = 0
    while low < pairs:
        r, end = observed.rotation[low], low
        while end < pairs and observed.rotation[end] == r:
            end += 1
        if end - low > len(own):
            own = np.zeros((end - low, 2, reach))
        count = illuminated(r, rotations, detector, cubes, R, pixel, x, y, z, peak)
        t = 0
        while t < count:
            k, some = peak[t], 0
            while t < count and peak[t] == k:
                s = pixel[t]
                live, total = gathered(observed, low, end, t, detector.bin[s], detector.polar[s], A, B, C, which)
                if live:
                    some = _touch(touched, some, marked, cubes.side, x[t], y[t], z[t])
                    W, mass = best(A, B, live, total), total / detector.polar[s]
                    curvature, noise = _curvature(observed, A, B, which, live, W)
                    if curvature > 0:
                        beta = interpolated(voxels.inverse, k * volume, cubes.side, x[t], y[t], z[t])
                        variance[k] += (mass * beta) ** 2 * noise / curvature**2
                    for i in range(live):
                        rate = B[i] + W
                        pull = (A[i] / rate - C[i]) / curvature if curvature > 0 and rate > LEAST else 0.0
                        share = C[i] / detector.polar[s]
                        _add(own[which[i] - low], share, W + mass * pull / share, cubes.side, x[t], y[t], z[t])
                t += 1
            for j in range(low, end):
                found.frame[at], found.reflection[at], found.rotation[at] = observed.frame[j], k, r
                found.value[at] = _influence(own[j - low], touched[:some], voxels, k * volume)
                at += 1
            marked[touched[:some]] = False
        low = end
    return at


@piece
def _curvature(observed, A, B, which, live, W):  # type: ignore[no-untyped-def]
    """sum A / (B + W)^2, and the same with each term times P: the variance of the score."""
    curvature, noise = 0.0, 0.0
    for i in range(live):
        rate = B[i] + W
        if rate > LEAST:
            curvature += A[i] / rate**2
            noise += A[i] * observed.probability[which[i]] / rate**2
    return curvature, noise


@piece
def _add(own, share, value, side, x, y, z):  # type: ignore[no-untyped-def]
    """Add a pixel to the sums n and e of one frame in the cube of a reflection."""
    ix, iy, iz = int(x), int(y), int(z)
    fx, fy, fz = x - ix, y - iy, z - iz
    i = (ix * side + iy) * side + iz
    for dx in range(2):
        along_x = share * (fx if dx else 1 - fx)
        for dy in range(2):
            along_xy = along_x * (fy if dy else 1 - fy)
            row = i + (dx * side + dy) * side
            own[0, row] += along_xy * (1 - fz) * value
            own[1, row] += along_xy * (1 - fz)
            own[0, row + 1] += along_xy * fz * value
            own[1, row + 1] += along_xy * fz


@piece
def _touch(touched, count, marked, side, x, y, z):  # type: ignore[no-untyped-def]
    """Note the eight voxels around a pixel; returns how many are noted."""
    low = (int(x) * side + int(y)) * side + int(z)
    for dx in range(2):
        for dy in range(2):
            row = low + (dx * side + dy) * side
            for voxel in (row, row + 1):
                touched[count] = voxel
                count += not marked[voxel]
                marked[voxel] = True
    return count


@piece
def _influence(own, touched, voxels, base):  # type: ignore[no-untyped-def]
    """u of the sums n, e f8[2, cube] over the voxels `touched`, which are set back to zero."""
    result = 0.0
    for i in touched:
        if own[1, i] > 0:
            inverse = voxels.inverse[base + i]
            leverage = min(own[1, i] * inverse, LARGEST_LEVERAGE)
            result += (own[0, i] - own[1, i] * voxels.intensity[base + i]) * inverse / (1 - leverage)
            own[0, i], own[1, i] = 0.0, 0.0
    return result
