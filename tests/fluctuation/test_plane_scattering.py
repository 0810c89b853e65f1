"""Intensity, invariants and correlations of the plane: the reference program's files, analytic amplitudes, sums written out."""

import numpy as np
import pytest

from fxs_hpc.files.ccd import read_ccd
from fxs_hpc.fluctuation import plane_scattering, plane_shapes, shapes
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid

ORDER, N_Q = 15, 32
REFERENCE_ANGLES = 2 * ORDER


def figures(first="disc", size=70):
    return plane_shapes.build([first, "disc"], [(0, 0), (140.0, 0.5)], [size, 50], [25, 50], [False] * 2, 0)


def relative(found, reference):
    return np.linalg.norm(found - reference) / np.linalg.norm(reference)


def harmonics_of(bodies, kind, circle, convention):
    radial = RadialGrid(N_Q, 0.1, 1.0, kind, dimensions=2)
    density = plane_shapes.density_on(bodies, radial.r, circle.phi)
    return radial, plane_scattering.intensity_harmonics(density, radial, CircularTransform(circle, ORDER), convention)


def correlation(invariants, n_delta):
    return np.concatenate([values for _, values in plane_scattering.correlation_blocks(invariants, n_delta)])


def assert_same_simulation(path, bodies, kind, every=1):
    reference = read_ccd(path)
    radial, found = harmonics_of(bodies, kind, CircleGrid.reference(ORDER), "reference")
    found = found[:, ::every]
    assert relative(radial.q[::every], reference.q) < 1e-15
    invariants = plane_scattering.invariants_of(found)
    assert relative(found[0].real, reference.average_intensity) < 4e-15
    assert relative(correlation(invariants, REFERENCE_ANGLES), reference.correlation["I1I1"]) < 4e-15
    if reference.invariants is not None:
        assert relative(invariants, reference.invariants) < 4e-15


@pytest.mark.parametrize(("case", "first", "size"), [("a2_base", "disc", 70), ("a2_tri", "triangle", 90)])
def test_density_is_that_of_the_reference(data_folder, case, first, size):
    radial, circle = RadialGrid(N_Q, 0.1, 1.0, dimensions=2), CircleGrid.reference(ORDER)
    with np.load(data_folder / "xframe/2d/simulate_ccd" / case / "model_density.npz") as model:
        density = plane_shapes.density_on(figures(first, size), radial.r, circle.phi)
        np.testing.assert_array_equal(density, model["density"])


def test_simulation_of_the_base_case(data_folder):
    assert_same_simulation(data_folder / "xframe/2d/simulate_ccd/a2_base/ccd.h5", figures(), "midpoint", every=2)


@pytest.mark.parametrize(
    ("case", "kind", "first", "size"),
    [
        ("a2_base", "midpoint", "disc", 70),
        ("a2_tri", "midpoint", "triangle", 90),
        ("a2_trapz", "trapz", "disc", 70),
        ("a2_gauss", "gauss", "disc", 70),
        ("a2_Zernike", "Zernike", "disc", 70),
    ],
)
def test_simulation_of_the_other_cases(reference_data, case, kind, first, size):
    assert_same_simulation(reference_data / "xframe/2d/simulate_ccd" / case / "ccd.h5", figures(first, size), kind)


def test_angles_of_the_reference_are_as_many_as_its_values(data_folder):
    reference = read_ccd(data_folder / "xframe/2d/simulate_ccd/a2_base/ccd.h5")
    assert reference.dimensions == 2 and not reference.measured
    np.testing.assert_allclose(reference.delta, 2 * np.pi * np.arange(30) / 30, atol=1e-15)


def test_zernike_of_the_reference_has_the_mean_and_not_the_angles():
    """Its negative odd orders have the wrong sign: a real density gets an intensity that is not centrosymmetric."""
    right = harmonics_of(figures(), "Zernike", CircleGrid.reference(ORDER), "exact")[1]
    wrong = harmonics_of(figures(), "Zernike", CircleGrid.reference(ORDER), "reference")[1]
    # On an odd number of angles orders above L fold onto odd ones.
    assert np.abs(right[1::2]).max() < 1e-4 * np.abs(right[0]).max()
    assert np.abs(wrong[1::2]).max() > 0.05 * np.abs(wrong[0]).max()


@pytest.mark.parametrize("kind", ["midpoint", "gauss"])
def test_harmonics_are_those_of_the_exact_amplitude(kind):
    bodies = plane_shapes.build(["disc", "triangle", "square"], [(0, 0), (50, 1.0), (60, 4.0)], [40, 30, 25], [1, 2, 3], [True] * 3, 5)
    radial, circle = RadialGrid(256, 0.2, 1.0, kind, dimensions=2), CircleGrid.alias_free(40, 40)
    density = plane_shapes.density_on(bodies, radial.r, circle.phi)
    found = plane_scattering.intensity_harmonics(density, radial, CircularTransform(circle, 40))
    q = plane_shapes.polar_points(radial.q[:, None], circle.phi)
    exact = CircularTransform(circle, 40).analyse((np.abs(shapes.amplitude(bodies, q)) ** 2).T)
    low = radial.q < 0.1
    # Points are sampled: edges are rough, by a hundredth here.
    for order in (0, 2, 4):
        assert np.linalg.norm((found - exact)[order, low]) < 0.02 * np.linalg.norm(exact[order, low])
    assert not found[1::2].any()


def test_correlation_is_the_sum_over_all_orders():
    random = np.random.default_rng(0)
    harmonics = random.normal(size=(6, 3)) + 1j * random.normal(size=(6, 3))
    harmonics[0] = harmonics[0].real
    invariants = plane_scattering.invariants_of(harmonics)
    angles = plane_scattering.correlation_angles(5)
    phi = 2 * np.pi * np.arange(60) / 60
    waves = np.exp(1j * np.arange(1, 6)[:, None, None] * phi)
    intensity = harmonics[0].real[:, None] + 2 * (harmonics[1:, :, None] * waves).sum(axis=0).real
    found = correlation(invariants, len(angles))
    for j, delta in enumerate(angles):
        steps = round(delta / (2 * np.pi) * 60)
        expected = np.roll(intensity, -steps, axis=1) @ intensity.T / 60
        np.testing.assert_allclose(found[:, :, j], expected, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 7, 8, 15, 16])
def test_angles_resolve_the_highest_order_and_quarters(order):
    count = len(plane_scattering.correlation_angles(order))
    assert count % 4 == 0 and 2 * order < count <= 2 * order + 4
