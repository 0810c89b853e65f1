"""Table of frames."""

import csv

import h5py
import numpy as np
import pytest

from fxs_hpc.errors import DataError
from fxs_hpc.files.emc import refined_frames


def table(count=3):
    rng = np.random.default_rng(1)
    made = {name: rng.random(count) for name in refined_frames.COLUMNS}
    made |= {"frame": np.arange(count), "raw_id": 7 * np.arange(count), "recovered": np.array([False, True, False])}
    made["verdict"] = np.array(["accepted", "two lattices", "blank"])
    made["error"][2] = np.nan
    return made


def test_both_files_hold_the_table(tmp_path):
    made = table()
    refined_frames.write(tmp_path, made)
    rows = list(csv.DictReader((tmp_path / refined_frames.CSV_NAME).open()))
    assert list(rows[0]) == list(refined_frames.COLUMNS) and [row["verdict"] for row in rows] == made["verdict"].tolist()
    assert [row["recovered"] for row in rows] == ["0", "1", "0"] and rows[2]["error"] == "" and rows[1]["raw_id"] == "7"
    assert [float(row["phi"]) for row in rows] == pytest.approx(made["phi"].tolist(), rel=1e-6)
    with h5py.File(tmp_path / refined_frames.HDF5_NAME) as file:
        assert set(file) == set(refined_frames.COLUMNS)
        np.testing.assert_array_equal(file["error"][()], made["error"])
        assert file["verdict"].asstr()[()].tolist() == made["verdict"].tolist()
        assert file["error_x"].attrs["unit"] == "deg" and all(dataset.attrs["meaning"] for dataset in file.values())


def test_a_column_without_a_description_is_refused(tmp_path):
    with pytest.raises(DataError, match="'colour', 'phi'"):
        refined_frames.write(tmp_path, {name: values for name, values in table().items() if name != "phi"} | {"colour": np.zeros(3)})
    assert not list(tmp_path.iterdir())
