"""Raw detector values into photon counts with one mark for bad pixels."""

import numpy as np
from numpy.typing import NDArray

BAD = -1
"""Count of a pixel that must not be used; any negative count means the same."""


def photon_counts(values: NDArray, adu_per_photon: float = 1.0) -> NDArray[np.int32]:
    """int32 counts of one frame, negative = bad pixel.

    * Signed integers: negative values are bad.
    * Unsigned integers: the largest value of the type (Eiger's mark of bad pixels), and what exceeds int32, is bad.
    * Real numbers (Jungfrau, ePix, calibrated): rounded to whole photons, noise below zero is zero photons, NaN and infinity are bad.

    Parameters
    ----------
    values : any shape
        A frame of several panels (panels, rows, columns) becomes (panels * rows, columns).
    adu_per_photon : float
        Divides the values of real numbers and, unless it is 1, of integers.
    """
    values = values.reshape(-1, values.shape[-1]) if values.ndim != 2 else values
    if values.dtype.kind == "b":
        values = values.astype(np.uint16)
    if values.dtype.kind == "u":
        return _scaled(values, values >= min(np.iinfo(values.dtype).max, np.iinfo(np.int32).max), adu_per_photon)
    if values.dtype.kind == "i":
        if values.dtype.itemsize <= 4 and adu_per_photon == 1:
            return np.ascontiguousarray(values, np.int32)
        return _scaled(values, (values < 0) | (values > np.iinfo(np.int32).max), adu_per_photon)
    if values.dtype.kind == "f":
        return _scaled(np.maximum(values, 0), ~(values < np.iinfo(np.int32).max * adu_per_photon), adu_per_photon)
    raise ValueError(f"values of type {values.dtype} are no photon counts")


def _scaled(values: NDArray, bad: NDArray[np.bool_], adu_per_photon: float) -> NDArray[np.int32]:
    if adu_per_photon != 1 or values.dtype.kind == "f":
        values = np.rint(np.where(bad, 0, values) / adu_per_photon)
    counts = values.astype(np.int32)
    counts[bad] = BAD
    return np.ascontiguousarray(counts)
