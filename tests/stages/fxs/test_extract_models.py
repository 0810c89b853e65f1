"""The stage extract from shapes and from densities: no correlation is needed, and the invariants are those of the object."""

import mrcfile
import numpy as np
import pytest
import yaml
from extract_stage import SILENT, found, stage, storage

from fxs_hpc.errors import InputFileError, SettingsError
from fxs_hpc.files.ccd import read_ccd, write_ccd
from fxs_hpc.files.vts import write_plane_vts, write_vts
from fxs_hpc.fluctuation import plane_shapes, shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.invariants import invariants_of, of_particles
from fxs_hpc.fluctuation.plane_scattering import invariants_of as plane_invariants
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.stages.fxs import extract
from fxs_hpc.stages.fxs.finished import finished

ORDER, N_Q, Q_MAX = 8, 12, 0.2
GRID = {"max_q": Q_MAX, "max_order": ORDER, "n_radial_points": N_Q}
WIDTH = 6.0
CENTERS = np.array([[12.0, 0, 3], [-8, 9, 0], [-4, -10, -5]])
WEIGHTS = np.array([1.0, 1.5, 0.8])
"""Gaussian blobs, whose transform is known."""


def q_points(dimensions=3):
    return RadialGrid(N_Q, Q_MAX, np.pi, dimensions=dimensions).q


def blobs(points):
    distance = ((points[..., None, :] - CENTERS[:, : points.shape[-1]]) ** 2).sum(axis=-1)
    return (WEIGHTS * np.exp(-distance / (2 * WIDTH**2))).sum(axis=-1)


def blob_intensity(q):
    dimensions = q.shape[-1]
    envelope = WIDTH**dimensions * np.exp(-(q**2).sum(axis=-1) * WIDTH**2 / 2)
    return np.abs(envelope * (WEIGHTS * np.exp(-1j * q @ CENTERS[:, :dimensions].T)).sum(axis=-1)) ** 2


def expected_in_space(intensity):
    grid = AngularGrid(32, 64)
    return invariants_of(SphericalTransform(grid, ORDER).analyse(intensity(grid.directions()[:, :, None, :] * q_points()[:, None])))


def expected_in_plane(intensity):
    circle = CircleGrid(64)
    harmonics = CircularTransform(circle, ORDER).analyse(intensity(q_points(2)[:, None, None] * circle.directions()).T)
    harmonics[1::2] = 0
    return plane_invariants(harmonics)


def assert_same(result, expected, tolerance):
    np.testing.assert_allclose(result.q, q_points(result.dimensions), rtol=1e-12)
    for order in range(0, result.max_order + 1, 2):
        size = np.abs(expected[order]).max()
        np.testing.assert_allclose(result.invariants[order], expected[order], atol=tolerance * size + 1e-7 * np.abs(expected[0]).max())


SHAPES = {"types": ["sphere", "cube"], "sizes": [20, 14], "densities": [1, 2], "random_orientation": [False, True]}


def shape_settings(dimensions):
    centers = [[15, 1, 2], [12, 2, 4]] if dimensions == 3 else [[15, 1], [12, 4]]
    return {
        "dimensions": dimensions,
        "extraction_mode": "shapes",
        "max_order": 6,
        "seed": 3,
        "grid": GRID,
        "shapes": {**SHAPES, "centers": centers},
    }


ANGLES = {2: {"n_phi": 40}, 3: {"n_theta": 20, "n_phi": 44}}
KINDS = [(2, "midpoint", {}), (3, "midpoint", {}), (2, "trapz", ANGLES[2]), (3, "gauss", ANGLES[3]), (3, "zernike", {})]


@pytest.mark.parametrize(("dimensions", "kind", "angles"), KINDS)
def test_shapes_have_the_invariants_that_a_simulation_has(tmp_path, dimensions, kind, angles):
    from fxs_hpc.config.settings import assembled
    from fxs_hpc.stages.fxs import simulate_ccd
    from fxs_hpc.stages.fxs.context import Context
    from fxs_hpc.stages.fxs.workspace import Workspace

    given = {**shape_settings(dimensions), "fourier_transform": {"type": kind}, "grid": {**GRID, **angles}}
    folder, result = found(tmp_path, structure_name="duo", n_particles=3, **given)
    tree = {name: value for name, value in given.items() if name not in ("extraction_mode", "max_order")}
    fourier = {"type": kind, "reciprocity_coefficient": np.pi}
    settings = assembled("simulate_ccd", {**tree, "n_particles": 3, "fourier_transform": fourier}).model
    _, context = stage(tmp_path, **shape_settings(dimensions))
    context = Context(**{**vars(context), "workspace": Workspace.of(tmp_path, settings, "1_2_2030")})
    simulated = read_ccd(simulate_ccd.run(settings, context) / "ccd.h5")
    assert (result.max_order, result.n_particles, result.dimensions) == (6, 3, dimensions)
    np.testing.assert_array_equal(result.q, simulated.q)
    np.testing.assert_allclose(result.average_intensity, simulated.average_intensity, rtol=1e-12)
    np.testing.assert_allclose(result.invariants, simulated.invariants[:7], rtol=1e-9, atol=1e-14 * simulated.invariants[0].max().real)
    assert (tmp_path / f"data/fxs/invariants/{dimensions}d_duo.h5").resolve() == folder / "proj_data.h5"


def test_shapes_are_what_their_exact_amplitudes_say(tmp_path):
    """Sampled at the grid points, so only roughly."""
    settings = shape_settings(3)
    settings["grid"] = {**GRID, "n_radial_points": 96, "max_order": 40}
    _, result = found(tmp_path, fourier_transform={"reciprocity_coefficient": 0.5}, **settings)
    given = settings["shapes"]
    solids = shapes.build(given["types"], given["centers"], given["sizes"], given["densities"], given["random_orientation"], 3)
    grid = AngularGrid(32, 64)
    intensity = np.abs(shapes.amplitude(solids, grid.directions()[:, :, None, :] * result.q[:, None])) ** 2
    expected = invariants_of(SphericalTransform(grid, 6).analyse(intensity))
    for order in range(0, 7, 2):
        assert np.linalg.norm(result.invariants[order] - expected[order]) < 0.15 * np.linalg.norm(expected[order])


def write_blobs(path):
    axis = np.arange(-24, 25) * 2.0
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    if path.suffix == ".mrc":
        with mrcfile.new(path) as file:
            file.set_data(blobs(points).transpose(2, 1, 0).astype(np.float32))
            file.voxel_size = 2.0
    elif path.name == "cartesian.npz":
        np.savez(path, density=blobs(points), voxel=2.0)
    else:
        grid = AngularGrid(40, 80)
        r = (np.arange(80) + 0.5) * 0.5
        density = blobs(grid.directions()[None] * r[:, None, None, None])
        if path.suffix == ".npz":
            np.savez(path, density=density, r=r, theta=grid.theta, phi=grid.phi)
        else:
            write_vts(path, r, grid.theta, grid.phi, {"density": density})


@pytest.mark.parametrize(("name", "tolerance"), [("a.mrc", 2e-3), ("cartesian.npz", 2e-3), ("a.vts", 0.05), ("polar.npz", 0.05)])
def test_densities_in_space(tmp_path, name, tolerance):
    write_blobs(tmp_path / name)
    settings = {"extraction_mode": "density", "density": {"path": name}, "grid": GRID, "max_order": ORDER}
    assert_same(found(tmp_path, **settings)[1], expected_in_space(blob_intensity), tolerance)


def test_exact_shapes_in_a_file_are_taken_as_they_are(tmp_path):
    solids = shapes.build(["sphere", "tetrahedron"], [(15, 1, 2), (12, 2, 4)], [9, 14], [1, 2], [False, True], 0)
    r, theta, phi = np.arange(1.0, 5), np.array([1.0, 2]), np.arange(3.0)
    model = shapes.Model(solids, r, theta, phi, np.ones((4, 2, 3)))
    data = CrossCorrelation(3, r, phi, 1.5, np.ones(4), {"I1I1": np.ones((4, 4, 3))})
    write_ccd(tmp_path / "ccd.h5", data, model=model)
    settings = {"extraction_mode": "density", "density": {"path": "ccd.h5"}, "grid": GRID, "max_order": ORDER, "n_particles": 2}
    expected = expected_in_space(lambda q: np.abs(shapes.amplitude(solids, q)) ** 2)
    assert_same(found(tmp_path, **settings)[1], of_particles(expected, 2), 1e-3)


def test_exact_figures_in_a_file_are_taken_as_they_are(tmp_path):
    figures = plane_shapes.build(["triangle", "disc"], [(15, 1), (12, 4)], [14, 9], [1, 2], [True, False], 0)
    r, phi = np.arange(1.0, 5), np.arange(3.0)
    data = CrossCorrelation(2, r, phi, 1.5, np.ones(4), {"I1I1": np.ones((4, 4, 3))})
    write_ccd(tmp_path / "ccd.h5", data, model=plane_shapes.PlaneModel(figures, r, phi, np.ones((4, 3))))
    settings = {"dimensions": 2, "extraction_mode": "density", "density": {"path": "ccd.h5"}, "grid": GRID, "max_order": ORDER}
    expected = expected_in_plane(lambda q: np.abs(sum(figure.amplitude(q) for figure in figures)) ** 2)
    assert_same(found(tmp_path, **settings)[1], expected, 1e-3)


@pytest.mark.parametrize("name", ["cartesian.npz", "polar.npz", "a.vts"])
def test_densities_in_the_plane(tmp_path, name):
    axis = np.arange(-50, 51) * 1.0
    r, phi = (np.arange(120) + 0.5) * 0.4, CircleGrid(180).phi
    polar = blobs(plane_shapes.polar_points(r[:, None], phi))
    if name == "cartesian.npz":
        np.savez(tmp_path / name, density=blobs(np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)), pixel=1.0)
    elif name == "polar.npz":
        np.savez(tmp_path / name, density=polar, r=r, phi=phi)
    else:
        write_plane_vts(tmp_path / name, r, phi, {"density": polar})
    settings = {"dimensions": 2, "extraction_mode": "density", "density": {"path": name}, "grid": GRID, "max_order": ORDER}
    _, result = found(tmp_path, **settings)
    expected = expected_in_plane(blob_intensity)
    assert np.abs(expected[2].imag).max() > 0.01 * np.abs(expected[2]).max()
    assert_same(result, expected, 2e-3 if name == "cartesian.npz" else 0.03)


def test_the_largest_q_follows_from_the_radius(tmp_path):
    write_blobs(tmp_path / "a.mrc")
    grid = {"max_order": 4, "n_radial_points": N_Q, "oversampling": 2}
    settings = {"extraction_mode": "density", "density": {"path": "a.mrc"}, "grid": grid, "shape_size": 100.0}
    _, result = found(tmp_path, **settings)
    np.testing.assert_allclose(result.q[-1], (N_Q - 0.5) / N_Q * np.pi * N_Q / (2 * 50.0))


def test_orders_are_limited_by_those_of_the_grid(tmp_path):
    said = []
    _, result = found(tmp_path, said, **{**shape_settings(2), "max_order": 30})
    assert result.max_order == ORDER and any("grid.max_order" in line for line in said)


def test_plans_and_provenance(tmp_path):
    write_blobs(tmp_path / "a.mrc")
    for settings in (shape_settings(3), shape_settings(2), {"extraction_mode": "density", "density": {"path": "a.mrc"}, "grid": GRID}):
        plan = extract.plan(*stage(tmp_path, **settings))
        assert plan.memory > 1e6 and plan.disk > 1e3 and plan.lines
    folder, _ = found(tmp_path, extraction_mode="density", density={"path": "a.mrc"}, grid=GRID, max_order=4)
    (source,) = yaml.safe_load((folder / "extraction_settings.yaml").read_text())["provenance"]["inputs"]
    assert source.endswith("a.mrc")


def test_a_finished_run_is_known_by_what_it_read(tmp_path):
    write_blobs(tmp_path / "a.mrc")
    of_file = {"extraction_mode": "density", "density": {"path": "a.mrc"}, "grid": GRID, "max_order": 4, "structure_name": "blobs"}
    assert finished("extract", *stage(tmp_path, **of_file)) is None
    folder, _ = found(tmp_path, **of_file)
    assert finished("extract", *stage(tmp_path, **of_file)) == folder
    (tmp_path / "a.mrc").unlink()
    assert finished("extract", *stage(tmp_path, **of_file)) is None
    folder, _ = found(tmp_path, **shape_settings(2))
    assert finished("extract", *stage(tmp_path, **shape_settings(2))) == folder
    assert finished("extract", *stage(tmp_path, **{**shape_settings(2), "seed": 4})) is None


def test_pictures_need_no_correlation(tmp_path):
    options = {**SILENT, "plot_first_ccn": True, "plot_first_invariants": True}
    folder, _ = found(tmp_path, IO=storage(**options), **shape_settings(2))
    assert (folder / "first_I1I1_Bl.png").exists() and not (folder / "first_I1I1_Cn.png").exists()


def test_missing_files_and_wrong_coordinates_are_named(tmp_path):
    with pytest.raises(InputFileError, match=r"density.path: .*absent.mrc"):
        found(tmp_path, extraction_mode="density", density={"path": "absent.mrc"}, grid=GRID)
    with pytest.raises(SettingsError, match="shapes.centers"):
        found(tmp_path, **{**shape_settings(2), "dimensions": 3})
    with pytest.raises(SettingsError, match=r"needs density.path"):
        found(tmp_path, extraction_mode="density")
