"""Invariants: independence of orientation, number of particles, checks of the data that are handed on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.invariants import InvariantData, average_intensity, invariants_of, of_particles
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform, full_coefficients

Q = np.linspace(0.02, 0.12, 5)
GRID = AngularGrid(40, 80)
TRANSFORM = SphericalTransform(GRID, 16)
SOLIDS = shapes.build(
    ["tetrahedron", "cube", "sphere"], [(20, 1, 2), (15, 2, 4), (0, 0, 0)], [20, 12, 14], [1, 2, 3], [True, True, False], 1
)


def rotated(solid, matrix):
    center = tuple(matrix @ np.array(solid.center))
    rotation = tuple(map(tuple, matrix @ np.array(solid.rotation)))
    return shapes.Shape(solid.kind, center, solid.size, solid.density, rotation)


def exact_invariants(solids):
    amplitude = shapes.amplitude(solids, GRID.directions()[:, :, None, :] * Q[:, None])
    return invariants_of(TRANSFORM.analyse(np.abs(amplitude) ** 2), even_only=False)


REFERENCE = exact_invariants(SOLIDS)


@settings(max_examples=15)
@given(st.integers(0, 2**31))
def test_rotations_of_the_object_leave_the_invariants_alone(seed):
    matrix = np.array(shapes.random_rotation(seed, 0))
    found = exact_invariants([rotated(solid, matrix) for solid in SOLIDS])
    np.testing.assert_allclose(found, REFERENCE, atol=1e-9 * REFERENCE.max())
    assert np.abs(found[4:9:2]).max() > 1e-7 * REFERENCE.max()


def test_definition_with_all_m():
    coef = np.random.default_rng(0).normal(size=(6, 6, 2, 4))
    coef[0, :, 1] = 0
    for m in range(6):
        coef[m, :m] = 0
    full = full_coefficients(coef)
    expected = np.einsum("lmq,lmp->lqp", full, full.conj())
    np.testing.assert_allclose(expected.imag, 0, atol=1e-12)
    np.testing.assert_allclose(invariants_of(coef, even_only=False, workers=2), expected.real, atol=1e-12)
    assert not invariants_of(coef)[1::2].any()


def test_real_objects_have_even_orders_only():
    assert np.abs(REFERENCE[1::2]).max() < 1e-12 * REFERENCE.max()


@pytest.mark.parametrize("kind", ["cube", "tetrahedron"])
def test_cubic_symmetry_forbids_order_two(kind):
    found = exact_invariants([shapes.Shape(kind, (0.0, 0.0, 0.0), 30.0, 1.0, shapes.random_rotation(1, 1))])
    assert np.abs(found[2]).max() < 1e-12 * found[0].max()
    assert np.abs(found[4]).max() > 1e-5 * found[0].max()


def test_average_intensity_is_the_mean_over_directions():
    intensity = np.abs(shapes.amplitude(SOLIDS, GRID.directions()[:, :, None, :] * Q[:, None])) ** 2
    mean = (intensity * GRID.solid_angle[..., None]).sum(axis=(0, 1)) / (4 * np.pi)
    np.testing.assert_allclose(average_intensity(REFERENCE[0]), mean, rtol=1e-10)


def test_particles_add_incoherently_but_for_the_mean():
    many = of_particles(REFERENCE, 5)
    np.testing.assert_allclose(many[1:], 5 * REFERENCE[1:])
    np.testing.assert_allclose(average_intensity(many[0]), 5 * average_intensity(REFERENCE[0]))
    assert of_particles(REFERENCE, 1) is REFERENCE


def test_inconsistent_data_are_refused():
    good = dict(
        dimensions=3, wavelength=1.0, max_order=1, average_intensity=np.ones(4), q=np.arange(4.0), delta=np.arange(4.0),
        projection_matrices=[np.ones((4, 1)), np.ones((4, 3))], q_id_limits=np.zeros((2, 2), int),
    )
    InvariantData(**good)
    for bad in ({"average_intensity": np.ones(3)}, {"max_order": 2}, {"projection_matrices": [np.ones((3, 1)), np.ones((4, 3))]}):
        with pytest.raises(DataError):
            InvariantData(**{**good, **bad})
