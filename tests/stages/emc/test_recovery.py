"""refine-orientations --recover: frames that reduce-data left out are searched with the model; blank ones stay out."""

import csv

import numpy as np
import pytest
import small_crystals
from click.testing import CliRunner

from fxs_hpc.cli.main import main
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.refinement.starts import misorientation
from fxs_hpc.emc.symmetry import of_space_group
from fxs_hpc.files.emc import orientations

LATTICE = Lattice(np.diag([14.0, 14.0, 11.0]))
KEPT, LEFT = 36, 5


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    home = tmp_path_factory.mktemp("recovery")
    truth = small_crystals.make(home, LATTICE, of_space_group("P 4 2 2", LATTICE), KEPT)
    left = small_crystals.leave_out(home, LATTICE, truth, LEFT)
    words = ["emc", "refine-orientations", str(home / "config.ini"), "2", "--set", "refine_recover=yes"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return home / "Data" / "off-grid", truth, left, result.output


def test_crystals_are_found_and_blank_frames_are_not(done):
    folder, truth, left, said = done
    frames = orientations.read(folder / "iter_flag-2" / orientations.NAME).frames
    recovered = frames["recovered"]
    assert f"recovery: {recovered.sum()} of {2 * LEFT} frames" in said
    number = frames["raw_id"][recovered] - KEPT
    assert np.all(number < LEFT) and len(number) >= LEFT - 1
    error = np.degrees(misorientation(left[number], frames["rotation"][recovered], truth.group.proper))
    assert np.median(error) < 0.2 and np.all(error < 1)
    assert len(frames["phi"]) == KEPT + len(number) and not recovered[:KEPT].any()


def test_they_are_in_the_table_and_in_the_stream(done):
    folder, *_ = done
    rows = list(csv.DictReader((folder / "frames.csv").open()))
    recovered = [row for row in rows if row["recovered"] == "1"]
    assert [int(row["frame"]) for row in rows] == list(range(len(rows))) and recovered == rows[KEPT:]
    assert {row["verdict"] for row in recovered} == {"accepted"}
    names = [line.split()[-1] for line in (folder / "orientations.stream").read_text().splitlines() if line.startswith("Image filename")]
    assert len(names) == len(rows) and all(name.endswith(".cbf") for name in names) and f"{int(rows[-1]['raw_id']):05d}" in names[-1]
