"""Hankel transforms against analytic pairs, Bessel functions against scipy."""

import numpy as np
import pytest
from scipy.special import spherical_jn

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.grids import RADIAL_KINDS, RadialGrid
from fxs_hpc.harmonics.hankel import bessel, hankel_matrices, phase


def test_bessel_functions_agree_with_scipy():
    x = np.concatenate([[0, 1e-8, 0.3, 0.99, 1, 1.5], np.linspace(2, 900, 350)])
    table = bessel(130, x)
    expected = np.array([spherical_jn(order, x) for order in range(131)])
    np.testing.assert_allclose(table, expected, atol=3e-15)
    tiny = (np.abs(expected) > 1e-200) & (np.arange(131)[:, None] > x)
    np.testing.assert_allclose(table[tiny], expected[tiny], rtol=1e-11)


@pytest.mark.parametrize("kind", RADIAL_KINDS)
@pytest.mark.parametrize("order", [0, 1, 4, 9])
def test_gaussian_pairs(kind, order):
    """r^l exp(-r^2 / 2 s^2) transforms into s^(2l+3) q^l exp(-q^2 s^2 / 2), both ways."""
    grid = RadialGrid(64, 1.0, 2.0, kind)
    s = 9.0
    f = (grid.r / s) ** order * np.exp(-((grid.r / s) ** 2) / 2)
    expected = s**3 * (grid.q * s) ** order * np.exp(-((grid.q * s) ** 2) / 2)
    forward = f @ hankel_matrices(grid, order)[order]
    np.testing.assert_allclose(forward, expected, atol=1e-12 * expected.max())
    back = expected @ hankel_matrices(grid, order, "inverse")[order]
    np.testing.assert_allclose(back, f, atol=1e-12 * f.max())


def test_parseval():
    grid = RadialGrid(64, 1.0, 2.0)
    f = np.exp(-((grid.r - 30) ** 2) / 50)
    transform = f @ hankel_matrices(grid, 3)[3]
    assert grid.q_weights @ transform**2 == pytest.approx(grid.r_weights @ f**2, rel=1e-10)


def test_a_ball_has_the_amplitude_of_a_ball():
    grid = RadialGrid(400, 1.0, 1.0, "midpoint")
    radius = 100.0
    ball = np.where(grid.r < radius, np.sqrt(4 * np.pi), 0)
    x = grid.q * radius
    exact = 4 * np.pi * radius**3 * spherical_jn(1, x) / x * (2 * np.pi) ** -1.5
    found = ball @ hankel_matrices(grid, 0)[0] / np.sqrt(4 * np.pi)
    np.testing.assert_allclose(found, exact, atol=2e-4 * exact[0])


def test_the_reference_scale_is_that_of_the_outermost_midpoint():
    grid = RadialGrid(32, 0.1, 1.0)
    ratio = hankel_matrices(grid, 4, "forward", "reference") / hankel_matrices(grid, 4)
    np.testing.assert_allclose(ratio, ((32 - 0.5) / 32) ** 3, rtol=1e-12)
    inverse = hankel_matrices(grid, 4, "inverse", "reference") / hankel_matrices(grid, 4, "inverse")
    np.testing.assert_allclose(inverse * ratio, 1, rtol=1e-12)


def test_signs_of_the_phase():
    order = np.arange(9)
    powers = (-1j) ** order
    parts = np.where(order % 2, powers.imag, powers.real)
    np.testing.assert_array_equal(phase(order), np.round(parts).astype(int))


def test_unknown_directions_are_refused():
    grid = RadialGrid(4, 1.0)
    with pytest.raises(SettingsError, match="backward"):
        hankel_matrices(grid, 1, "backward")
    with pytest.raises(SettingsError, match="other"):
        hankel_matrices(grid, 1, r_max_convention="other")
