"""Finding the true object that belongs to a reconstruction."""

import numpy as np
import pytest
import yaml

from fxs_hpc.config.settings import build
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.ccd import write_ccd
from fxs_hpc.fluctuation import plane_shapes, shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.stages.fxs.truth import find_model
from fxs_hpc.stages.fxs.workspace import Workspace


def workspace(home):
    settings, _ = build("average", {"structure_name": "case", "reconstruction_files": ["x"]})
    return Workspace.of(home, settings)


def write_simulation(path, with_model=True):
    solids = shapes.build(["sphere"], [(5.0, 1.0, 1.0)], [10], [2.0], [False], 0)
    grid = np.linspace(1, 20, 5), np.linspace(0.1, 3, 6), np.linspace(0, 6, 7)
    model = shapes.Model(solids, *grid, shapes.density_on(solids, *grid)) if with_model else None
    data = CrossCorrelation(3, np.ones(2), np.ones(4), 1.0, np.ones(2), {"I1I1": np.ones((2, 2, 4))}, n_particles=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_ccd(path, data, model=model)
    return path


def write_plane_simulation(path):
    figures = plane_shapes.build(["disc"], [(5.0, 1.0)], [10], [2.0], [False], 0)
    grid = np.linspace(1, 20, 5), np.linspace(0, 6, 7)
    model = plane_shapes.PlaneModel(figures, *grid, plane_shapes.density_on(figures, *grid))
    data = CrossCorrelation(2, np.ones(2), np.ones(4), 1.0, np.ones(2), {"I1I1": np.ones((2, 2, 4))}, n_particles=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_ccd(path, data, model=model)
    return path


def chain(home, ccd):
    """data.h5 whose settings name proj_data.h5, whose settings name the simulation."""
    proj, data = home / "inv/proj_data.h5", home / "rec/data.h5"
    for path, name, source in ((proj, "extraction_settings.yaml", ccd), (data, "settings.yaml", proj)):
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / name).write_text(yaml.safe_dump({"structure_name": "case", "provenance": {"inputs": {str(source): "0" * 64}}}))
    write_simulation(proj, with_model=False)
    return data


def test_none_wanted(tmp_path):
    assert find_model(False, [tmp_path / "data.h5"], workspace(tmp_path), 3) is None


def test_automatic_follows_the_chain_to_the_simulation(tmp_path):
    ccd = write_simulation(tmp_path / "ccd/run_0/ccd.h5")
    found = find_model("auto", [chain(tmp_path, ccd)], workspace(tmp_path), 3)
    assert found.path == ccd.resolve() and found.model.shapes[0].size == 10


def test_automatic_finds_nothing_for_measured_data(tmp_path):
    ccd = write_simulation(tmp_path / "ccd/run_0/ccd.h5", with_model=False)
    assert find_model("auto", [chain(tmp_path, ccd)], workspace(tmp_path), 3) is None
    assert find_model("auto", [tmp_path / "nowhere/data.h5"], workspace(tmp_path), 3) is None


def test_latest_simulation_of_the_structure(tmp_path):
    ccd = write_simulation(tmp_path / "data/fxs/ccd/3d_case.h5")
    assert find_model("latest", [], workspace(tmp_path), 3).path == ccd


def test_simulation_of_the_plane(tmp_path):
    ccd = write_plane_simulation(tmp_path / "data/fxs/ccd/2d_case.h5")
    data = chain(tmp_path, ccd)
    for found in (find_model("latest", [], workspace(tmp_path), 2), find_model("auto", [data], workspace(tmp_path), 2)):
        assert found.path.resolve() == ccd.resolve() and found.model.shapes[0].kind == "disc" and found.model.density.shape == (5, 7)
    # Reconstructions in space do not come from it.
    assert find_model("auto", [data], workspace(tmp_path), 3) is None
    with pytest.raises(InputFileError, match="2 dimensions, the reconstructions have 3"):
        find_model(str(ccd), [], workspace(tmp_path), 3)


def test_samples_of_a_density_of_the_plane(tmp_path):
    np.savez(tmp_path / "m.npz", density=np.ones((3, 5)), r=np.arange(3.0), phi=np.arange(5.0))
    found = find_model("m.npz", [], workspace(tmp_path), 2)
    assert found.model.shapes == () and found.model.density.shape == (3, 5)


def test_samples_of_a_density(tmp_path):
    np.savez(tmp_path / "m.npz", density=np.ones((3, 4, 5)), r=np.arange(3.0), theta=np.arange(4.0), phi=np.arange(5.0))
    found = find_model("m.npz", [], workspace(tmp_path), 3)
    assert found.model.shapes == () and found.model.density.shape == (3, 4, 5)


def test_what_cannot_be_a_model_is_refused(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        find_model("absent.h5", [], workspace(tmp_path), 3)
    write_simulation(tmp_path / "c.h5", with_model=False)
    with pytest.raises(InputFileError, match="holds no model"):
        find_model("c.h5", [], workspace(tmp_path), 3)
    np.savez(tmp_path / "m.npz", density=np.ones((3, 4, 5)), r=np.arange(3.0), theta=np.arange(4.0))
    with pytest.raises(InputFileError, match="density, r, theta, phi"):
        find_model("m.npz", [], workspace(tmp_path), 3)
    np.savez(tmp_path / "m.npz", density=np.ones((3, 4, 5)), r=np.arange(3.0), theta=np.arange(4.0), phi=np.arange(6.0))
    with pytest.raises(InputFileError, match="shape"):
        find_model("m.npz", [], workspace(tmp_path), 3)
