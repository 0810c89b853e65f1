"""Solids: densities and exact amplitudes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.shapes import Shape

VOLUMES = {"sphere": 4 * np.pi / 3, "cube": 8.0, "tetrahedron": 8 * np.sqrt(3) / 27}


@pytest.mark.parametrize("kind", shapes.KINDS)
def test_amplitude_is_the_fourier_integral_of_the_density(kind):
    solid = Shape(kind, (3.0, -2.0, 1.0), 5.0, 2.0, shapes.random_rotation(3, 1))
    step = 0.15
    axis = np.arange(-12, 12, step) + step / 2
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    inside = points[shapes.density_at([solid], points) > 0]
    q = np.vstack([np.zeros(3), [1e-6, 0, 0], [0.3, 0.3, 0], np.random.default_rng(0).normal(size=(12, 3)) * 0.4])
    summed = np.array([2 * np.exp(-1j * inside @ k).sum() for k in q]) * step**3 * (2 * np.pi) ** -1.5
    exact = shapes.amplitude([solid], q)
    np.testing.assert_allclose(exact, summed, atol=2e-3 * abs(exact[0]))
    assert exact[0] == pytest.approx(2 * VOLUMES[kind] * 5.0**3 * (2 * np.pi) ** -1.5)


@given(st.integers(0, 1000), st.floats(-6, 1))
def test_tetrahedron_amplitude_is_smooth_where_corners_coincide(seed, exponent):
    """Wave vectors across a face make corners coincide; the result must not jump."""
    solid = Shape("tetrahedron", (0.0, 0.0, 0.0), 1.0, 1.0)
    corners = np.array([[np.sqrt(2), 0, 1], [-np.sqrt(2), 0, 1], [0, np.sqrt(2), -1]]) / np.sqrt(3)
    normal = np.cross(corners[0] - corners[2], corners[1] - corners[2])
    nudge = np.random.default_rng(seed).normal(size=3) * 1e-7
    q = normal / np.linalg.norm(normal) * 10**exponent
    first, second = solid.amplitude(np.array([q, q + nudge]))
    assert abs(first - second) < 1e-6


@given(st.integers(0, 2**31), st.integers(0, 5))
def test_random_rotations_are_rotations_and_reproducible(seed, index):
    matrix = np.array(shapes.random_rotation(seed, index))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert shapes.random_rotation(seed, index) == shapes.random_rotation(seed, index)
    assert shapes.random_rotation(seed, index) != shapes.random_rotation(seed, index + 1)


def test_random_rotations_have_no_preferred_direction():
    matrices = np.array([shapes.random_rotation(0, index) for index in range(4000)])
    np.testing.assert_allclose(matrices.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose((matrices**2).mean(axis=0), 1 / 3, atol=0.03)


def test_grid_density_is_the_density_at_the_grid_points_and_adds_up():
    solids = [Shape("sphere", (0.0, 0.0, 0.0), 5.0, 1.0), Shape("cube", (0.0, 0.0, 2.0), 3.0, 10.0)]
    r, theta, phi = np.linspace(0.1, 9, 30), np.linspace(0.1, 3, 12), np.linspace(0, 6, 10)
    density = shapes.density_on(solids, r, theta, phi, workers=2)
    points = shapes.spherical_points(r[:, None, None], theta[:, None], phi)
    np.testing.assert_array_equal(density, shapes.density_at(solids, points))
    assert set(np.unique(density)) == {0, 1, 10, 11}


def test_outer_radius_holds_the_cube_with_its_corners():
    assert shapes.outer_radius([Shape("cube", (3.0, 0.0, 4.0), 1.0, 1.0)]) == pytest.approx(5 + np.sqrt(3))


def test_json_gives_back_the_same_solids():
    solids = shapes.build(["cube", "tetrahedron"], [(0, 0, 0), (9, 1, 2)], [1, 2], [3, 4], [False, True], 5)
    assert shapes.from_json(shapes.to_json(solids)) == solids


def test_bad_shapes_are_refused():
    with pytest.raises(SettingsError, match="pyramid.*sphere, cube, tetrahedron"):
        Shape("pyramid", (0.0, 0.0, 0.0), 1.0, 1.0)
    with pytest.raises(SettingsError, match="one entry per shape"):
        shapes.build(["cube"], [(0, 0, 0)] * 2, [1], [1], [False], 0)
    with pytest.raises(SettingsError, match="positive"):
        Shape("cube", (0.0, 0.0, 0.0), 0.0, 1.0)
