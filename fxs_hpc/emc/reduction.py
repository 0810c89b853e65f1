"""From a raw frame to what EMC reads of it."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fxs_hpc.emc.peaks import PeakPatches
from fxs_hpc.errors import DataError

LARGEST = np.iinfo(np.int16).max


def reduced_counts(
    counts: NDArray[np.int32], index: NDArray[np.int32], limit: float, patches: PeakPatches, largest: int
) -> NDArray[np.int16]:
    """Photons of the usable pixels, i2[NPIX]; -1 where a pixel is dead in this frame.

    A pixel is dead when its count is negative, above `limit` or above what 16 bits hold, or when it belongs to a diffuse patch.

    Parameters
    ----------
    counts : i4[rows, columns]
        Raw frame.
    index : i4[NPIX]
        Full index of each usable pixel.
    limit : float
        Photons above which a pixel is taken to be hot.
    patches : PeakPatches
        Peaks of the frame.
    largest : int
        Patches of more pixels are diffuse.

    Raises
    ------
    DataError
        The frame has fewer pixels than the detector.
    """
    flat = np.require(counts, np.int32, ["C", "W"]).reshape(-1)
    if len(index) and index.max() >= len(flat):
        raise DataError(f"a frame of {counts.shape} pixels, but pixel {index.max()} is usable by make-detector; check num_row and num_col")
    diffuse = patches.selected(patches.sizes > largest)
    if len(diffuse):
        flat = flat.copy()
        flat[diffuse.pixel] = -1
    return _gather(flat, np.ascontiguousarray(index, np.int32).view(np.uint32), int(min(limit, LARGEST)))


@njit("i2[::1](i4[::1], u4[::1], i4)", cache=True, nogil=True)
def _gather(flat: NDArray, index: NDArray, limit: int) -> NDArray:
    photons = np.empty(len(index), np.int16)
    for place in range(len(index)):
        value = flat[index[place]]
        photons[place] = value if 0 <= value <= limit else -1
    return photons
