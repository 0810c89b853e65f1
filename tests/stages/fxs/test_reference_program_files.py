"""Files that the reference program made go straight into the commands, as a user would hand them over."""

import shutil

import h5py
import numpy as np
import pytest

from fxs_hpc import fxs

CASES = {
    3: ("3d/simulate_ccd/q_base/ccd.h5", "3d/extract/e_bs/proj_data.h5", "3d/average_input/a3_rec3/data.h5", (1, 2, 3, 4, 5)),
    2: ("2d/simulate_ccd/a2_base/ccd.h5", "2d/extract/a2_e/proj_data.h5", "2d/average_input/a2_rec4/data.h5", tuple(range(32))),
}


def quiet(line):
    pass


@pytest.fixture
def home(tmp_path):
    """A working directory that holds the files where the reference program would have left them."""

    def of(reference_data, dimensions):
        for source, target in zip(
            CASES[dimensions], ("ccd/{}d_theirs.h5", "invariants/{}d_theirs.h5", "reconstructions/{}d_theirs/1_1_2026/run_0/data.h5")
        ):
            path = tmp_path / "data/fxs" / target.format(dimensions)
            path.parent.mkdir(parents=True)
            shutil.copy(reference_data / "xframe" / source, path)
        return tmp_path

    return of


@pytest.mark.parametrize("dimensions", CASES)
def test_extract_from_their_correlations_gives_their_invariants(home, reference_data, dimensions):
    folder = home(reference_data, dimensions)
    (folder / "data/fxs/invariants" / f"{dimensions}d_theirs.h5").unlink()
    found = fxs.extract({"dimensions": dimensions, "structure_name": "theirs", "max_order": 15}, home=folder, say=quiet)
    with h5py.File(reference_data / "xframe" / CASES[dimensions][1]) as file:
        expected = file["deg_2_invariant/I1I1"][()]
    largest = np.abs(expected[0]).max()
    # The highest even order of the plane lies at the Nyquist frequency of its odd-numbered angles: left out, see extract.
    for order in range(0, 15, 2):
        np.testing.assert_allclose(
            found["deg_2_invariant/I1I1"][order], expected[order], atol=1e-9 * np.abs(expected[order]).max() + 1e-15 * largest
        )


@pytest.mark.parametrize("dimensions", CASES)
def test_reconstruct_from_their_invariants(home, reference_data, dimensions):
    loops = {"order": ["main"], "main": {"methods": {"HIO": 12, "SW": 1, "ER": 18}, "order": ["HIO", "SW", "ER"], "iterations": 4}}
    settings = {
        "dimensions": dimensions,
        "structure_name": "theirs",
        "particle_radius": 240,
        "seed": 3,
        "grid": {"n_radial_points": 32, "max_order": 14},
        "main_loop": {"sub_loops": loops},
        "multi_process": {"n_parallel_reconstructions": 1, "use": False},
        "GPU": {"use": False},
    }
    found = fxs.reconstruct(settings, home=home(reference_data, dimensions), say=quiet)
    errors = found["reconstruction_results/0/error_dict/main"]
    assert errors.size == 120 and errors[-1] < 1e-2 and errors[-1] < errors[0] / 20


@pytest.mark.parametrize("dimensions", CASES)
def test_average_of_their_reconstructions(home, reference_data, dimensions):
    settings = {
        "structure_name": "theirs",
        "reconstruction_files": [f"{dimensions}d_theirs/1_1_2026/run_0/data.h5"],
        "selection": {"error_limit": 1.0},
        "find_rotation": {"r_limit_ids": CASES[dimensions][3]},
    }
    found = fxs.average(settings, home=home(reference_data, dimensions), say=quiet)
    assert (found["alignment/errors"] < 0.25).all()
    assert (np.abs(found["resolution_metrics/PRTF"][:8]) > 0.8).all()
