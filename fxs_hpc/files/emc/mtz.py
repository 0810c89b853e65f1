"""Merged intensities as MTZ, the format of CCP4, Phenix and reciprocalspaceship.

Columns H K L, IMEAN SIGIMEAN N (number of observations) in a dataset `merged` and, where halves of the frames are given, I_A SIGI_A N_A
and I_B SIGI_B N_B in datasets `half_A` and `half_B` of their own, so that a program that takes the first intensities takes those of all
frames. Reflections are moved into the asymmetric unit of the space group and sorted by h, k, l; missing values are nan. There are no
I(+) and I(-): Friedel's law is part of the model, so that mates are merged.
"""

from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.merging import Merged
from fxs_hpc.files.atomic import replacing

COLUMNS = (("IMEAN", "J"), ("SIGIMEAN", "Q"), ("N", "I"))
HALF_COLUMNS = (("I_{}", "J"), ("SIGI_{}", "Q"), ("N_{}", "I"))
CRYSTAL = "fxs_hpc"


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
    mtz.title = "Bragg intensities of fxs_hpc"
    mtz.spacegroup = gemmi.SpaceGroup(space_group)
    mtz.set_cell_for_all(gemmi.UnitCell(*cell))
    mtz.datasets[0].wavelength = wavelength  # of the indices: some readers take the wavelength of the first dataset
    _add_dataset(mtz, "merged", wavelength, COLUMNS)
    parts = [merged.intensity, merged.sigma, merged.multiplicity.astype(float)]
    for name, half in zip("AB", halves or (), strict=False):
        _add_dataset(mtz, f"half_{name}", wavelength, tuple((label.format(name), kind) for label, kind in HALF_COLUMNS))
        parts += [_at(merged.hkl, half, values) for values in (half.intensity, half.sigma, half.multiplicity)]
    mtz.set_data(np.column_stack([merged.hkl, *parts]).astype(np.float32))
    mtz.ensure_asu()
    mtz.sort()
    mtz.history = ["from fxs_hpc"]
    with replacing(path) as temporary:
        mtz.write_to_file(str(temporary))


def _add_dataset(mtz: gemmi.Mtz, name: str, wavelength: float, columns: tuple[tuple[str, str], ...]) -> None:
    dataset = mtz.add_dataset(name)
    dataset.project_name, dataset.crystal_name, dataset.wavelength = CRYSTAL, CRYSTAL, wavelength
    for label, kind in columns:
        mtz.add_column(label, kind, dataset_id=dataset.id)


def _at(hkl: NDArray, other: Merged, values: NDArray) -> NDArray[np.float64]:
    """`values` of `other` at the reflections `hkl`, nan where it has none."""
    places = {tuple(index): value for index, value in zip(other.hkl.tolist(), values.tolist(), strict=True)}
    return np.array([places.get(tuple(index), np.nan) for index in hkl.tolist()])
