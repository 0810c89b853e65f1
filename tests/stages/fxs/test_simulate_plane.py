"""The stage simulate_ccd in two dimensions: files, fields, options, refusals."""

import numpy as np
import pytest
import yaml

from fxs_hpc.config import ini
from fxs_hpc.config.settings import load
from fxs_hpc.errors import InputFileError, SettingsError
from fxs_hpc.files.ccd import read_ccd, read_model, read_plane_model
from fxs_hpc.files.vts import read_vts
from fxs_hpc.fluctuation import plane_shapes, shapes
from fxs_hpc.stages.fxs import simulate_ccd
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

GRID = {"max_q": 0.1, "n_radial_points": 32, "max_order": 15}
FIGURES = {
    "types": ["sphere", "square", "triangle"],
    "centers": [[0, 0], [60, 1], [70, 4]],
    "sizes": [40, 20, 30],
    "densities": [1, 2, 3],
    "random_orientation": [False, True, True],
}


def stage(tmp_path, said=None, **changes):
    path = tmp_path / "trio.yaml"
    path.write_text(yaml.safe_dump({"dimensions": 2, "structure_name": "trio", "grid": GRID, "shapes": FIGURES, **changes}))
    settings = load("simulate_ccd", str(path), tmp_path).model
    workspace = Workspace.of(tmp_path, settings, "1_2_2030")
    say = (said if said is not None else []).append
    return settings, Context(workspace, ini.RunConfig(tmp_path), 2, "double", False, path, say, "fxs-hpc fxs simulate_ccd trio")


def test_files_and_fields(tmp_path):
    folder = simulate_ccd.run(*stage(tmp_path))
    assert folder == tmp_path / "data/fxs/ccd/archive/2d_trio/1_2_2030/run_0"
    assert sorted(path.name for path in folder.iterdir()) == ["ccd.h5", "model_density.png", "model_density.vts", "settings.yaml"]
    link = tmp_path / "data/fxs/ccd/2d_trio.h5"
    assert link.is_symlink() and link.resolve() == folder / "ccd.h5"
    data = read_ccd(link)
    assert (data.dimensions, data.n_particles, data.measured) == (2, 1, False)
    assert data.correlation["I1I1"].shape == (32, 32, 32) and data.correlation["I1I1"].dtype == float
    assert data.invariants.shape == (16, 32, 32) and data.invariants.dtype == complex
    np.testing.assert_allclose(data.delta, 2 * np.pi * np.arange(32) / 32)
    mean = data.correlation["I1I1"].mean(axis=-1)
    np.testing.assert_allclose(mean, np.outer(data.average_intensity, data.average_intensity), rtol=1e-12)


def test_invariants_are_those_of_the_exact_amplitudes(tmp_path):
    folder = simulate_ccd.run(*stage(tmp_path, grid={"max_q": 0.1, "n_radial_points": 128, "max_order": 30}))
    data, model = read_ccd(folder / "ccd.h5"), read_plane_model(folder / "ccd.h5")
    phi = 2 * np.pi * np.arange(256) / 256
    low = [3, 20, 40]
    intensity = np.abs(shapes.amplitude(model.shapes, plane_shapes.polar_points(data.q[low, None], phi))) ** 2
    harmonics = np.fft.rfft(intensity, axis=1, norm="forward")
    for order in (0, 2, 6):
        expected = np.outer(harmonics[:, order], harmonics[:, order].conj())
        found = data.invariants[order][np.ix_(low, low)]
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)
    components = np.fft.rfft(data.correlation["I1I1"], norm="forward")
    np.testing.assert_allclose(np.moveaxis(components, -1, 0)[:31], data.invariants, atol=1e-12 * abs(data.invariants).max())


def test_the_model_and_its_picture(tmp_path):
    settings, context = stage(tmp_path)
    folder = simulate_ccd.run(settings, context)
    model = read_plane_model(folder / "ccd.h5")
    assert model.shapes == simulate_ccd.simulation(settings).bodies
    np.testing.assert_array_equal(plane_shapes.density_on(model.shapes, model.r, model.phi), model.density)
    picture = read_vts(folder / "model_density.vts").scalars["density"]
    np.testing.assert_array_equal(picture[:, 0, :-1], model.density[: len(picture)])
    assert not model.density[len(picture) - 1 :].any()
    with pytest.raises(InputFileError, match="dimensions: 2"):
        read_model(folder / "ccd.h5")


def test_particles(tmp_path):
    one = read_ccd(simulate_ccd.run(*stage(tmp_path)) / "ccd.h5")
    many = read_ccd(simulate_ccd.run(*stage(tmp_path, n_particles=4)) / "ccd.h5")
    assert many.n_particles == 4
    np.testing.assert_allclose(many.average_intensity, 4 * one.average_intensity)
    np.testing.assert_allclose(many.invariants[1:], 4 * one.invariants[1:])
    np.testing.assert_allclose(many.invariants[0], 16 * one.invariants[0])


@pytest.mark.parametrize("kind", ["trapz", "gauss", "zernike"])
def test_transforms_agree(tmp_path, kind):
    """The kinds of the radial transform sample the same object two angstrom fine: the mean intensity is the same up to that."""
    grid = {"max_q": 0.5, "n_radial_points": 128, "max_order": 15}
    midpoint = read_ccd(simulate_ccd.run(*stage(tmp_path, grid=grid)) / "ccd.h5")
    other = read_ccd(simulate_ccd.run(*stage(tmp_path, grid=grid, fourier_transform={"type": kind})) / "ccd.h5")
    low = midpoint.q < 0.15
    found = np.interp(midpoint.q[low], other.q, other.average_intensity)
    np.testing.assert_allclose(found, midpoint.average_intensity[low], atol=0.03 * midpoint.average_intensity[0])


def test_switches_leave_files_out(tmp_path):
    options = {"save_model_vtk": False, "save_symlink": False, "save_settings": False}
    folder = simulate_ccd.run(*stage(tmp_path, IO={"files": {"ccd": {"options": options}}}, save_vtk_intensity=True))
    assert sorted(path.name for path in folder.iterdir()) == ["ccd.h5", "model_intensity.vts"]
    assert not (tmp_path / "data/fxs/ccd/2d_trio.h5").exists()
    intensity = read_vts(folder / "model_intensity.vts").scalars["intensity"]
    np.testing.assert_allclose(intensity[:, 0, :-1].mean(axis=1), read_ccd(folder / "ccd.h5").average_intensity, rtol=1e-6)


def test_default_centres_are_polar(tmp_path):
    path = tmp_path / "plain.yaml"
    path.write_text("dimensions: 2\n")
    loaded = load("simulate_ccd", str(path), tmp_path)
    settings = loaded.model
    assert loaded.changed == {"dimensions": 2}
    assert settings.shapes.centers[0] == (0.0, 0.0)
    assert settings.shapes.centers[2] == (140.0, pytest.approx(2 * np.pi / 5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {**GRID, "max_q": 1.0}}, "reach 100"),
        ({"grid": {**GRID, "n_phi": 30}}, "n_phi >= 31"),
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


def test_solid_centres_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="coordinates"):
        stage(tmp_path, shapes={**FIGURES, "centers": [[0, 0, 0], [60, 1, 1], [70, 4, 1]]})


def test_plan_states_what_is_needed(tmp_path):
    settings, context = stage(tmp_path)
    plan = simulate_ccd.plan(settings, context)
    size = (simulate_ccd.run(settings, context) / "ccd.h5").stat().st_size
    assert plan.memory > 1e6 and size / 3 < plan.disk < 3 * size


def test_given_angles_are_used(tmp_path):
    settings, _ = stage(tmp_path, grid={**GRID, "n_phi": 31, "n_theta": 12})
    assert simulate_ccd.simulation(settings).angular.n_phi == 31
    settings, _ = stage(tmp_path)
    assert simulate_ccd.simulation(settings).angular.n_phi > 45
