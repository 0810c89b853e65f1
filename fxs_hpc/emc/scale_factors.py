"""The scale factor phi of each frame: how strongly its crystal scattered.

At given probabilities phi minimises

    sum over rotations and pixels  P [ (b + phi W) p - K log((b + phi W) p) ],   phi >= 0

over live pixels whose tomogram value is above the floor (see `likelihood`). With B = b / W this is the problem of `maximisation`
again, sum P K / (B + phi) = sum P W p, with the bound at zero: the same Newton iteration.
"""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.expansion import DetectorTable, PeakCubes, RotationTable, expanded, tested
from fxs_hpc.emc.likelihood import FLOOR, LEAST, FrameTile
from fxs_hpc.emc.maximisation import best
from fxs_hpc.emc.probabilities import Assignment


def updated(
    assignment: Assignment,
    tile: FrameTile,
    rotations: RotationTable,
    detector: DetectorTable,
    cubes: PeakCubes,
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    """New scale factors float64[n] of the frames of a tile; 0 for frames without any rotation."""
    phi = np.zeros(len(tile.phi))
    _update(assignment, tile, rotations, detector, cubes, values, FLOOR, phi)
    return phi


@kernel
def _update(assignment, tile, rotations, detector, cubes, values, floor, phi):  # type: ignore[no-untyped-def]
    room = len(detector.x) + 1
    R, pixel, peak = np.empty(9), np.empty(room, np.int32), np.empty(room, np.int32)
    x, y, z, W = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    for d in range(len(phi)):
        n, total, slope, most = 0, 0.0, 0.0, 0
        for j in range(assignment.first[d], assignment.first[d + 1]):
            most += tested(assignment.rotation[j], rotations, detector)
        A, B = np.empty(most), np.empty(most)
        for j in range(assignment.first[d], assignment.first[d + 1]):
            P = assignment.probability[j]
            count = expanded(assignment.rotation[j], rotations, detector, cubes, values, R, pixel, x, y, z, peak, W)
            for t in range(count):
                s = pixel[t]
                K, b = tile.photons[d, s], tile.background[d, detector.bin[s]]
                if K >= 0 and b > LEAST and W[t] > floor:
                    total += P * W[t] * detector.polar[s]
                    if K > 0:
                        A[n], B[n] = P * K, b / W[t]
                        slope += A[n] / B[n]
                        n += 1
        # Photons favour a crystal at all only where their pull at phi = 0 exceeds the loss.
        phi[d] = best(A, B, n, total) if slope > total + LEAST else 0.0
