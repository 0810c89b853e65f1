"""Log-likelihood of candidate rotations against that of the background alone.

Frame d holds K photons in pixel i, rotation r predicts the mean (b + phi W) p, with b the background, phi the frame's scale factor, W the
tomogram and p the pixel's factor of polarisation and solid angle. Summed over the tomogram's pixels that are live in the frame,

    log L(d, r) = sum  K log(1 + phi W / b) - phi W p

what the pixels outside add is the same for all rotations. A pixel is live where K >= 0 and the background is known and positive.

Frames come in blocks whose photons stay in the cache; the candidates of the whole block are sorted by rotation and one tomogram serves
all frames that have it. The sums of each frame run over lists without branches (see `logarithm`).

Negative intensity. Voxels are unbiased means of noisy values and some are negative, above all in weak reflections; the rate of a pixel
cannot be. `FLOOR` states the one treatment of all steps: a pixel with W <= FLOOR has the rate of the background, that is W counts as zero
in the likelihood and in the scale factors, while the intensity itself stays unbiased. (The reference does so for the scale factors but
not for the intensity, where it leaves out only the rates below 1e-10: `REFERENCE_FLOOR`.)
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import reordered
from fxs_hpc.emc.expansion import DetectorTable, PeakCubes, RotationTable, expanded
from fxs_hpc.emc.logarithm import logarithm

FLOOR = 1e-10
"""Tomogram values up to this count as zero."""
REFERENCE_FLOOR = -np.inf
"""The reference's rule for the flags of the intensity: negative tomogram values count as they are."""
LEAST = 1e-10
"""Backgrounds, scale factors and rates below are none."""


class FrameTile(NamedTuple):
    """Frames that are worked on together.

    photons i2[n, pixels]: in raster order, negative = dead; background f8[n, bins + 1]: the last column and unusable bins hold -1;
    phi f8[n].
    """

    photons: NDArray[np.int16]
    background: NDArray[np.float64]
    phi: NDArray[np.float64]


def log_likelihoods(
    frame: NDArray[np.int32],
    rotation: NDArray[np.int32],
    tile: FrameTile,
    rotations: RotationTable,
    detector: DetectorTable,
    cubes: PeakCubes,
    values: NDArray[np.float64],
    floor: float,
) -> NDArray[np.float64]:
    """log L of the pairs (frame, rotation).

    Parameters
    ----------
    frame, rotation : int32[m]
        Frame of the tile and rotation of each pair, in any order.
    values : float64[...]
        The intensity in cubes (`expansion.fill`).
    floor : float
        `FLOOR` or `REFERENCE_FLOOR`.

    Returns
    -------
    float64[m]
        0 where the scale factor of the frame is zero.
    """
    order = np.argsort(rotation, kind="stable")
    live = tile.background > LEAST
    phi = np.where(tile.phi > LEAST, tile.phi, 0.0)[:, None]
    contrast = np.where(live, phi / np.where(live, tile.background, 1), 0.0)
    sums = np.empty(len(order))
    _log_likelihoods(
        frame[order], rotation[order], tile.photons, contrast, np.where(live, phi, 0.0), rotations, detector, cubes, values, floor, sums
    )
    result = np.empty(len(order))
    result[order] = sums
    return result


@reordered
def _log_likelihoods(frame, rotation, photons, contrast, scale, rotations, detector, cubes, values, floor, sums):  # type: ignore[no-untyped-def]
    room = len(detector.x) + 1
    R, pixel, peak, bins = np.empty(9), np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    x, y, z, W, Wp = np.empty(room), np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    pair = 0
    while pair < len(rotation):
        r = rotation[pair]
        count = expanded(r, rotations, detector, cubes, values, R, pixel, x, y, z, peak, W)
        for t in range(count):
            bins[t] = detector.bin[pixel[t]]
            Wp[t] = W[t] * detector.polar[pixel[t]]
        while pair < len(rotation) and rotation[pair] == r:
            d = frame[pair]
            for t in range(count):
                x[t] = photons[d, pixel[t]]
                y[t] = contrast[d, bins[t]]
                z[t] = scale[d, bins[t]]
            total = 0.0
            for t in range(count):
                ratio = 1 + y[t] * W[t]
                counts = (x[t] >= 0) & (W[t] > floor) & (ratio > LEAST)
                term = x[t] * logarithm(ratio if counts else 1.0) - z[t] * Wp[t]
                total += term if counts else 0.0
            sums[pair] = total
            pair += 1
