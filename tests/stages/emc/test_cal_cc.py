"""CC1/2 and merged intensities of the reference run."""

import csv

import gemmi
import numpy as np
import pytest
import reference_run
import small_run

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.space_groups import SYMMORPHIC, symmorphic
from fxs_hpc.emc.symmetry import of_space_group
from fxs_hpc.errors import InputFileError
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


def _fits(name, lattice):
    try:
        of_space_group(name, lattice)
    except Exception:
        return False
    return True
