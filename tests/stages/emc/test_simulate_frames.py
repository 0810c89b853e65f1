"""simulate-frames: frames that other programs read, the same on any number of ranks, and a truth that goes with them."""

import subprocess
import sys
from pathlib import Path

import fabio
import h5py
import numpy as np
import pytest
import small_run

from fxs_hpc.errors import DataError, InputFileError, SettingsError
from fxs_hpc.files.emc import basis, truth
from fxs_hpc.files.frames import open_frames
from fxs_hpc.stages.emc import simulate_frames
from fxs_hpc.stages.emc.simulated_experiment import experiment

CONFIG = """home_dir = {home}
[simulate-frames]
sim_frames = 25
sim_seed = 3
sim_cell = 23,23,19,90,90,120
space_group = P6122
sim_frames_per_file = 10
sim_hot_value = 70000
[make-detector]
num_row = 60
num_col = 70
cx = 29.3
cy = 33.6
Rstop = 4
detd = 0.016
px = 200e-6
wl = 1.1
res_max = 3
[orient-peak]
res_cutoff = 4
VN = 15
gw = 2.5
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "config.ini").write_text(CONFIG.format(home=tmp_path))
    return tmp_path


def simulated(home, **keys):
    context = small_run.context(home, **keys)
    simulate_frames.run(context)
    return context


def test_cbf_and_hdf5_hold_the_same_frames(home):
    simulated(home)
    stored = simulated(home, sim_format="hdf5", sim_dir="input/hdf5")
    one, other = open_frames("input/simulated/*.cbf", home), open_frames("input/hdf5/sim_master.h5", home)
    assert len(one) == len(other) == 25
    for number in (0, 9, 10, 24):
        np.testing.assert_array_equal(one.read(number), other.read(number))
        np.testing.assert_array_equal(fabio.open(one.names[number]).data, one.read(number))
    assert sorted(path.name for path in (home / "input/hdf5").iterdir()) == [*(f"sim_data_00000{k}.h5" for k in (1, 2, 3)), "sim_master.h5"]
    with h5py.File(home / "input/hdf5/sim_master.h5") as file:
        assert file["entry/instrument/beam/incident_wavelength"][()] == 1.1
        assert file["entry/instrument/detector/distance"].attrs["units"] == "m"
    assert any("20 frames with one crystal" in line for line in stored.said)


def test_truth_explains_the_frames(home):
    context = simulated(home)
    stored = truth.read(home / "simulate-frames/truth.h5")
    assert np.bincount(stored.truth.kind, minlength=4).tolist() == [1, 20, 2, 2]
    scene = experiment(context)
    frames = open_frames("input/simulated/*.cbf", home)
    for number in range(25):
        np.testing.assert_array_equal(scene.frame(stored.truth, number, number), frames.read(number))
    with np.load(home / "simulate-frames/truth.npz") as file:
        assert file["VN"] == 15 and file["wl"] == 1.1 and file["F2"].shape == tuple(2 * file["hm"] + 1)
        # 6 1 2 2: 00l only for l = 6 n; the Laue group is 6/mmm.
        axis = file["F2"][file["hm"][0], file["hm"][1], :]
        assert set(np.flatnonzero(axis) - file["hm"][2]) <= {-6, 6}
        centre = file["hm"]
        assert file["F2"][tuple(centre + [2, 1, 3])] == file["F2"][tuple(centre + [-3, 2, -3])] > 0


@pytest.mark.mpi
def test_frames_do_not_depend_on_the_ranks(home):
    simulated(home)
    alone = {path.name: path.read_bytes() for path in (home / "input/simulated").iterdir()}
    mpirun = Path(sys.executable).with_name("mpirun")
    if not mpirun.exists():
        pytest.skip("no mpirun beside this Python")
    command = [mpirun, "--oversubscribe", "--allow-run-as-root", "-np", "3", sys.executable, "-m", "fxs_hpc", "emc", "simulate-frames"]
    more = [str(home / "config.ini"), "--set", "sim_dir=input/again"]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name: path.read_bytes() for path in (home / "input/again").iterdir()} == alone


def test_lattice_comes_from_the_cell_or_from_the_file(home):
    simulated(home)
    written = basis.read(home / "aux/basis-vec.dat")
    np.testing.assert_allclose(written.cell, [23, 23, 19, 90, 90, 120])
    simulated(home, sim_cell="auto", sim_frames=1)
    with pytest.raises(DataError, match=r"different cells.*remove the file"):
        simulated(home, sim_cell="24,24,19,90,90,120")
    (home / "aux/basis-vec.dat").unlink()
    with pytest.raises(InputFileError, match="basis-vec"):
        simulated(home, sim_cell="auto")


def test_intensities_and_background_from_files(home):
    (home / "known.hkl").write_text("".join(f"{h} {k} {l} {10 + h + k + l}\n" for h in range(5) for k in range(h + 1) for l in range(1, 5)))
    (home / "radial.dat").write_text("0.0 4.0\n0.2 2.0\n0.5 1.0\n")
    scene = experiment(small_run.context(home, sim_intensities="known.hkl", sim_background_file="radial.dat"))
    table, centre = scene.intensities.table()
    assert table[tuple(centre + [2, 1, 3])] / table[tuple(centre + [1, 0, 2])] == pytest.approx(16 / 13)
    np.testing.assert_allclose(scene.background, np.interp(scene.raster.modulus, [0, 0.2, 0.5], [4, 2, 1]))
    (home / "radial.dat").write_text("0.2 4.0\n0.1 2.0\n")
    with pytest.raises(InputFileError, match="ascending q"):
        experiment(small_run.context(home, sim_background_file="radial.dat"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sim_cell": "24,24,18"}, "six numbers"),
        ({"sim_junk": 0.7, "sim_blank": 0.6}, "cannot exceed 1"),
        ({"sim_format": "tiff"}, "sim_format"),
        ({"sim_frames": 0}, "sim_frames"),
    ],
)
def test_wrong_keys_are_named_before_any_work(home, keys, message):
    with pytest.raises(SettingsError, match=message):
        simulated(home, **keys)
    assert not (home / "input").exists()


def test_plan_says_how_much(home):
    made = simulate_frames.plan(small_run.context(home))
    assert not (home / "aux").exists()
    assert made.disk == pytest.approx(25 * 60 * 70, rel=0.1) and "25 frames of 4200 pixels" in made.lines[0]
    text = (home / "config.ini").read_text()
    (home / "config.ini").write_text("\n".join(line for line in text.splitlines() if not line.startswith("sim_")))
    assert simulate_frames.plan(small_run.context(home)) is None
