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
    assert found.spacegroup.hm == "P 43 21 2" and np.allclose(found.cell.parameters, CELL) and np.isnan(found.valm)
    labels = "H K L IMEAN SIGIMEAN N I_A SIGI_A N_A I_B SIGI_B N_B".split()
    assert found.column_labels() == labels and "".join(column.type for column in found.columns) == "HHHJQIJQIJQI"
    assert [column.dataset_id for column in found.columns] == 3 * [0] + 3 * [1] + 3 * [2] + 3 * [3]
    assert found.datasets[0].wavelength == pytest.approx(1.2)
    for dataset, name in zip(found.datasets[1:], ("merged", "half_A", "half_B"), strict=True):
        assert dataset.dataset_name == name and dataset.wavelength == pytest.approx(1.2) and np.allclose(dataset.cell.parameters, CELL)
    values = {tuple(index): value for index, value in zip(merged.hkl.tolist(), merged.intensity, strict=True)}
    for index, value in zip(found.make_miller_array().tolist(), found.column_with_label("IMEAN"), strict=True):
        assert value == pytest.approx(values[tuple(index)], rel=1e-6)
    both = {tuple(x) for x in merged.hkl.tolist()} & {tuple(x) for x in half.hkl.tolist()}
    for label in ("I_B", "SIGI_B", "N_B"):
        assert np.isfinite(np.array(found.column_with_label(label))).sum() == len(both)


def test_reflections_are_sorted_and_in_the_asymmetric_unit(tmp_path):
    merged = some()
    flipped = Merged(-merged.hkl[:, [1, 0, 2]], merged.intensity, merged.sigma, merged.multiplicity)  # equivalent in 4/mmm
    mtz.write(tmp_path / "x.mtz", flipped, CELL, "P 43 21 2", 1.2)
    found = gemmi.read_mtz_file(str(tmp_path / "x.mtz"))
    hkl = found.make_miller_array()
    asu = gemmi.ReciprocalAsu(found.spacegroup)
    assert all(asu.is_in(index) for index in hkl.tolist()) and found.sort_order[:3] == [1, 2, 3]
    assert np.array_equal(np.lexsort(hkl.T[::-1]), np.arange(len(hkl)))
    expected = dict(zip(map(tuple, merged.hkl.tolist()), merged.intensity, strict=True))
    np.testing.assert_allclose(found.column_with_label("IMEAN"), [expected[tuple(index)] for index in hkl.tolist()], rtol=1e-6)


def test_the_intensities_of_all_frames_come_first(tmp_path):
    """Programs that are not told a column take the first of its type."""
    mtz.write(tmp_path / "x.mtz", some(), CELL, "P 43 21 2", 1.2, (some(), some()))
    found = gemmi.read_mtz_file(str(tmp_path / "x.mtz"))
    assert found.columns_with_type("J")[0].label == "IMEAN" and found.columns_with_type("Q")[0].label == "SIGIMEAN"
    intensities = gemmi.Intensities()
    intensities.import_mtz(found)
    assert intensities.type == gemmi.DataType.Mean
    np.testing.assert_allclose(np.sort(intensities.value_array), np.sort(some().intensity), rtol=1e-6)


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
