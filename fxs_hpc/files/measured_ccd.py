"""ccd.h5 of measured patterns: the layout of `fxs_hpc.files.ccd` with what only patterns have.

Fields beyond those
-------------------
num_images_processed, num_images_good ()
cross_correlation/I1I1 (n1, n2, n_delta) f8 : NaN where no pair of points was ever valid
cross_correlation/I1I1_fc (n1, n2, orders) c16 : its Fourier coefficients, C_n = mean over Delta of C e^{-i n Delta}
radial_points, average_intensity (n,) : those of the correlation; radial_points_1, radial_points_2 where q1 and q2 are not the same
saxs/radial_points, saxs/average_intensity : all rings, NaN where not measured
mean_pattern (rows, columns) f4 : NaN where a pixel was never valid
frames/is_good (n,) i1, frames/roi_mean (n,) f8, frames/average_intensity (n, n_q) f8 : of every pattern
model/ : the simulated object, where the patterns are simulated
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.ccd import write_model, write_points
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.shapes import Model


@dataclass(frozen=True)
class Measured:
    """What `correlate` stores beside the points of the correlation.

    Parameters
    ----------
    shape : of I1I1, or None without correlations.
    whole, orders : whether I1I1 is stored, and how many Fourier coefficients of it (0: none).
    arrays : field name -> array or number.
    model : the simulated object, or None.
    """

    shape: tuple[int, int, int] | None
    whole: bool = True
    orders: int = 0
    arrays: Mapping[str, NDArray | int] = field(default_factory=dict)
    model: Model | PlaneModel | None = None


def write_measured(path: Path, data: CrossCorrelation, measured: Measured, blocks: Iterable[tuple[slice, NDArray]]) -> None:
    """Write ccd.h5, whole or not at all; `blocks` are (slice of q1, C), written as they come."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_points(file, data, "mean over points and patterns")
        for name, value in measured.arrays.items():
            file[name] = value
        if measured.model is not None:
            write_model(file, measured.model)
        if measured.shape is None:
            return
        group = file.create_group("cross_correlation")
        n1, n2, _ = measured.shape
        whole = group.create_dataset("I1I1", measured.shape, np.float64) if measured.whole else None
        parts = group.create_dataset("I1I1_fc", (n1, n2, measured.orders), np.complex128) if measured.orders else None
        for rows, values in blocks:
            if whole is not None:
                whole[rows] = values
            if parts is not None:
                parts[rows] = coefficients(values, measured.orders)


def coefficients(values: NDArray[np.float64], orders: int) -> NDArray[np.complex128]:
    """First Fourier coefficients (rows, n, orders) of C (rows, n, n_delta).

    Gaps are interpolated along Delta; a pair of q without any valid angle is NaN.
    """
    n_delta = values.shape[2]
    angle = np.arange(n_delta)
    result = np.full((*values.shape[:2], orders), np.nan, np.complex128)
    for index in np.ndindex(*values.shape[:2]):
        valid = np.isfinite(values[index])
        if valid.any():
            complete = values[index] if valid.all() else np.interp(angle, angle[valid], values[index][valid], period=n_delta)
            result[index] = np.fft.fft(complete)[:orders] / n_delta
    return result
