"""Intensities of reflections from files of other programs."""

import gemmi
import numpy as np
import pytest

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import structure_factors

HKL = np.array([[1, 2, 3], [0, 0, 4], [-2, 1, 0]])
VALUES = np.array([10.0, 4.0, 9.0])

CRYSTFEL = """CrystFEL reflection list version 2.0
Symmetry: 4/mmm
   h    k    l          I    phase   sigma(I)   nmeas
   1    2    3      10.00        -       1.00       5
   0    0    4       4.00        -       1.00       5
  -2    1    0       9.00        -       1.00       5
End of reflections
"""


def mtz(path, columns):
    made = gemmi.Mtz(with_base=True)
    made.spacegroup = gemmi.SpaceGroup("P 4 2 2")
    made.set_cell_for_all(gemmi.UnitCell(24, 24, 18, 90, 90, 90))
    made.add_dataset("data")
    for name, kind, _ in columns:
        made.add_column(name, kind)
    made.set_data(np.column_stack([HKL, *(values for _, _, values in columns)]).astype(np.float32))
    made.write_to_file(str(path))


def test_crystfel_list_and_plain_lines(tmp_path):
    (tmp_path / "a.hkl").write_text(CRYSTFEL)
    (tmp_path / "b.txt").write_text("# h k l I\n1 2 3 10\n0 0 4 4.0\n-2 1 0 9e0\n")
    for name in ("a.hkl", "b.txt"):
        hkl, intensity = structure_factors.read(tmp_path / name)
        np.testing.assert_array_equal(hkl, HKL)
        np.testing.assert_array_equal(intensity, VALUES)


@pytest.mark.parametrize(
    "columns",
    [
        [("FC", "F", np.sqrt(VALUES))],
        [("F", "F", [1.0, 1.0, 1.0]), ("IMEAN", "J", VALUES)],
        [("I(+)", "K", VALUES), ("F", "F", [1.0, 1.0, 1.0])],
    ],
)
def test_mtz_gives_intensities_first_then_amplitudes(tmp_path, columns):
    mtz(tmp_path / "a.mtz", columns)
    hkl, intensity = structure_factors.read(tmp_path / "a.mtz")
    np.testing.assert_array_equal(hkl, HKL)
    np.testing.assert_allclose(intensity, VALUES, rtol=1e-6)


def test_missing_values_are_left_out(tmp_path):
    mtz(tmp_path / "a.mtz", [("IMEAN", "J", [10.0, np.nan, 9.0])])
    np.testing.assert_array_equal(structure_factors.read(tmp_path / "a.mtz")[0], HKL[[0, 2]])


def test_what_is_no_file_of_reflections_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("nothing\n")
    (tmp_path / "b.mtz").write_bytes(b"no mtz at all")
    mtz(tmp_path / "c.mtz", [("PHIC", "P", VALUES)])
    for name, message in (("a.txt", "no reflections"), ("b.mtz", "no file of reflections"), ("c.mtz", "no column"), ("d.hkl", "cannot be")):
        with pytest.raises(InputFileError, match=rf"{name}.*{message}"):
            structure_factors.read(tmp_path / name)
