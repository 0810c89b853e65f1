"""refine-orientations on crystals that can be indexed in several ways: one way for all frames, whatever the number of ranks, or refusal."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import small_crystals
from click.testing import CliRunner

from fxs_hpc.cli.main import main
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.symmetry import of_space_group
from fxs_hpc.files.emc import orientations

TETRAGONAL = Lattice(np.diag([14.0, 14.0, 11.0]))
HEXAGONAL = Lattice(np.array([[14.0, -7.0, 0.0], [0.0, 7.0 * np.sqrt(3), 0.0], [0.0, 0.0, 11.0]]))


def words(home: Path, folder: str, rounds: int) -> list[str]:
    return ["emc", "refine-orientations", str(home / "config.ini"), str(rounds), "--set", f"refine_dir=Data/{folder}"]


def refine(home: Path, folder: str, rounds: int = 2) -> tuple[int, str]:
    result = CliRunner().invoke(main, words(home, folder, rounds))
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def crystals(tmp_path_factory):
    """Working directory of a crystal of 4/m, truth, and what one rank says and finds."""
    home = tmp_path_factory.mktemp("ambiguous")
    truth = small_crystals.make(home, TETRAGONAL, of_space_group("P 4", TETRAGONAL), 56)
    code, said = refine(home, "one")
    assert code == 0, said
    return home, truth, said


def found(home: Path, folder: str) -> Path:
    return home / "Data" / folder / "iter_flag-2" / orientations.NAME


def test_all_frames_are_indexed_in_one_way(crystals):
    home, truth, said = crystals
    assert "indexing: 2 ways" in said
    stored = orientations.read(found(home, "one"))
    good = stored.frames["accepted"]
    error = small_crystals.error(truth, stored.frames["rotation"])
    assert good.mean() > 0.9 and np.mean(error[good] < 1) > 0.97 and np.median(error[good]) < 0.15


@pytest.mark.mpi
def test_two_ranks_give_the_same_bits(crystals):
    home, _, _ = crystals
    mpirun = shutil.which("mpirun", path=str(Path(sys.executable).parent)) or "mpirun"
    command = [mpirun, "--allow-run-as-root", "--oversubscribe", "-np", "2", sys.executable, "-m", "fxs_hpc", *words(home, "two", 2)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "indexing: 2 ways" in result.stdout
    with h5py.File(found(home, "one")) as one, h5py.File(found(home, "two")) as two:
        for group in ("frames", "model"):
            for name in one[group]:
                np.testing.assert_array_equal(two[group][name][()], one[group][name][()], err_msg=name)


def test_four_ways_of_a_threefold_axis(tmp_path):
    truth = small_crystals.make(tmp_path, HEXAGONAL, of_space_group("P 3", HEXAGONAL), 84)
    code, said = refine(tmp_path, "one")
    assert code == 0 and "indexing: 4 ways" in said, said
    stored = orientations.read(found(tmp_path, "one"))
    good = stored.frames["accepted"]
    assert good.mean() > 0.9 and np.mean(small_crystals.error(truth, stored.frames["rotation"])[good] < 1) > 0.95


def test_what_nothing_decides_is_refused_with_a_remedy(tmp_path):
    small_crystals.make(tmp_path, TETRAGONAL, of_space_group("P 4", TETRAGONAL), 40, symmetric=True)
    code, said = refine(tmp_path, "one", rounds=1)
    assert code != 0
    for part in ("each frame can be indexed in 2 ways", "do not tell which is right", "make sym-op.dat for that group"):
        assert part in said
    assert not list((tmp_path / "Data" / "one").glob("iter_flag-*"))
