"""`resolution`: frames to halves, both refined on their own, compared and merged, by one command."""

import csv

import gemmi
import numpy as np
import pytest
import small_crystals
from click.testing import CliRunner

from fxs_hpc.cli.main import main
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.symmetry import of_space_group
from fxs_hpc.files.emc import crystfel_hkl

MORE = """[make-powder]
min_patch_sz = 1
max_patch_sz = 40
min_num_peak = 3
max_num_peak = 60
[make-Ematrix]
r2peak_file = Data/r2peak.bin
peak2r_file = Data/peak2r.bin
"""
"""Keys of the ways that are not gone here, which the command wants as well."""
LATTICE = Lattice(np.diag([14.0, 14.0, 11.0]))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    home = tmp_path_factory.mktemp("halves")
    truth = small_crystals.make(home, LATTICE, of_space_group("P 4 2 2", LATTICE), 60)
    path = home / "config.ini"
    path.write_text(path.read_text() + MORE)
    result = CliRunner().invoke(main, ["emc", "resolution", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return home, truth, result.output


def test_intensities_of_both_halves_are_those_of_the_crystal(done):
    home, truth, said = done
    found = crystfel_hkl.read(home / "cal-CC" / "merged.hkl")
    heights = {tuple(index): height for index, height in zip(truth.hkl.tolist(), truth.heights, strict=True)}
    expected = np.array([heights[tuple(index)] for index in found.hkl.tolist()])
    assert len(expected) > 40 and np.corrcoef(found.intensity, expected)[0, 1] > 0.998
    # sigmas are honest: after one scale the deviations are as large as said
    scale = (found.intensity @ expected) / (found.intensity @ found.intensity)
    assert 0.6 < np.sqrt(np.mean(((scale * found.intensity - expected) / (scale * found.sigma)) ** 2)) < 1.6
    assert "half A" in said and "half B" in said and "not reached: CC1/2 stays above 0.3" in said


def test_shells_are_those_of_the_file(done):
    """CC1/2 in each shell from the MTZ as gemmi reads it."""
    home, _, _ = done
    data = gemmi.read_mtz_file(str(home / "cal-CC" / "merged.mtz"))
    columns = {name: np.array(data.column_with_label(name)) for name in ("I_A", "I_B", "IMEAN", "SIGIMEAN", "N")}
    d = data.cell.calculate_d_array(data.make_miller_array())
    for row in csv.DictReader((home / "cal-CC" / "shells.csv").open()):
        inside = (d <= float(row["d_max"])) & (d > float(row["d_min"])) & np.isfinite(columns["I_A"])
        assert inside.sum() == int(row["pairs"])
        if inside.sum() > 2:
            assert np.corrcoef(columns["I_A"][inside], columns["I_B"][inside])[0, 1] == pytest.approx(float(row["cc_half"]), abs=1e-5)
        assert np.mean(columns["IMEAN"][inside] / columns["SIGIMEAN"][inside]) == pytest.approx(float(row["i_over_sigma"]), rel=1e-4)
        assert columns["N"][inside].mean() == pytest.approx(float(row["multiplicity"]))


def test_it_goes_on_where_it_was(done):
    home, _, _ = done
    result = CliRunner().invoke(main, ["emc", "resolution", str(home / "config.ini"), "--resume"], catch_exceptions=False)
    assert result.exit_code == 0 and result.output.count("nothing to do") == 2, result.output
