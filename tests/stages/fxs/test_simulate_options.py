"""Options of simulate_ccd in three dimensions, one by one."""

import math

import numpy as np
import pytest
from shots import context, merged

from fxs_hpc.errors import SettingsError
from fxs_hpc.files.ccd import read_ccd, read_model
from fxs_hpc.fluctuation import shapes
from fxs_hpc.stages.fxs import simulate_ccd

DUO = {
    "structure_name": "duo",
    "grid": {"max_q": 0.2, "n_radial_points": 32, "max_order": 8},
    "shapes": {
        "types": ["sphere", "cube"],
        "centers": [[0, 0, 0], [60, 1, 2]],
        "sizes": [40, 30],
        "densities": [1, 2],
        "random_orientation": [False, False],
    },
}


def run(home, **changes):
    settings, surroundings = context("simulate_ccd", merged(DUO, changes), home)
    folder = simulate_ccd.run(settings, surroundings)
    return read_ccd(folder / "ccd.h5"), read_model(folder / "ccd.h5"), folder


def test_a_cube_fills_its_cube(tmp_path):
    """It stops the reference program with a NameError."""
    _, model, _ = run(tmp_path)
    points = shapes.spherical_points(model.r[:, None, None], model.theta[:, None], model.phi)
    inside = np.abs(points - shapes.spherical_points(60, 1, 2)).max(axis=-1) < 30
    np.testing.assert_array_equal(model.density >= 2, inside)
    assert inside.sum() > 10


def test_random_orientation_turns_the_shape_it_is_asked_for(tmp_path):
    _, still, _ = run(tmp_path)
    _, turned, _ = run(tmp_path, shapes={"random_orientation": [False, True]})
    assert turned.shapes[0] == still.shapes[0] and turned.shapes[1].rotation != still.shapes[1].rotation
    assert turned.shapes[1].center == still.shapes[1].center


@pytest.mark.parametrize("kind", ["trapz", "gauss", "Zernike", "zernike"])
def test_kinds_of_the_radial_transform(tmp_path, kind):
    midpoint, other = run(tmp_path)[0], run(tmp_path, fourier_transform={"type": kind})[0]
    low = (midpoint.q > 0.02) & (midpoint.q < 0.07)
    found = np.interp(midpoint.q[low], other.q, other.average_intensity)
    np.testing.assert_allclose(found, midpoint.average_intensity[low], atol=0.15 * midpoint.average_intensity[0])
    assert (other.q[0] == 0) == (kind != "gauss")


@pytest.mark.parametrize(
    ("fourier", "x"), [({"reciprocity_coefficient": 2.5}, 2.5), ({"pi_in_q": True}, math.pi), ({"allow_weight_saving": False}, 1.0)]
)
def test_reciprocity(tmp_path, fourier, x):
    _, model, _ = run(tmp_path, fourier_transform=fourier)
    assert model.r[-1] == pytest.approx((32 - 0.5) / 32 * x * 32 / 0.2)


def test_weights_are_always_computed(tmp_path):
    with pytest.raises(SettingsError, match="weights are always computed"):
        run(tmp_path, fourier_transform={"allow_weight_calculation": False})


def test_threads_and_graphics_cards_do_not_matter(tmp_path):
    one = run(tmp_path, n_processes=1, GPU={"use": False})[0]
    for changes in ({"n_processes": 2}, {"n_processes": True, "GPU": {"use": True, "n_gpu_workers": 3}}):
        np.testing.assert_array_equal(run(tmp_path, **changes)[0].correlation["I1I1"], one.correlation["I1I1"])


@pytest.mark.parametrize("dimensions", [3, 2])
def test_the_picture_of_the_density_can_be_left_out(tmp_path, dimensions):
    centers = [[0, 0, 0], [60, 1, 2]] if dimensions == 3 else [[0, 0], [60, 1]]
    settings, surroundings = context(
        "simulate_ccd", merged(DUO, {"dimensions": dimensions, "shapes": {"centers": centers}, "save_vtk_density": False}), tmp_path
    )
    folder = simulate_ccd.run(settings, surroundings)
    assert sorted(path.name for path in folder.iterdir()) == ["ccd.h5", "settings.yaml"]


def test_other_folders_and_names(tmp_path):
    files = {
        "ccd": {"name": "correlations.h5"},
        "ccd_symlink": {"name": "newest.h5", "folder": "links"},
        "model_density": {"name": "density.vts", "folder": "pictures"},
        "model_intensity": {"name": "intensity.vts", "folder": "pictures"},
    }
    folders = {"data": {"base": "elsewhere/"}, "links": {"data": "links/"}, "pictures": {"data": "pictures/"}}
    tree = merged(DUO, {"save_vtk_intensity": True, "IO": {"folders": folders, "files": files}})
    settings, surroundings = context("simulate_ccd", tree, tmp_path)
    folder = simulate_ccd.run(settings, surroundings)
    assert folder.is_relative_to(tmp_path / "elsewhere")
    assert sorted(path.name for path in folder.iterdir()) == ["correlations.h5", "settings.yaml"]
    assert (tmp_path / "elsewhere/links/newest.h5").resolve() == folder / "correlations.h5"
    assert sorted(p.name for p in (tmp_path / "elsewhere/pictures").iterdir()) == ["density.vts", "intensity.vts"]
