"""The stage extract in the plane: files, recovery of what was simulated or measured, the case of the reference."""

import h5py
import numpy as np
import pytest
import yaml
from extract_stage import SILENT, found, stage, storage

from fxs_hpc.files.ccd import write_ccd
from fxs_hpc.files.measured_ccd import Measured, write_measured
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.files.vts import read_vts
from fxs_hpc.fluctuation import plane_shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.plane_scattering import correlation_angles, correlation_blocks, invariants_of
from fxs_hpc.fluctuation.positivity import made_positive
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import CircleGrid
from fxs_hpc.stages.fxs import extract

ORDER, Q = 14, np.linspace(0.01, 0.15, 12)
CIRCLE = CircleGrid(64)
NAMES = ["first_I1I1_Bl.png", "first_I1I1_proj_matrices_to_Bl.png", "first_arg_of_I1I1_Bl.png", "mask_of_I1I1_Bl.png"]


@pytest.fixture(scope="module")
def intensity():
    """|F|^2 (N, n_phi) of a triangle and a disc, exact: an object that is not its own mirror image."""
    kinds, centers = ["triangle", "disc"], [(15, 1), (12, 3.3)]
    figures = plane_shapes.build(kinds, centers, [30, 14], [1, 2], [True, False], 1)
    points = Q[:, None, None] * CIRCLE.directions()
    return np.abs(sum(figure.amplitude(points) for figure in figures)) ** 2


@pytest.fixture(scope="module")
def invariants(intensity):
    harmonics = CircularTransform(CIRCLE, ORDER).analyse(intensity.T)
    harmonics[1::2] = 0
    return invariants_of(harmonics)


@pytest.fixture
def home(tmp_path, invariants):
    mean = np.sqrt(np.diagonal(invariants[0]).real)
    data = CrossCorrelation(2, Q, correlation_angles(ORDER), 1.5, mean, n_particles=1)
    write_ccd(tmp_path / "data/fxs/ccd/2d_duo.h5", data, correlation_blocks(invariants, len(data.delta)))
    return tmp_path


def run(home, said=None, solver=None, **tree):
    if solver is not None:
        tree["cross_correlation"] = {"datasets": {"I1I1": solver}}
    return found(home, said, **{"dimensions": 2, "structure_name": "duo", "max_order": 10, **tree})


def assert_recovered(result, invariants, tolerance=1e-11):
    for order in range(result.max_order + 1):
        rounding = 1e-15 * np.abs(invariants[0]).max()
        expected = invariants[order]
        np.testing.assert_allclose(result.invariants[order], expected, atol=tolerance * np.abs(expected).max() + rounding)


def test_files_and_fields(home, invariants):
    folder, result = run(home, IO={})
    assert folder == home / "data/fxs/invariants/archive/2d_duo/1_2_2030/run_0"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*NAMES, "extraction_settings.yaml", "proj_data.h5"])
    assert (home / "data/fxs/invariants/2d_duo.h5").resolve() == folder / "proj_data.h5"
    assert (result.dimensions, result.max_order, result.n_particles) == (2, 10, 1)
    assert_recovered(result, invariants)
    with h5py.File(folder / "proj_data.h5") as file:
        assert file["data_projection_matrices/I1I1/4"].shape == (len(Q),)
        errors = file["data_projection_matrix_error_estimates/I1I1"][()]
    assert errors[2].max() < 1e-6 and (errors[1] == -1).all()
    for order, vector in enumerate(result.projection_matrices):
        assert vector.shape == (len(Q), 1) and np.iscomplexobj(vector)
        size = np.abs(invariants[order]).max()
        product = vector @ vector.conj().T
        np.testing.assert_allclose(product, invariants[order], atol=1e-11 * size + 1e-15 * np.abs(invariants[0]).max())
    np.testing.assert_allclose(result.projection_matrices[0][:, 0], result.average_intensity, rtol=1e-12)
    assert len(result.low_resolution_coefficients) == 11
    assert yaml.safe_load((folder / "extraction_settings.yaml").read_text())["dimensions"] == 2


def test_the_phase_of_the_vectors_is_fixed(home):
    _, result = run(home)
    for vector in result.projection_matrices[2::2]:
        largest = vector[np.abs(vector).argmax(), 0]
        assert largest.real > 0 and abs(largest.imag) < 1e-12 * largest.real


@pytest.mark.parametrize("method", ["lstsq", "back_substitution_psd", "back_substitution_qqsym", "back_substitution_memory_hungry"])
def test_all_methods_recover_the_simulation(home, invariants, method):
    _, result = run(home, solver={"bl_extraction_method": method, "bl_enforce_psd": True})
    assert_recovered(result, invariants)


def test_symmetries(home, invariants):
    solver = {"modify_cc": {"pi_periodicity": True, "q1q2_symmetric": True, "subtract_average_intensity": False}}
    assert_recovered(run(home, solver=solver)[1], invariants, 1e-9)


@pytest.mark.parametrize(
    "mask",
    [
        {"type": "pixel_arc", "pixel_arc": {"pixel_size": 4000.0}},
        {"type": "pixel_flat", "pixel_flat": {"pixel_size": 4000.0, "mask_at_pi": True}},
        {"type": "custom", "pixel_custom": {"n_masked_pixels_phi": 0.05, "n_masked_pixels_q": 0.1}},
        {"type": "direct", "direct": {"path": "mask.npy"}},
    ],
)
def test_masked_values_have_no_influence_on_least_squares(home, invariants, mask):
    folder = home / "data/fxs/ccd"
    with h5py.File(folder / "2d_duo.h5", "r+") as file:
        values = file["cross_correlation/I1I1"]
        n_q = len(values)
        valid = np.ones(values.shape, bool)
        valid[np.arange(n_q), np.arange(n_q), 0] = False
        np.save(home / "mask.npy", valid)
        changed = values[()]
        changed[~valid] = 1e9 * np.abs(changed).max()
        values[...] = changed
    _, result = run(home, solver={"bl_extraction_method": "lstsq", "cc_mask": mask})
    assert_recovered(result, invariants, 1e-8)
    _, spoilt = run(home, solver={"bl_extraction_method": "lstsq"})
    assert np.abs(spoilt.invariants[2]).max() > 1e3 * np.abs(invariants[2]).max()


def test_patterns_and_simulation_give_the_same_invariants(home, intensity, invariants):
    """C = <I(q1, phi) I(q2, phi + Delta)>, as correlate makes it, of the same object: the same hand."""
    spectrum = np.fft.rfft(intensity, axis=1, norm="forward")
    product = spectrum[:, None].conj() * spectrum
    values = np.fft.irfft(product, CIRCLE.n_phi, axis=-1, norm="forward")
    expected = np.mean(intensity[2] * np.roll(intensity[5], -7))
    assert values[2, 5, 7] == pytest.approx(expected)
    data = CrossCorrelation(None, Q, CIRCLE.phi, 1.5, intensity.mean(axis=1), measured=True)
    measured = Measured(values.shape, arrays={"num_images_processed": 10, "num_images_good": 10})
    write_measured(home / "data/fxs/ccd/3d_duo_patterns.h5", data, measured, [(slice(0, len(Q)), values)])
    _, result = run(home, structure_name="duo_patterns")
    assert_recovered(result, invariants)
    assert np.abs(invariants[2].imag).max() > 1e-3 * np.abs(invariants[2]).max()
    folder, in_space = found(home, dimensions=3, structure_name="duo_patterns", max_order=4)
    assert in_space.dimensions == 3 and "3d_duo_patterns" in str(folder)


def test_q_limits(home):
    lines = {"min": {"type": "line", "line": [[0, 0.0], [8, 0.04]]}, "max": {"type": "line", "line": [[0, 0.1], [8, 0.141]]}}
    _, result = run(home, solver={"bl_q_limits": lines})
    for order, (low, high) in enumerate(result.q_id_limits):
        assert Q[low] >= 0.005 * order > (Q[low - 1] if low else -1)
        assert not result.projection_matrices[order][:low].any() and not result.projection_matrices[order][high:].any()
        assert result.invariant_masks[order].sum() == (high - low) ** 2


def test_max_order_is_what_the_angles_resolve(home):
    said = []
    _, result = run(home, said, max_order=40)
    n_delta = len(correlation_angles(ORDER))
    assert result.max_order == n_delta // 2 - 1
    assert any("40" in line and "angles resolve" in line for line in said)


def test_pictures_and_the_intensity(home, intensity):
    options = {"plot_first_ccn": True, "plot_first_projection_matrix_error_estimates": True, "save_intensity_vtk": True}
    folder, result = run(home, IO=storage(**options))
    extra = ["first_I1I1_Cn.png", "first_I1I1_proj_matrix_error_estimates.png", "intensity_guess.vts", "intensity_guess.png"]
    assert {path.name for path in folder.iterdir()} >= {*NAMES, *extra}
    field = read_vts(folder / "intensity_guess.vts").scalars["intensity"][:, 0, :-1]
    # Whatever the phases, the mean over the angles is that of the intensity, and so is its square per order.
    np.testing.assert_allclose(field.mean(axis=1), intensity.mean(axis=1), rtol=1e-5)
    power = sum((2 if n else 1) * np.abs(vector[:, 0]) ** 2 for n, vector in enumerate(result.projection_matrices))
    np.testing.assert_allclose((field**2).mean(axis=1), power, rtol=1e-5)


def test_phases_may_be_chosen_for_positivity(home):
    low = {"max_order": 6, "n_iterations": 7, "error_change_limit": 1e-9}
    plain = run(home, low_resolution_intensity_approximation=low)[1]
    options = {"use": True, "n_iterations": 30, "error_change_limit": 1e-9}
    best = run(home, optimize_projection_matrices=options, low_resolution_intensity_approximation=low)[1]
    for ours, expected in (
        (best.projection_matrices, made_positive(plain.projection_matrices, 30, 1e-9, 2)),
        (best.low_resolution_coefficients, made_positive(plain.low_resolution_coefficients, 7, 1e-9, 2)),
    ):
        assert len(ours) == len(expected)
        for vector, other in zip(ours, expected, strict=True):
            np.testing.assert_allclose(vector, other, atol=1e-12 * np.abs(other).max())


def test_without_invariants(home):
    folder, result = run(home, IO=storage(**SILENT, save_invariant=False, create_symlink=False))
    assert result.invariants is None and not (home / "data/fxs/invariants/2d_duo.h5").exists()
    with h5py.File(folder / "proj_data.h5") as file:
        assert "deg_2_invariant" not in file and "data_projection_matrix_error_estimates" not in file


def test_plan(home):
    plan = extract.plan(*stage(home, dimensions=2, structure_name="duo", max_order=10))
    folder, _ = run(home)
    assert 0.5 < plan.disk / (folder / "proj_data.h5").stat().st_size < 2 or plan.disk < 1e5
    assert "Fourier series" in plan.lines[1]


def test_the_case_of_the_reference(tmp_path, reference_data):
    """Its correlation has 31 angular_points for 30 values; everything that it found comes out of it."""
    folder = tmp_path / "data/fxs/ccd"
    folder.mkdir(parents=True)
    (folder / "2d_a2.h5").symlink_to(reference_data / "xframe/2d/simulate_ccd/a2_base/ccd.h5")
    _, ours = found(tmp_path, dimensions=2, structure_name="a2", max_order=15)
    theirs = read_proj_data(reference_data / "xframe/2d/extract/a2_e/proj_data.h5")
    np.testing.assert_array_equal(ours.q_id_limits, theirs.q_id_limits)
    np.testing.assert_array_equal(ours.invariant_masks, theirs.invariant_masks)
    for name in ("q", "average_intensity"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    rounding = 1e-17 * np.abs(theirs.invariants[0]).max()
    for order in range(16):
        size = np.abs(theirs.invariants[order]).max()
        products = [data.projection_matrices[order] @ data.projection_matrices[order].conj().T for data in (ours, theirs)]
        np.testing.assert_allclose(products[0], products[1], atol=1e-12 * size + rounding)
        np.testing.assert_allclose(ours.invariants[order], theirs.invariants[order], atol=1e-12 * size + rounding)


def test_the_triangle_of_the_reference_is_recovered_with_its_hand(tmp_path, reference_data):
    """The density that it simulated, transformed here, against what is extracted from its correlation."""
    from fxs_hpc.fluctuation.plane_scattering import intensity_harmonics
    from fxs_hpc.harmonics.grids import RadialGrid

    source = reference_data / "xframe/2d/simulate_ccd/a2_tri"
    folder = tmp_path / "data/fxs/ccd"
    folder.mkdir(parents=True)
    (folder / "2d_tri.h5").symlink_to(source / "ccd.h5")
    _, ours = found(tmp_path, dimensions=2, structure_name="tri", max_order=12)
    with np.load(source / "model_density.npz") as model:
        radial = RadialGrid(32, 0.1, 1.0, dimensions=2)
        harmonics = intensity_harmonics(model["density"], radial, CircularTransform(CircleGrid.reference(15), 15), "reference")
    expected = invariants_of(harmonics)
    for order in range(0, 13, 2):
        size = np.abs(expected[order]).max()
        np.testing.assert_allclose(ours.invariants[order], expected[order], atol=1e-11 * size + 1e-16 * np.abs(expected[0]).max())
    assert np.abs(expected[2].imag).max() > 0.01 * np.abs(expected[2]).max()
