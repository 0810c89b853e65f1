"""Rotations of coefficients against rotated points, and their derivatives against differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y

from fxs_hpc.harmonics.wigner import generators, inner_product, quarter_turns, rotate, turn_about_z

ANGLES = st.tuples(st.floats(0, 2 * np.pi), st.floats(0, np.pi), st.floats(0, 2 * np.pi))


def random_field(l_max, shells=2, seed=0):
    coef = np.random.default_rng(seed).normal(size=(l_max + 1, l_max + 1, 2, shells))
    for m in range(l_max + 1):
        coef[m, :m] = 0
    coef[0, :, 1] = 0
    return coef


def value_at(coef, points):
    """Field of the first shell at unit vectors, by scipy's harmonics."""
    theta, phi = np.arccos(points[:, 2]), np.arctan2(points[:, 1], points[:, 0])
    total = np.zeros(len(points))
    for m, l in zip(*np.nonzero(coef[:, :, :, 0].any(axis=2))):
        part = ((coef[m, l, 0, 0] + 1j * coef[m, l, 1, 0]) * sph_harm_y(l, m, theta, phi)).real
        total += part if m == 0 else 2 * part
    return total


def unit_vectors(count, seed=1):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@given(ANGLES)
def test_rotated_coefficients_are_those_of_the_rotated_field(angles):
    coef, points = random_field(7), unit_vectors(12)
    back = Rotation.from_euler("ZYZ", angles).inv().apply(points)
    np.testing.assert_allclose(value_at(rotate(coef, angles), points), value_at(coef, back), atol=1e-10)


@given(ANGLES, ANGLES)
def test_rotations_compose(first, second):
    coef = random_field(6)
    both = Rotation.from_euler("ZYZ", second) * Rotation.from_euler("ZYZ", first)
    matrix = both.as_matrix()
    if abs(matrix[2, 2]) > 0.999:
        return
    np.testing.assert_allclose(rotate(rotate(coef, first), second), rotate(coef, both.as_euler("ZYZ")), atol=1e-10)


def test_rotation_keeps_the_norm_of_every_order_at_high_order():
    coef = random_field(110)
    turned = rotate(coef, (0.3, 1.9, 5.1))
    for l in (1, 50, 110):
        part = [inner_product(c[:, l : l + 1], c[:, l : l + 1]) for c in (coef, turned)]
        np.testing.assert_allclose(part[1], part[0], rtol=1e-12)


def test_quarter_turns_against_pyshtools():
    pyshtools = pytest.importorskip("pyshtools")
    expected = pyshtools.rotate.djpi2(20)
    for l, table in enumerate(quarter_turns(20)):
        np.testing.assert_allclose(np.abs(table), np.abs(expected[: l + 1, : l + 1, l]), atol=1e-13)


def test_generators_are_the_derivatives_of_rotations():
    coef, step = random_field(9), 1e-5
    for axis, derivative in enumerate(generators(coef)):
        vector = np.zeros(3)
        vector[axis] = step
        # Away from the pole of the Euler angles: compare on a field that was turned before.
        base = Rotation.from_euler("ZYZ", (0.4, 1.1, 2.0))
        field = rotate(coef, base.inv().as_euler("ZYZ"))
        ahead = rotate(field, (Rotation.from_rotvec(vector) * base).as_euler("ZYZ"))
        behind = rotate(field, (Rotation.from_rotvec(-vector) * base).as_euler("ZYZ"))
        np.testing.assert_allclose((ahead - behind) / (2 * step), derivative, atol=1e-7)


def test_generators_are_antisymmetric():
    a, b = random_field(8, seed=1), random_field(8, seed=2)
    for k_a, k_b in zip(generators(a), generators(b)):
        np.testing.assert_allclose(inner_product(k_a, b), -inner_product(a, k_b), rtol=1e-10)


def test_single_precision_stays_single():
    coef = random_field(5).astype(np.float32)
    assert rotate(coef, (0.1, 0.2, 0.3)).dtype == np.float32
    assert turn_about_z(coef, 0.1).dtype == np.float32
    assert all(part.dtype == np.float32 for part in generators(coef))
