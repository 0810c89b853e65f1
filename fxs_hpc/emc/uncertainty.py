"""Standard deviations of integrated intensities.

Two estimates, both for the means before symmetrisation, I_k = sum of the voxels of reflection k:

From the scatter between frames (`influences`, the one that is written). I_k depends on each frame's weight in all sums; the derivative
u(d, k) of I_k with respect to the weight of frame d is what the frame adds to the error of I_k, whatever the source: photons, a wrong
orientation or scale factor, a second crystal. The frames being independent, var I_k = sum_d u(d, k)^2 (the infinitesimal jackknife, or
sandwich, estimate). With D(v) the summed weights and M(d, r) = P phi,

    u(d, k) = sum over rotations and pixels  M (beta W - gamma) + C' beta s_d,     beta = sum_v w / D,   gamma = sum_v w I(v) / D,
    s_d = (A_d / (B_d + W) - C_d) / sum A / (B + W)^2   the frame's pull on W,     C' = sum_d M

From photon noise alone at fixed orientations and scale factors (`photon_variance`, the reference's; two to three times too
small): var I_k = sum (C' beta)^2 var W, var W = sum_d K J^2, J = P / ((B + W) sum A / (B + W)^2).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fxs_hpc.emc.compression import Exposure
from fxs_hpc.emc.expansion import COMPILE, DetectorTable, PeakCubes, RotationTable, fill, illuminated, interpolated
from fxs_hpc.emc.likelihood import LEAST
from fxs_hpc.emc.maximisation import Observations, best, gathered


class Influences(NamedTuple):
    """u(d, k) of single pairs of a frame and a rotation: frame i8[m], reflection i4[m], rotation i4[m], value f8[m]."""

    frame: NDArray[np.int64]
    reflection: NDArray[np.int32]
    rotation: NDArray[np.int32]
    value: NDArray[np.float64]


class Shares(NamedTuple):
    """1 / D and I / D in cubes: what a pixel's weight at a voxel is worth."""

    inverse: NDArray[np.float64]
    weighted: NDArray[np.float64]


def shares(exposure: Exposure, cubes: PeakCubes) -> Shares:
    """Of the means and weights over all frames."""
    seen = exposure.seen
    inverse = np.where(seen, 1 / np.where(seen, exposure.weight, 1), 0.0)
    return Shares(fill(cubes, inverse), fill(cubes, inverse * exposure.intensity))


def influences(
    observed: Observations, low: int, high: int, fields: Shares, rotations: RotationTable, detector: DetectorTable, cubes: PeakCubes
) -> tuple[Influences, NDArray[np.float64]]:
    """What each of the pairs low .. high adds to the influence of its frame, and the variance by photon noise, float64[n reflections].

    The pairs of one rotation must all lie in that range. Rotations are places in the table `rotations`.
    """
    room = int(rotations.length[observed.rotation[low:high]].sum())
    found = Influences(np.empty(room, np.int64), np.empty(room, np.int32), np.empty(room, np.int32), np.zeros(room))
    variance = np.zeros(len(cubes.corner))
    count = _influences(observed, low, high, fields, rotations, detector, cubes, found, variance)
    return Influences(*(values[:count] for values in found)), variance  # type: ignore[arg-type]


def summed(found: Influences, reflections: int) -> Influences:
    """One influence for each frame and reflection, sorted by frame, then reflection.

    Those of a frame's rotations are added by ascending rotation, in whatever order they come.
    """
    key = found.frame * reflections + found.reflection
    order = np.lexsort((found.rotation, key))
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


@njit(**COMPILE)
def _influences(observed, low, pairs, fields, rotations, detector, cubes, found, variance):  # type: ignore[no-untyped-def]
    room = len(detector.x) + 1
    R, pixel, peak = np.empty(9), np.empty(room, np.int32), np.empty(room, np.int32)
    x, y, z = np.empty(room), np.empty(room), np.empty(room)
    most = pairs - low
    A, B, C, which = np.empty(most), np.empty(most), np.empty(most), np.empty(most, np.int64)
    volume = cubes.side * cubes.side * cubes.side
    at = 0
    while low < pairs:
        r, end = observed.rotation[low], low
        while end < pairs and observed.rotation[end] == r:
            end += 1
        count = illuminated(r, rotations, detector, cubes, R, pixel, x, y, z, peak)
        entry, last = -1, -1
        for t in range(count):
            if peak[t] != last:
                entry, last = entry + 1, peak[t]
                for j in range(low, end):
                    place = at + (j - low) * rotations.length[r] + entry
                    found.frame[place], found.reflection[place], found.rotation[place] = observed.frame[j], last, r
            s = pixel[t]
            live, total = gathered(observed, low, end, t, detector.bin[s], detector.polar[s], A, B, C, which)
            if not live:
                continue
            W = best(A, B, live, total)
            beta = interpolated(fields.inverse, last * volume, cubes.side, x[t], y[t], z[t])
            gamma = interpolated(fields.weighted, last * volume, cubes.side, x[t], y[t], z[t])
            mass = total / detector.polar[s]
            curvature, noise = 0.0, 0.0
            for i in range(live):
                rate = B[i] + W
                if rate > LEAST:
                    curvature += A[i] / rate**2
                    noise += A[i] * observed.probability[which[i]] / rate**2
            for i in range(live):
                rate = B[i] + W
                pull = (A[i] / rate - C[i]) / curvature if curvature > 0 and rate > LEAST else 0.0
                place = at + (which[i] - low) * rotations.length[r] + entry
                found.value[place] += C[i] / detector.polar[s] * (beta * W - gamma) + mass * beta * pull
            if curvature > 0:
                variance[last] += (mass * beta) ** 2 * noise / curvature**2
        at = _closed(found, at, rotations.length[r], entry + 1, end - low)
        low = end
    return at


@njit(forceinline=True)
def _closed(found, at, stride, used, pairs):  # type: ignore[no-untyped-def]
    """Push the `used` entries of each of `pairs` runs of `stride` together; returns where the next begin."""
    for j in range(pairs):
        for entry in range(used):
            source, target = at + j * stride + entry, at + j * used + entry
            found.frame[target], found.reflection[target] = found.frame[source], found.reflection[source]
            found.rotation[target], found.value[target] = found.rotation[source], found.value[source]
            if target != source:
                found.value[source] = 0.0
    return at + pairs * used
