"""simulate_ccd and extract against files made by the reference program, with its conventions as parameters.

Two cases lie in tests/data; the others are read where the reference data are present.
"""

import numpy as np
import pytest

from fxs_hpc.files.ccd import read_ccd
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.fluctuation import extraction, invariants, projection_matrices, scattering, shapes
from fxs_hpc.fluctuation.correlation import correlation_angles, correlation_blocks, ewald_cosine
from fxs_hpc.fluctuation.preparation import Preparation, prepared_blocks
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

ORDER, N_Q = 15, 32
ANGULAR = AngularGrid.shtns(ORDER)


def solids(kind):
    return shapes.build([kind] * 2, [(0, 0, 0), (140.0, np.pi / 2, 0)], [70] * 2, [25, 50], [False] * 2, 0)


def relative(found, reference):
    return np.linalg.norm(found - reference) / np.linalg.norm(reference)


def simulated(kind, radial_kind="midpoint"):
    radial = RadialGrid(N_Q, 0.1, 1.0, radial_kind)
    density = shapes.density_on(solids(kind), radial.r, ANGULAR.theta, ANGULAR.phi)
    transform = SphericalTransform(ANGULAR, ORDER)
    intensity = scattering.density_to_intensity(density, radial, transform, "reference")
    return radial.q, invariants.invariants_of(intensity)


def assert_same_simulation(path, kind, radial_kind):
    reference = read_ccd(path)
    q, found = simulated(kind, radial_kind)
    assert relative(q, reference.q) < 1e-15
    assert relative(correlation_angles(ORDER), reference.delta) < 1e-15
    assert relative(found, reference.invariants) < 2e-14
    assert relative(invariants.average_intensity(found[0]), reference.average_intensity) < 1e-14
    blocks = correlation_blocks(found, q, reference.wavelength, nyquist="reference")
    assert relative(np.concatenate([block for _, block in blocks]), reference.correlation["I1I1"]) < 2e-14


@pytest.mark.parametrize(("kind", "case"), [("sphere", "q_base"), ("tetrahedron", "q_tetra")])
def test_density_is_that_of_the_reference(data_folder, kind, case):
    with np.load(data_folder / "xframe/3d/simulate_ccd" / case / "model_density.npz") as model:
        np.testing.assert_allclose(ANGULAR.theta, model["theta"], atol=1e-14)
        density = shapes.density_on(solids(kind), model["r"], model["theta"], model["phi"])
        np.testing.assert_array_equal(density, model["density"])


def test_simulation_of_the_base_case(data_folder):
    assert_same_simulation(data_folder / "xframe/3d/simulate_ccd/q_base/ccd.h5", "sphere", "midpoint")


@pytest.mark.parametrize(
    ("case", "kind", "radial_kind"),
    [
        ("q_tetra", "tetrahedron", "midpoint"),
        ("q_gauss", "sphere", "gauss"),
        ("q_trapz", "sphere", "trapz"),
        ("q_Zern", "sphere", "Zernike"),
    ],
)
def test_simulation_of_the_other_cases(reference_data, case, kind, radial_kind):
    assert_same_simulation(reference_data / "xframe/3d/simulate_ccd" / case / "ccd.h5", kind, radial_kind)


@pytest.mark.parametrize(("case", "method"), [("q_lstsq", "lstsq"), ("q_leg", "legendre")])
def test_other_correlation_methods(reference_data, case, method):
    reference = read_ccd(reference_data / "xframe/3d/simulate_ccd" / case / "ccd.h5")
    q, found = simulated("sphere")
    blocks = correlation_blocks(found, q, reference.wavelength, method)
    assert relative(np.concatenate([block for _, block in blocks]), reference.correlation["I1I1"]) < 2e-14


def assert_same_extraction(source, target, method, subtract):
    data, reference = read_ccd(source), read_proj_data(target)
    blocks = prepared_blocks(data.correlation["I1I1"], data.average_intensity, Preparation(subtract))
    found = extraction.invariants_from(blocks, method, ORDER, len(data.delta), ewald_cosine(data.q, data.wavelength))
    if subtract:
        found[0] = 4 * np.pi * np.outer(data.average_intensity, data.average_intensity)
    limits = projection_matrices.q_limits(data.q, ORDER)
    np.testing.assert_array_equal(limits, reference.q_id_limits)
    matrices = projection_matrices.projection_matrices(found, limits)
    np.testing.assert_array_equal(projection_matrices.limit_masks(limits, N_Q), reference.invariant_masks)
    for order in range(0, ORDER + 1, 2):
        # Rounding of C, relative to the largest B, limits what can be recovered.
        floor = 1e-15 * np.linalg.norm(data.invariants[0]) / np.linalg.norm(data.invariants[order])
        assert relative(found[order], data.invariants[order]) < 1e-9 + floor
        assert relative(found[order], reference.invariants[order]) < 1e-9 + floor
        v, theirs = matrices[order], reference.projection_matrices[order]
        assert v.shape == theirs.shape
        assert relative(v @ v.T, theirs @ theirs.conj().T) < 1e-9 + floor
    assert not found[1::2].any()


def test_extraction_of_the_base_case(data_folder):
    folder = data_folder / "xframe/3d"
    assert_same_extraction(folder / "simulate_ccd/q_base/ccd.h5", folder / "extract/e_bs/proj_data.h5", "back_substitution", True)


@pytest.mark.parametrize(
    ("case", "method", "subtract"),
    [("e_ls", "lstsq", True), ("e_psd", "back_substitution_psd", True), ("e_nosub", "back_substitution", False)],
)
def test_extraction_of_the_other_cases(reference_data, case, method, subtract):
    folder = reference_data / "xframe/3d"
    assert_same_extraction(folder / "simulate_ccd/q_base/ccd.h5", folder / "extract" / case / "proj_data.h5", method, subtract)


def test_the_product_has_the_physical_scale_and_the_reference_has_not():
    """At q -> 0 the intensity is (sum of density x volume)^2 / (2 pi)^3; the reference is ((N - 1/2)/N)^6 of it."""
    n, q_max = 128, 0.1
    radial, angular = RadialGrid(n, q_max, 1.0), AngularGrid(32, 64)
    transform = SphericalTransform(angular, 2)
    solid = [shapes.Shape("sphere", (0.0, 0.0, 0.0), 300.0, 2.0)]
    density = shapes.density_on(solid, radial.r, angular.theta, angular.phi)
    exact = np.abs(shapes.amplitude(solid, np.stack([0 * radial.q, 0 * radial.q, radial.q], axis=-1))) ** 2
    means = {}
    for convention in ("exact", "reference"):
        intensity = scattering.density_to_intensity(density, radial, transform, convention)
        means[convention] = invariants.average_intensity(invariants.invariants_of(intensity)[0])
    assert means["exact"][0] == pytest.approx(exact[0], rel=2e-3)
    assert means["reference"][0] / means["exact"][0] == pytest.approx(((n - 0.5) / n) ** 6, rel=1e-12)
