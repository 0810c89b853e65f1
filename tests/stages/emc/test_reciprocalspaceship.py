"""cal-CC's numbers and files as reciprocalspaceship sees them; the optional extra `pip install reciprocalspaceship` is needed.

It brings pandas and other things that nothing else here needs, so that it is no dependency of the tests.
"""

import csv
import warnings

import numpy as np
import pytest
import reference_run
import small_run

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.files.emc import crystfel_stream
from fxs_hpc.files.emc.crystfel_stream import StreamCell, StreamFrame
from fxs_hpc.stages.emc import cal_cc

rs = pytest.importorskip("reciprocalspaceship", reason="reciprocalspaceship is not installed (optional: pip install reciprocalspaceship)")

RUNS = (("high-res-recon-A-0", 6), ("high-res-recon-B-0", 6), ("high-res-recon-0", 10))
HALVES = [["I_A", "SIGI_A"], ["I_B", "SIGI_B"]]


@pytest.fixture(scope="module")
def folder(reference_data, tmp_path_factory):
    """cal-CC of the reference run."""
    home, base = tmp_path_factory.mktemp("rs"), reference_data / "emc"
    reference_run.config(base, home)
    reference_run.unpack(base, home, "aux/sym-op.dat")
    for run, flag in RUNS:
        reference_run.unpack(base, home, f"Data/high-prob/{run}/iter_flag-{flag}/intens-mean-std.dat")
    cal_cc.run(small_run.context(home))
    return home / "cal-CC"


def shell_rows(folder):
    return [{key: float(value) for key, value in row.items()} for row in csv.DictReader((folder / "shells.csv").open())]


def test_columns_cell_and_space_group(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = rs.read_mtz(str(folder / "merged.mtz"))
    assert data.spacegroup.hm == "P 4 2 2" and data.merged and data.cell.parameters[:3] == pytest.approx((24, 24, 18))
    assert [data.dtypes[name].name for name in ("IMEAN", "SIGIMEAN", "N")] == ["Intensity", "Stddev", "MTZInt"]
    again = data.hkl_to_asu()
    assert set(again.index) == set(data.index) and rs.utils.in_asu(data.get_hkls(), data.spacegroup).all()


def test_shells(folder):
    data = rs.read_mtz(str(folder / "merged.mtz"))
    d = data.cell.calculate_d_array(data.get_hkls())  # the column dHKL has single precision: too little at the edges of shells
    rows = shell_rows(folder)
    every = rs.utils.generate_reciprocal_asu(data.cell, data.spacegroup, rows[-1]["d_min"], anomalous=False)
    d_of_all = data.cell.calculate_d_array(every)
    a, b = (data[names[0]].to_numpy(np.float64) for names in HALVES)
    scale = (a @ b) / (b @ b)
    for row in rows:
        shell = data[(d <= row["d_max"]) & (d > row["d_min"])]
        a, b = (shell[names[0]].to_numpy(np.float64) for names in HALVES)
        ratio = (shell["IMEAN"] / shell["SIGIMEAN"]).to_numpy(np.float64)
        possible = np.sum((d_of_all <= row["d_max"]) & (d_of_all > row["d_min"]))
        assert len(shell) == row["observed"] == row["pairs"] and possible == row["possible"]
        assert shell["I_A"].corr(shell["I_B"]) == pytest.approx(row["cc_half"], abs=1e-5)
        assert np.abs(a - scale * b).sum() / (np.abs(a + scale * b).sum() / 2) / np.sqrt(2) == pytest.approx(row["r_split"], rel=1e-5)
        assert ratio.mean() == pytest.approx(row["i_over_sigma"], rel=1e-5)
        assert shell["N"].to_numpy(np.float64).mean() == pytest.approx(row["multiplicity"], rel=1e-9)
        assert len(shell) / possible == pytest.approx(row["completeness"])


def test_completeness(folder):
    """The library's own count, over all shells."""
    data = rs.read_mtz(str(folder / "merged.mtz"))
    outer = float(data.compute_dHKL()["dHKL"].max())
    every = rs.utils.generate_reciprocal_asu(data.cell, data.spacegroup, shell_rows(folder)[-1]["d_min"], anomalous=False)
    inside = (data.cell.calculate_d_array(every) <= outer * (1 + 1e-6)).sum()
    assert len(data) / inside == pytest.approx(np.mean([row["completeness"] for row in shell_rows(folder)]), abs=1e-12)


def test_stream(tmp_path):
    """Cells and orientations of a stream with one crystal, two, and none."""
    pytest.importorskip("joblib", reason="reciprocalspaceship reads streams only where joblib is installed")
    lattice = Lattice(np.diag([24.0, 24.0, 18.0]))
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    crystals = (lattice.reciprocal, turn @ lattice.reciprocal)
    frames = [StreamFrame("x.cbf", "", 1, crystals[:1]), StreamFrame("y.h5", "//3", 2, crystals), StreamFrame("z.cbf", "", 3, ())]
    path = tmp_path / "x.stream"
    crystfel_stream.write(path, frames, StreamCell("tetragonal", "c", "P", lattice.cell), np.array([0, 0, -1.0]), 1.2, 0.003, 0.33)
    loader = rs.io.crystfel.StreamLoader(str(path))
    assert loader.extract_target_unit_cell() == pytest.approx(list(lattice.cell))
    assert np.allclose(loader.calculate_average_unit_cell(), lattice.cell, atol=1e-3)
    chunks = loader.read_crystfel(num_cpus=1)
    assert [len(chunk["A_matrices"]) for chunk in chunks] == [1, 2, 0]
    assert chunks[0]["wavelength"] == pytest.approx(1.2, rel=1e-6)
    x, y, z = crystals[1]
    np.testing.assert_allclose(chunks[1]["A_matrices"][1], [y, x, -z], atol=1e-8)
