"""Maps of reconstructions in their folders."""

import numpy as np
import pytest
import small_reconstruction
from click.testing import CliRunner
from small_reconstruction import context

from fxs_hpc.cli.main import main
from fxs_hpc.emc.merging import Merged
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import crystfel_hkl, emc_state, orientations
from fxs_hpc.files.emc.intensity_volume import read_mrc, read_vti
from fxs_hpc.stages.emc import low_res_emc, make_map, move_recon_files
from fxs_hpc.stages.emc.finished_runs import refine_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of one iteration, and its problem."""
    home = tmp_path_factory.mktemp("made")
    problem = small_reconstruction.make(home)
    low_res_emc.run(context(home), 1)
    return home, problem


def test_a_run_ends_with_a_map_of_its_last_intensity(made):
    home, problem = made
    folder = home / "Data/high-prob"
    volume = read_mrc(folder / "intensity.mrc")
    state = emc_state.read(folder / "iter_flag-2/state.h5")
    at = problem.reflections.voxels + volume.half
    assert np.array_equal(volume.values[tuple(at.T)], state.intensity.astype(np.float32))
    assert np.array_equal(read_vti(folder / "intensity.vti").values, volume.values)


def test_maps_are_put_away_and_made_again(made, tmp_path):
    home, problem = made
    fresh = tmp_path / "work"
    small_reconstruction.make(fresh)
    low_res_emc.run(context(fresh, map_edge=0), 1)
    assert not list((fresh / "Data/high-prob").glob("intensity.*"))
    with pytest.raises(InputFileError, match="no reconstruction is over"):
        make_map.run(context(fresh))
    low_res_emc.run(context(fresh), 1, resume=True)
    move_recon_files.run(context(fresh))
    folder = fresh / "Data/high-prob/low-res-recon-0"
    assert (folder / "intensity.mrc").exists() and not (fresh / "Data/high-prob/intensity.mrc").exists()
    answer = CliRunner().invoke(main, ["emc", "make-map", str(fresh / "config.ini"), "--edge", "40"])
    assert answer.exit_code == 0, answer.output
    assert f"low-res-recon: {folder}/iter_flag-1" in answer.output
    volume = read_mrc(folder / "intensity.mrc")
    whole = read_mrc(home / "Data/high-prob/intensity.mrc")
    assert len(volume.values) <= 40 < len(whole.values) and volume.step > whole.step
    with pytest.raises(InputFileError, match="no high-res-recon is over"):
        make_map.run(context(fresh), kind="high-res-recon")


def test_off_the_grid_every_equivalent_is_a_peak_of_the_width_found(made):
    home, problem = made
    hkl = np.array([[3, 1, 2], [2, 0, 0]], np.int32)
    folder = refine_folder(context(home).config) / "iter_flag-3"
    crystfel_hkl.write(folder / "merged.hkl", Merged(hkl, np.array([8.0, 3.0]), np.ones(2), np.ones(2, np.int64)), "4/mmm")
    shape = {"reference_width": 0.004, "width": 0.002, "mosaicity": 0.0, "radial": 0.0}
    frames, model = {"quaternion": np.zeros((1, 4))}, {name: np.zeros(1) for name in orientations.MODEL_COLUMNS}
    orientations.write(folder / orientations.NAME, orientations.Orientations(3, frames, {}, model, shape, "{}"))
    said = context(home)
    make_map.run(said, edge=400)
    volume = read_mrc(folder.parent / "intensity.mrc")
    reciprocal = problem.reflections.grid.lattice.reciprocal
    for index, height in (((3, 1, 2), 64), ((1, -3, -2), 64), ((0, -2, 0), 24), ((3, 1, 1), 0)):
        point = reciprocal @ index
        place = np.floor(point / volume.step + 0.5).astype(int)
        expected = height * np.exp(-np.sum((place * volume.step - point) ** 2) / 2 / 0.002**2)
        assert volume.values[tuple(place + volume.half)] == pytest.approx(expected, rel=0.05, abs=1e-6)
    assert said.said[0].startswith("off-grid")
