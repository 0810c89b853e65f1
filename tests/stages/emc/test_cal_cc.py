"""CC1/2 and merged intensities of the reference run."""

import csv

import gemmi
import numpy as np
import pytest
import reference_run
import small_run

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.space_groups import SYMMORPHIC, centred, crystfel, setting, symmorphic
from fxs_hpc.emc.symmetry import of_space_group
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.emc import crystfel_hkl
from fxs_hpc.stages.emc import cal_cc

RUNS = (("high-res-recon-A-0", 6), ("high-res-recon-B-0", 6), ("high-res-recon-0", 10))
CELLS = {
    "P 1": (20, 25, 31, 80, 95, 103),
    "P 1 2 1": (20, 25, 31, 90, 97, 90),
    "P 2 2 2": (20, 25, 31, 90, 90, 90),
    "P 4": (20, 20, 31, 90, 90, 90),
    "P 3": (20, 20, 31, 90, 90, 120),
    "P 2 3": (20, 20, 20, 90, 90, 90),
}


@pytest.fixture
def home(reference_data, tmp_path):
    base = reference_data / "emc"
    reference_run.config(base, tmp_path)
    reference_run.unpack(base, tmp_path, "aux/sym-op.dat")
    for run, flag in RUNS:
        reference_run.unpack(base, tmp_path, f"Data/high-prob/{run}/iter_flag-{flag}/intens-mean-std.dat")
    return tmp_path


def test_the_reference_curve_and_files_that_others_read(reference_data, home):
    context = small_run.context(home)
    cal_cc.run(context)
    folder = home / "cal-CC"
    assert np.allclose(np.loadtxt(folder / "cc.dat"), np.loadtxt(reference_data / "emc/cal-CC/cc.dat"), atol=1e-9, equal_nan=True)
    found = gemmi.read_mtz_file(str(folder / "merged.mtz"))
    assert found.nreflections == 142 and found.spacegroup.hm == "P 4 2 2" and "I_A" in found.column_labels()
    intensities = gemmi.Intensities()
    intensities.import_mtz(found)
    assert len(intensities) == 142
    truth = np.load(reference_data / "emc" / "truth.npz")
    values = crystfel_hkl.read(folder / "merged.hkl")
    assert np.corrcoef(values.intensity, truth["F2"][tuple((values.hkl + truth["hm"]).T)])[0, 1] == pytest.approx(0.9675, abs=2e-4)
    rows = list(csv.DictReader((folder / "shells.csv").open()))
    assert len(rows) == 10 and all(float(row["completeness"]) == 1 for row in rows) and sum(int(row["pairs"]) for row in rows) == 142
    assert (folder / "resolution.png").stat().st_size > 10_000
    assert "not reached" in context.said[-1]


def test_agreement_with_gemmi(home):
    """CC1/2 of all reflections, from the file as another library reads it."""
    context = small_run.context(home)
    cal_cc.run(context)
    found = gemmi.read_mtz_file(str(home / "cal-CC/merged.mtz"))
    halves = []
    for half in "AB":
        columns = [np.array(found.column_with_label(f"{name}_{half}")) for name in ("I", "SIGI")]
        halves.append(gemmi.Intensities())
        halves[-1].set_data(found.cell, found.spacegroup, found.make_miller_array(), *columns)
        halves[-1].type = gemmi.DataType.Mean
    said = next(line for line in context.said if line.startswith("CC1/2 of all"))
    assert float(said.split()[3].rstrip(";")) == pytest.approx(halves[0].calculate_correlation(halves[1]).coefficient(), abs=1e-4)


def test_without_any_reconstruction_it_says_what_to_run(reference_data, tmp_path):
    reference_run.config(reference_data / "emc", tmp_path)
    reference_run.unpack(reference_data / "emc", tmp_path, "aux/sym-op.dat")
    with pytest.raises(InputFileError, match="no reconstruction is over; run refine-orientations"):
        cal_cc.run(small_run.context(tmp_path))


@pytest.mark.parametrize("cell", CELLS)
def test_a_space_group_for_every_laue_group(cell):
    lattice = Lattice(np.array(gemmi.UnitCell(*CELLS[cell]).orth.mat.tolist()))
    found = [name for name in SYMMORPHIC if _fits(name, lattice)]
    assert cell in found
    for name in found:
        group = of_space_group(name, lattice)
        assert {m.tobytes() for m in of_space_group(symmorphic(group, lattice), lattice).indices} == {m.tobytes() for m in group.indices}


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("4/m", "P 4", "P 4"),
        ("76", "P 4", "P 41"),
        ("P_41", "P 4", "P 41"),
        ("I 41/a", "P 4", "I 41/a:1"),
        ("146", "P 3", "R 3:H"),
        ("C 2", "P 1 2 1", "C 1 2 1"),
        (None, "P 2 2 2", "P 2 2 2"),
    ],
)
def test_the_setting_of_a_name(name, cell, expected):
    lattice = Lattice(np.array(gemmi.UnitCell(*CELLS[cell]).orth.mat.tolist()))
    assert setting(name, of_space_group(name or cell, lattice), lattice) == expected


def test_rhombohedral_axes_make_a_rhombohedral_setting():
    lattice = Lattice(np.array(gemmi.UnitCell(25, 25, 25, 80, 80, 80).orth.mat.tolist()))
    assert setting("R 3", of_space_group("R 3", lattice), lattice) == "R 3:R"


def test_a_space_group_that_the_data_were_not_merged_in_is_refused():
    lattice = Lattice(np.array(gemmi.UnitCell(*CELLS["P 4"]).orth.mat.tolist()))
    with pytest.raises(DataError, match="P 4 2 2 has the Laue group 4/mmm, but the data were merged in 4/m"):
        setting("P 4 2 2", of_space_group("P 4", lattice), lattice)


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("P 1", (20, 25, 31, 80, 95, 103), "-1"),
        ("P 1 2 1", (20, 25, 31, 90, 97, 90), "2/m_uab"),
        ("P 1 1 2", (20, 25, 31, 90, 90, 97), "2/m"),
        ("P 2 1 1", (20, 25, 31, 97, 90, 90), "2/m_uaa"),
        ("P 2 2 2", (20, 25, 31, 90, 90, 90), "mmm"),
        ("P 4", (20, 20, 31, 90, 90, 90), "4/m"),
        ("P 4 2 2", (20, 20, 31, 90, 90, 90), "4/mmm"),
        ("P 3", (20, 20, 31, 90, 90, 120), "-3_H"),
        ("P 3 2 1", (20, 20, 31, 90, 90, 120), "-3m1_H"),
        ("P 3 1 2", (20, 20, 31, 90, 90, 120), "-31m_H"),
        ("R 3:R", (20, 20, 20, 70, 70, 70), "-3_R"),
        ("R 3 2:R", (20, 20, 20, 70, 70, 70), "-3m_R"),
        ("P 6", (20, 20, 31, 90, 90, 120), "6/m"),
        ("P 2 3", (20, 20, 20, 90, 90, 90), "m-3"),
        ("P 4 3 2", (20, 20, 20, 90, 90, 90), "m-3m"),
    ],
)
def test_names_of_crystfel(name, cell, expected):
    """Names of CrystFEL's manual page on symmetry."""
    lattice = Lattice(np.array(gemmi.UnitCell(*cell).orth.mat.tolist()))
    assert crystfel(of_space_group(name, lattice)) == expected


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("P 61 2 2", lambda h, k, l: True),  # screw axes extinguish 00l, the centring nothing
        ("I 2 2 2", lambda h, k, l: (h + k + l) % 2 == 0),
        ("C 1 2 1", lambda h, k, l: (h + k) % 2 == 0),
        ("F 2 2 2", lambda h, k, l: h % 2 == k % 2 == l % 2),
        ("R 3:H", lambda h, k, l: (-h + k + l) % 3 == 0),
        ("R 3:R", lambda h, k, l: True),
    ],
)
def test_reflections_that_a_centring_leaves(name, rule):
    """Rules of International Tables A, table 2.1.3.6."""
    hkl = np.array([(h, k, l) for h in range(-3, 4) for k in range(-3, 4) for l in range(-3, 4)])
    assert centred(name, hkl).tolist() == [rule(*index) for index in hkl.tolist()]


def test_extinguished_reflections_are_in_no_list_and_no_shell(home):
    """A body-centred group on the reference set, of which half the reflections are then none."""
    cal_cc.run(small_run.context(home))
    everything = gemmi.read_mtz_file(str(home / "cal-CC/merged.mtz")).make_miller_array()
    even = int((everything.sum(axis=1) % 2 == 0).sum())
    context = small_run.context(home, space_group="I 4 2 2")
    cal_cc.run(context)
    found = gemmi.read_mtz_file(str(home / "cal-CC/merged.mtz"))
    hkl = found.make_miller_array()
    assert found.spacegroup.hm == "I 4 2 2" and len(hkl) == even and (hkl.sum(axis=1) % 2 == 0).all()
    assert (crystfel_hkl.read(home / "cal-CC/merged.hkl").hkl.sum(axis=1) % 2 == 0).all()
    rows = list(csv.DictReader((home / "cal-CC/shells.csv").open()))
    assert sum(int(row["possible"]) for row in rows) == sum(int(row["pairs"]) for row in rows) == even
    assert any(f"{142 - even} reflections that the centring of I 4 2 2 extinguishes are left out" in line for line in context.said)


def _fits(name, lattice):
    try:
        of_space_group(name, lattice)
    except Exception:
        return False
    return True
