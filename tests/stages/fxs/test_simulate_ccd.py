"""The stage simulate_ccd: files, reproducibility, options, refusals."""

import json

import h5py
import numpy as np
import pytest
import yaml

from fxs_hpc.config import ini
from fxs_hpc.config.settings import load
from fxs_hpc.errors import SettingsError
from fxs_hpc.files.ccd import read_ccd, read_model
from fxs_hpc.files.vts import read_vts
from fxs_hpc.fluctuation import shapes
from fxs_hpc.stages.fxs import simulate_ccd
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

SETTINGS = {
    "structure_name": "duo",
    "grid": {"max_q": 0.1, "n_radial_points": 24, "max_order": 8},
    "shapes": {
        "types": ["sphere", "tetrahedron"],
        "centers": [[0, 0, 0], [60, 1, 2]],
        "sizes": [40, 50],
        "densities": [1, 2],
        "random_orientation": [False, True],
    },
}


def stage(tmp_path, said=None, **changes):
    path = tmp_path / "duo.yaml"
    path.write_text(yaml.safe_dump({**SETTINGS, **changes}))
    settings = load("simulate_ccd", str(path), tmp_path).model
    workspace = Workspace.of(tmp_path, settings, "1_2_2030")
    say = (said if said is not None else []).append
    return settings, Context(workspace, ini.RunConfig(tmp_path), 2, "double", False, path, say, "fxs-hpc fxs simulate_ccd duo")


def test_files_and_fields(tmp_path):
    folder = simulate_ccd.run(*stage(tmp_path))
    assert folder == tmp_path / "data/fxs/ccd/archive/3d_duo/1_2_2030/run_0"
    assert sorted(path.name for path in folder.iterdir()) == ["ccd.h5", "model_density.vts", "settings.yaml"]
    link = tmp_path / "data/fxs/ccd/3d_duo.h5"
    assert link.is_symlink() and link.resolve() == folder / "ccd.h5"
    data = read_ccd(link)
    assert data.correlation["I1I1"].shape == (24, 24, 16) and data.correlation["I1I1"].dtype == float
    assert data.invariants.shape == (9, 24, 24)
    np.testing.assert_allclose(data.q, (np.arange(24) + 0.5) / 24 * 0.1)
    np.testing.assert_allclose(data.delta, np.pi * np.arange(16) / 8)
    mean = data.correlation["I1I1"].mean(axis=-1)
    assert np.all(np.isfinite(mean)) and mean[0, 0] == pytest.approx(data.average_intensity[0] ** 2, rel=1e-3)
    provenance = yaml.safe_load((folder / "settings.yaml").read_text())["provenance"]
    assert provenance["seed"] == 0


def test_the_mean_intensity_is_the_analytic_one_at_low_q(tmp_path):
    changes = {"grid": {"max_q": 0.1, "n_radial_points": 64, "max_order": 20}}
    settings, context = stage(tmp_path, **changes)
    folder = simulate_ccd.run(settings, context)
    data, model = read_ccd(folder / "ccd.h5"), read_model(folder / "ccd.h5")
    directions = np.random.default_rng(0).normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for index in (0, 5, 15):
        exact = np.mean(np.abs(shapes.amplitude(model.shapes, data.q[index] * directions)) ** 2)
        assert data.average_intensity[index] == pytest.approx(exact, rel=0.05)


def test_the_model_can_be_evaluated_anywhere(tmp_path):
    settings, context = stage(tmp_path)
    folder = simulate_ccd.run(settings, context)
    model = read_model(folder / "ccd.h5")
    assert model.shapes == simulate_ccd.simulation(settings).bodies
    np.testing.assert_array_equal(shapes.density_on(model.shapes, model.r, model.theta, model.phi), model.density)
    picture = read_vts(folder / "model_density.vts")
    shells = picture.scalars["density"].shape[0]
    np.testing.assert_array_equal(picture.scalars["density"][:, 1:-1, :-1], model.density[:shells])
    assert not model.density[shells:].any() and not model.density[shells - 1].any()
    with h5py.File(folder / "ccd.h5") as file:
        assert json.loads(file["model"].attrs["shapes"])[1]["kind"] == "tetrahedron"


def test_same_seed_same_result_other_seed_other_orientation(tmp_path):
    first = read_ccd(simulate_ccd.run(*stage(tmp_path)) / "ccd.h5")
    again = simulate_ccd.run(*stage(tmp_path))
    assert again.name == "run_1"
    np.testing.assert_array_equal(read_ccd(again / "ccd.h5").correlation["I1I1"], first.correlation["I1I1"])
    other = read_ccd(simulate_ccd.run(*stage(tmp_path, seed=1)) / "ccd.h5")
    assert np.abs(other.correlation["I1I1"] - first.correlation["I1I1"]).max() > 0


def test_methods_agree(tmp_path):
    found = {}
    for method in ("back_substitution", "lstsq", "legendre"):
        settings, context = stage(tmp_path, cross_correlation={"method": method, "xray_wavelength": 0.5})
        found[method] = read_ccd(simulate_ccd.run(settings, context) / "ccd.h5").correlation["I1I1"]
    np.testing.assert_allclose(found["lstsq"], found["back_substitution"], rtol=1e-11)
    np.testing.assert_allclose(found["legendre"], found["back_substitution"], rtol=2e-3)


def test_particles(tmp_path):
    one = read_ccd(simulate_ccd.run(*stage(tmp_path)) / "ccd.h5")
    many = read_ccd(simulate_ccd.run(*stage(tmp_path, n_particles=4)) / "ccd.h5")
    assert many.n_particles == 4
    np.testing.assert_allclose(many.average_intensity, 4 * one.average_intensity)
    np.testing.assert_allclose(many.invariants[2:], 4 * one.invariants[2:])


def test_switches_leave_files_out(tmp_path):
    options = {"save_model_vtk": False, "save_symlink": False, "save_settings": False}
    folder = simulate_ccd.run(*stage(tmp_path, IO={"files": {"ccd": {"options": options}}}, save_vtk_intensity=True))
    assert sorted(path.name for path in folder.iterdir()) == ["ccd.h5", "model_intensity.vts"]
    assert not (tmp_path / "data/fxs/ccd/3d_duo.h5").exists()
    intensity = read_vts(folder / "model_intensity.vts").scalars["intensity"]
    assert intensity[0].mean() == pytest.approx(read_ccd(folder / "ccd.h5").average_intensity[0], rel=1e-3)


def test_max_q_from_oversampling(tmp_path):
    settings, _ = stage(tmp_path, grid={"oversampling": 4, "n_radial_points": 24, "max_order": 8})
    radial = simulate_ccd.simulation(settings).radial
    assert radial.r_max == pytest.approx(4 * 110)
    settings, _ = stage(tmp_path, grid={"oversampling": 4, "n_radial_points": 24, "max_order": 8}, shape_size=400)
    radial = simulate_ccd.simulation(settings).radial
    assert radial.r_max == pytest.approx(800)


def test_angular_grid_is_free_of_aliasing_unless_given(tmp_path):
    settings, _ = stage(tmp_path)
    angular = simulate_ccd.simulation(settings).angular
    assert 2 * angular.n_theta > 24 and angular.n_phi > 24
    settings, _ = stage(tmp_path, grid={"max_q": 0.1, "n_radial_points": 24, "max_order": 8, "n_theta": 30, "n_phi": 34})
    angular = simulate_ccd.simulation(settings).angular
    assert (angular.n_theta, angular.n_phi) == (30, 34)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {"max_q": 1.0, "n_radial_points": 24, "max_order": 8}}, "reach 110"),
        ({"grid": {"max_q": 0.1, "n_radial_points": 24, "max_order": 8, "n_theta": 6}}, "n_theta >= 9"),
        ({"cross_correlation": {"xray_wavelength": 500.0}}, "out of reach"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_written(tmp_path, changes, message):
    settings, context = stage(tmp_path, **changes)
    with pytest.raises(SettingsError, match=message):
        simulate_ccd.plan(settings, context)
    with pytest.raises(SettingsError, match=message):
        simulate_ccd.run(settings, context)
    assert not (tmp_path / "data").exists()


def test_plan_states_what_is_needed(tmp_path):
    settings, context = stage(tmp_path)
    plan = simulate_ccd.plan(settings, context)
    size = sum(path.stat().st_size for path in simulate_ccd.run(settings, context).iterdir())
    assert plan.memory > 1e6 and size / 20 < plan.disk < 20 * size
    assert any("24" in line for line in plan.lines)


def test_a_low_max_order_is_remarked_on(tmp_path):
    said = []
    simulate_ccd.run(*stage(tmp_path, said))
    assert any("max_order" in line for line in said)
