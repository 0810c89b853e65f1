"""Merged intensities as MTZ, the format of CCP4, Phenix and reciprocalspaceship.

One dataset with the columns H K L IMEAN SIGIMEAN N and, where halves are given, I_A SIGI_A I_B SIGI_B, sorted by h, k, l and
moved into the asymmetric unit of the space group. Missing values are nan.
"""

from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.merging import Merged
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing

COLUMNS = (("IMEAN", "J"), ("SIGIMEAN", "Q"), ("N", "I"))
HALF_COLUMNS = (("I_A", "J"), ("SIGI_A", "Q"), ("I_B", "J"), ("SIGI_B", "Q"))


def write(
    path: Path,
    merged: Merged,
    cell: tuple[float, float, float, float, float, float],
    space_group: str,
    wavelength: float,
    halves: tuple[Merged, Merged] | None = None,
) -> None:
    """Write merged intensities.

    Parameters
    ----------
    merged : Merged
    cell : a, b, c (Angstrom), alpha, beta, gamma (degrees)
    space_group : str
        Hermann-Mauguin name; must have the Laue group that the data were merged in.
    wavelength : float
        Angstrom.
    halves : two Merged, optional
        Of the two halves of the frames.
    """
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup(space_group)
    mtz.set_cell_for_all(gemmi.UnitCell(*cell))
    dataset = mtz.add_dataset("fxs_hpc")
    dataset.wavelength = wavelength
    for label, kind in (*COLUMNS, *(HALF_COLUMNS if halves else ())):
        mtz.add_column(label, kind)
    parts = [merged.intensity, merged.sigma, merged.multiplicity.astype(float)]
    for half in halves or ():
        parts += [_at(merged.hkl, half, half.intensity), _at(merged.hkl, half, half.sigma)]
    mtz.set_data(np.column_stack([merged.hkl, *parts]).astype(np.float32))
    mtz.ensure_asu()
    mtz.sort()
    mtz.history = ["from fxs_hpc"]
    with replacing(path) as temporary:
        mtz.write_to_file(str(temporary))


def read(path: Path) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """hkl int32[n, 3], intensity and sigma float64[n] of the first intensity column, reflections without a value left out.

    Raises
    ------
    InputFileError
        The file cannot be read, or has no intensity (type J) with its sigma (type Q).
    """
    try:
        mtz = gemmi.read_mtz_file(str(path))
    except (RuntimeError, OSError, ValueError) as error:
        raise InputFileError(f"{path}: cannot be read as MTZ ({error})") from None
    intensities, sigmas = mtz.columns_with_type("J"), mtz.columns_with_type("Q")
    if not len(intensities) or not len(sigmas):
        labels = ", ".join(column.label for column in mtz.columns)
        raise InputFileError(f"{path}: has no column of mean intensities (type J) with its sigma (type Q); its columns are {labels}")
    values = np.array(intensities[0], float)
    good = np.isfinite(values)
    return mtz.make_miller_array()[good].astype(np.int32), values[good], np.array(sigmas[0], float)[good]


def _at(hkl: NDArray, other: Merged, values: NDArray) -> NDArray[np.float64]:
    """`values` of `other` at the reflections `hkl`, nan where it has none."""
    places = {tuple(index): value for index, value in zip(other.hkl.tolist(), values.tolist(), strict=True)}
    return np.array([places.get(tuple(index), np.nan) for index in hkl.tolist()])
