"""MTZ and CrystFEL reflection lists, read back by another library."""

import gemmi
import numpy as np
import pytest

from fxs_hpc.emc.merging import Merged
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import crystfel_hkl, mtz

CELL = (78.9, 78.9, 38.2, 90.0, 90.0, 90.0)


def some(count=200, seed=3):
    rng = np.random.default_rng(seed)
    asu = gemmi.ReciprocalAsu(gemmi.SpaceGroup("P 43 21 2"))
    grid = np.stack(np.meshgrid(*[np.arange(9)] * 3, indexing="ij"), -1).reshape(-1, 3)[1:]
    hkl = np.array([index for index in grid.tolist() if asu.is_in(index)], np.int32)
    hkl = hkl[rng.permutation(len(hkl))[:count]]
    return Merged(hkl, rng.normal(100, 60, count), rng.uniform(1, 9, count), rng.integers(1, 50, count))


def test_gemmi_reads_what_was_written(tmp_path):
    merged, half = some(), some(150, seed=3)
    mtz.write(tmp_path / "x.mtz", merged, CELL, "P 43 21 2", 1.2, (merged, half))
    found = gemmi.read_mtz_file(str(tmp_path / "x.mtz"))
    assert found.spacegroup.hm == "P 43 21 2" and np.allclose(found.cell.parameters, CELL)
    assert found.dataset(1).wavelength == pytest.approx(1.2)
    assert [(column.label, column.type) for column in found.columns[3:]] == [*mtz.COLUMNS, *mtz.HALF_COLUMNS]
    values = {tuple(index): value for index, value in zip(merged.hkl.tolist(), merged.intensity, strict=True)}
    for index, value in zip(found.make_miller_array().tolist(), found.column_with_label("IMEAN"), strict=True):
        assert value == pytest.approx(values[tuple(index)], rel=1e-6)
    assert np.isnan(np.array(found.column_with_label("I_B"))).sum() == len(merged.hkl) - len(
        {tuple(x) for x in merged.hkl.tolist()} & {tuple(x) for x in half.hkl.tolist()}
    )


def test_mtz_round_trip_moves_into_the_asymmetric_unit(tmp_path):
    merged = Merged(np.array([[-3, -1, -2]], np.int32), np.array([7.0]), np.array([2.0]), np.array([1]))
    mtz.write(tmp_path / "x.mtz", merged, CELL, "P 43 21 2", 1.2)
    hkl, intensity, sigma = mtz.read(tmp_path / "x.mtz")
    assert hkl.tolist() == [[3, 1, 2]] and intensity[0] == 7 and sigma[0] == 2


def test_an_mtz_without_intensities_is_refused(tmp_path):
    empty = gemmi.Mtz(with_base=True)
    empty.spacegroup = gemmi.SpaceGroup("P 1")
    empty.set_data(np.zeros((1, 3), np.float32))
    empty.write_to_file(str(tmp_path / "x.mtz"))
    with pytest.raises(InputFileError, match="no column of mean intensities"):
        mtz.read(tmp_path / "x.mtz")
    (tmp_path / "y.mtz").write_text("nothing")
    with pytest.raises(InputFileError, match=r"y\.mtz: cannot be read"):
        mtz.read(tmp_path / "y.mtz")


def test_crystfel_list_round_trip(tmp_path):
    merged = some()
    crystfel_hkl.write(tmp_path / "x.hkl", merged, "4/mmm")
    found = crystfel_hkl.read(tmp_path / "x.hkl")
    assert np.array_equal(found.hkl, merged.hkl) and np.array_equal(found.multiplicity, merged.multiplicity)
    assert np.allclose(found.intensity, merged.intensity, rtol=1e-6) and np.allclose(found.sigma, merged.sigma, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("other\n", "does not begin with"),
        (f"{crystfel_hkl.FIRST}\nSymmetry: 1\nhead\n 1 2 3 4.0 - 1.0 1\n", "cut off"),
        (f"{crystfel_hkl.FIRST}\nSymmetry: 1\nhead\n 1 2 3 4.0\n{crystfel_hkl.LAST}\n", "something else"),
    ],
)
def test_broken_lists_are_refused(tmp_path, text, words):
    (tmp_path / "x.hkl").write_text(text)
    with pytest.raises(InputFileError, match=words):
        crystfel_hkl.read(tmp_path / "x.hkl")
