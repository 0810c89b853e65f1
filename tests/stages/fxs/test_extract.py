"""The stage extract: files, recovery of what was simulated, options, refusals."""

import h5py
import numpy as np
import pytest
import yaml

from fxs_hpc.config import ini
from fxs_hpc.config.settings import load
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.ccd import write_ccd
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation, correlation_angles, correlation_blocks
from fxs_hpc.fluctuation.invariants import average_intensity, invariants_of
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.stages.fxs import extract
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

ORDER, WAVELENGTH = 16, 1.5
Q = np.linspace(0.01, 0.15, 20)
PICTURES = ["first_I1I1_Bl.png", "first_I1I1_proj_matrices_to_Bl.png", "first_arg_of_I1I1_Bl.png", "mask_of_I1I1_Bl.png"]


@pytest.fixture(scope="module")
def invariants():
    solids = shapes.build(["sphere", "tetrahedron"], [(25, 1, 2), (22, 2, 4)], [19, 24], [1, 2], [False, True], 0)
    grid = AngularGrid(40, 80)
    amplitude = shapes.amplitude(solids, grid.directions()[:, :, None, :] * Q[:, None])
    return invariants_of(SphericalTransform(grid, ORDER).analyse(np.abs(amplitude) ** 2))


@pytest.fixture
def home(tmp_path, invariants):
    data = CrossCorrelation(3, Q, correlation_angles(ORDER), WAVELENGTH, average_intensity(invariants[0]), n_particles=1)
    write_ccd(tmp_path / "data/fxs/ccd/3d_duo.h5", data, correlation_blocks(invariants, Q, WAVELENGTH))
    return tmp_path


def stage(home, said=None, solver=None, **changes):
    path = home / "duo.yaml"
    tree = {"structure_name": "duo", "max_order": 8, **changes}
    if solver:
        tree["cross_correlation"] = {"datasets": {"I1I1": solver}}
    path.write_text(yaml.safe_dump(tree))
    settings = load("extract", str(path), home).model
    workspace = Workspace.of(home, settings, "1_2_2030")
    say = (said if said is not None else []).append
    return settings, Context(workspace, ini.RunConfig(home), 2, "double", False, path, say, "fxs-hpc fxs extract duo")


def run(home, **options):
    quiet = {"plot_first_invariants": False, "plot_first_invariants_from_proj_matrices": False}
    storage = {"files": {"invariants": {"options": quiet}}}
    return read_proj_data(extract.run(*stage(home, IO=storage, **options)) / "proj_data.h5")


def assert_recovered(found, invariants, tolerance=1e-9):
    for order in range(0, found.max_order + 1, 2):
        scale = np.abs(invariants[order]).max()
        np.testing.assert_allclose(found.invariants[order], invariants[order], atol=tolerance * scale + 1e-14 * invariants[0].max())


def test_files_and_fields(home, invariants):
    folder = extract.run(*stage(home))
    assert folder == home / "data/fxs/invariants/archive/3d_duo/1_2_2030/run_0"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*PICTURES, "extraction_settings.yaml", "proj_data.h5"])
    link = home / "data/fxs/invariants/3d_duo.h5"
    assert link.is_symlink() and link.resolve() == folder / "proj_data.h5"
    found = read_proj_data(link)
    assert (found.max_order, found.dimensions, found.wavelength, found.n_particles) == (8, 3, WAVELENGTH, 1)
    assert [matrix.shape for matrix in found.projection_matrices] == [(20, min(20, 2 * order + 1)) for order in range(9)]
    assert len(found.low_resolution_coefficients) == 9
    np.testing.assert_array_equal(found.q_id_limits, [[0, 20]] * 9)
    assert_recovered(found, invariants)
    for order, matrix in enumerate(found.projection_matrices):
        tolerance = 1e-9 * np.abs(found.invariants[order]).max() + 1e-14 * invariants[0].max()
        np.testing.assert_allclose(matrix @ matrix.T, found.invariants[order], atol=tolerance)
    provenance = yaml.safe_load((folder / "extraction_settings.yaml").read_text())["provenance"]
    assert len(provenance["inputs"]) == 1


@pytest.mark.parametrize("method", ["back_substitution", "lstsq", "back_substitution_psd", "back_substitution_qqsym"])
def test_all_solvers_recover_the_simulation(home, invariants, method):
    assert_recovered(run(home, solver={"bl_extraction_method": method}), invariants)


def test_legendre_is_close_for_small_angles(home, invariants):
    found = run(home, solver={"bl_extraction_method": "legendre"})
    for order in (2, 4, 6):
        np.testing.assert_allclose(found.invariants[order], invariants[order], atol=5e-3 * np.abs(invariants[order]).max())


def test_the_mean_is_put_back_or_solved_for(home, invariants):
    found = run(home, solver={"modify_cc": {"subtract_average_intensity": False}})
    np.testing.assert_allclose(found.invariants[0], invariants[0], rtol=1e-6, atol=1e-12 * invariants[0].max())


def test_symmetry_options_psd_and_arc_mask(home, invariants):
    solver = {
        "bl_extraction_method": "lstsq",
        "modify_cc": {"q1q2_symmetric": True},
        "bl_enforce_psd": True,
        "cc_mask": {"type": "pixel_arc", "pixel_arc": {"pixel_size": 1500.0}},
    }
    assert_recovered(run(home, solver=solver), invariants, 1e-6)
    assert min(np.linalg.eigvalsh(matrix)[0] for matrix in run(home, solver=solver).invariants) > -1e-9 * invariants[2].max()


def test_a_mask_that_leaves_nothing_is_an_error(home):
    solver = {"cc_mask": {"type": "pixel_arc", "pixel_arc": {"pixel_size": 10.0}}}
    with pytest.raises(DataError, match="no valid angle"):
        run(home, solver=solver)


def test_q_limits(home):
    lines = {"min": {"type": "line", "line": [[0, 0.0], [8, 0.04]]}, "max": {"type": "line", "line": [[0, 0.1], [8, 0.141]]}}
    found = run(home, solver={"bl_q_limits": lines})
    for order, (low, high) in enumerate(found.q_id_limits):
        assert Q[low] >= 0.005 * order > (Q[low - 1] if low else -1)
        assert not found.projection_matrices[order][:low].any() and not found.projection_matrices[order][high:].any()
        assert found.invariant_masks[order].sum() == (high - low) ** 2


def test_sort_mode(home, invariants):
    found = run(home, bl_eig_sort_mode="median_of_scaled_eigenvector")
    matrix = found.projection_matrices[8]
    medians = np.median(np.abs(matrix), axis=0)
    assert np.all(np.diff(medians) <= 1e-12 * medians[0])


def test_max_order_is_limited_by_the_angles(home):
    said = []
    folder = extract.run(*stage(home, said, max_order=40))
    assert read_proj_data(folder / "proj_data.h5").max_order == ORDER
    assert any("40" in line and "16" in line for line in said)


def test_all_pictures_and_the_intensity(home):
    options = {"plot_first_ccn": True, "plot_first_projection_matrix_error_estimates": True, "save_intensity_vtk": True}
    folder = extract.run(*stage(home, IO={"files": {"invariants": {"options": options}}}))
    extra = ["first_I1I1_Cn.png", "first_I1I1_proj_matrix_error_estimates.png", "intensity_guess.vts"]
    assert {path.name for path in folder.iterdir()} >= {*PICTURES, *extra}


def test_switches_leave_files_and_fields_out(home):
    names = ("create_symlink", "plot_first_invariants", "save_invariant", "plot_first_invariants_from_proj_matrices")
    options = dict.fromkeys(names, False)
    folder = extract.run(*stage(home, IO={"files": {"invariants": {"options": options}}}))
    assert sorted(path.name for path in folder.iterdir()) == ["extraction_settings.yaml", "proj_data.h5"]
    with h5py.File(folder / "proj_data.h5") as file:
        assert "deg_2_invariant" not in file
    assert not (home / "data/fxs/invariants/3d_duo.h5").exists()


def test_plan(home):
    settings, context = stage(home)
    plan = extract.plan(settings, context)
    assert plan.memory > 1e6 and plan.disk > 1e4
    assert not (home / "data/fxs/invariants").exists()


def test_missing_and_odd_inputs_are_named(home):
    with pytest.raises(InputFileError, match="3d_other.h5"):
        extract.run(*stage(home, structure_name="other"))
    with h5py.File(home / "data/fxs/ccd/3d_duo.h5", "r+") as file:
        del file["angular_points"]
        file["angular_points"] = np.arange(7.0)
    with pytest.raises(InputFileError, match="cross_correlation/I1I1 has shape"):
        extract.run(*stage(home))


def test_correlations_in_space_are_refused_in_the_plane(home):
    with pytest.raises(InputFileError, match="holds 3D correlations"):
        extract.run(*stage(home, dimensions=2, IO={"files": {"ccd": {"name": "3d_duo.h5"}}}))
