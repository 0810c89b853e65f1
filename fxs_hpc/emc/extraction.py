"""Photons at the pixels of the rotations that a frame is assigned to: all that the maximisation needs of a block of frames."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.expansion import DetectorTable, PeakCubes, RotationTable, illuminated, tested
from fxs_hpc.emc.probabilities import Assignment


def photons_seen(
    assignment: Assignment, photons: NDArray[np.int16], rotations: RotationTable, detector: DetectorTable, cubes: PeakCubes
) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    """Counts at the illuminated pixels of each assigned rotation.

    Parameters
    ----------
    photons : int16[n, pixels]
        Frames of a tile in raster order.

    Returns
    -------
    first : int64[m + 1]
        Counts of entry j of `assignment` are counts[first[j]:first[j + 1]].
    counts : int16[...]
    """
    first = np.zeros(len(assignment.rotation) + 1, np.int64)
    counts = np.empty(_most(assignment.rotation, rotations, detector), np.int16)
    _extract(assignment.first, assignment.rotation, photons, rotations, detector, cubes, first, counts)
    return first, counts[: first[-1]].copy()


@kernel
def _most(rotation, rotations, detector):  # type: ignore[no-untyped-def]
    total = 0
    for r in rotation:
        total += tested(r, rotations, detector)
    return total


@kernel
def _extract(frame_first, rotation, photons, rotations, detector, cubes, first, counts):  # type: ignore[no-untyped-def]
    room = len(detector.x) + 1
    R, pixel, peak = np.empty(9), np.empty(room, np.int32), np.empty(room, np.int32)
    x, y, z = np.empty(room), np.empty(room), np.empty(room)
    at = 0
    for d in range(len(frame_first) - 1):
        for j in range(frame_first[d], frame_first[d + 1]):
            count = illuminated(rotation[j], rotations, detector, cubes, R, pixel, x, y, z, peak)
            for t in range(count):
                counts[at + t] = photons[d, pixel[t]]
            at += count
            first[j + 1] = at
