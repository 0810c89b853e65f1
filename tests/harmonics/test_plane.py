"""Grids and transforms of the plane, against analytic pairs and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import j1, jv

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import RADIAL_KINDS, CircleGrid, RadialGrid
from fxs_hpc.harmonics.hankel import bessel, hankel_matrices, phase


def test_bessel_functions_agree_with_scipy():
    x = np.concatenate([[0, 1e-8, 0.3, 0.99, 1, 1.5], np.linspace(2, 900, 350)])
    table = bessel(130, x, dimensions=2)
    expected = np.array([jv(order, x) for order in range(131)])
    np.testing.assert_allclose(table, expected, atol=2e-13)
    np.testing.assert_array_equal(bessel(0, x, dimensions=2)[0], expected[0])


@pytest.mark.parametrize("kind", RADIAL_KINDS)
@pytest.mark.parametrize("order", [0, 1, 4, 9])
def test_gaussian_pairs(kind, order):
    """r^m exp(-r^2 / 2 s^2) transforms into s^(2m+2) q^m exp(-q^2 s^2 / 2), both ways."""
    grid = RadialGrid(64, 1.0, 2.0, kind, dimensions=2)
    s = 9.0
    f = (grid.r / s) ** order * np.exp(-((grid.r / s) ** 2) / 2)
    expected = s**2 * (grid.q * s) ** order * np.exp(-((grid.q * s) ** 2) / 2)
    # On even steps the sum over r dr ends with Euler-Maclaurin terms of the derivatives at 0: h^2 / 12 at order 0, h^4 at order 1.
    limit = 3e-12 if kind == "gauss" else {0: 5e-3, 1: 3e-4}.get(order, 1e-7)
    assert np.abs(f @ hankel_matrices(grid, order)[order] - expected).max() < limit * expected.max()
    assert np.abs(expected @ hankel_matrices(grid, order, "inverse")[order] - f).max() < limit * f.max()


def test_a_disc_has_the_amplitude_of_a_disc():
    """Unitary convention: F(q) = (2 pi)^-1 int f exp(-i q r) d^2r = R J_1(qR) / q."""
    grid = RadialGrid(400, 1.0, 1.0, dimensions=2)
    radius = 100.0
    found = np.where(grid.r < radius, 1.0, 0) @ hankel_matrices(grid, 0)[0]
    np.testing.assert_allclose(found, radius * j1(grid.q * radius) / grid.q, atol=2e-4 * radius**2 / 2)


def test_parseval():
    grid = RadialGrid(64, 1.0, 2.0, dimensions=2)
    f = np.exp(-((grid.r - 30) ** 2) / 50)
    assert grid.q_weights @ (f @ hankel_matrices(grid, 3)[3]) ** 2 == pytest.approx(grid.r_weights @ f**2, rel=1e-6)


def test_a_shifted_gaussian_gets_the_phase_of_its_position():
    """Sign and phase (-i)^m of the orders: exp(-|x - c|^2 / 2 s^2) -> s^2 exp(-q^2 s^2 / 2) exp(-i q.c)."""
    radial, circle, s, centre = RadialGrid(96, 0.8, 3.0, "gauss", 2), CircleGrid(90), 12.0, np.array([25.0, -10.0])
    transform = CircularTransform(circle, 40)
    points = radial.r[:, None] * circle.directions()[:, None]
    density = np.exp(-((points - centre) ** 2).sum(axis=-1) / (2 * s**2))
    hankel = hankel_matrices(radial, 40)
    orders = np.abs(transform.orders())
    coef = np.einsum("mr,mrq->mq", transform.analyse_complex(density.astype(complex)), hankel[orders]) * (-1j) ** orders[:, None]
    wave = np.exp(-1j * (radial.q[:, None] * circle.directions()[:, None]) @ centre)
    np.testing.assert_allclose(transform.synthesise_complex(coef), s**2 * np.exp(-(radial.q**2) * s**2 / 2) * wave, atol=1e-9 * s**2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9), st.integers(0, 5), st.integers(0, 2**31))
def test_synthesis_and_analysis_are_inverse(l_max, extra, seed):
    random = np.random.default_rng(seed)
    transform = CircularTransform(CircleGrid(2 * l_max + 1 + extra), l_max)
    coef = random.normal(size=(2 * l_max + 1, 3)) + 1j * random.normal(size=(2 * l_max + 1, 3))
    np.testing.assert_allclose(transform.analyse_complex(transform.synthesise_complex(coef)), coef, atol=1e-13)
    half = coef[: l_max + 1].copy()
    half[0] = half[0].real
    np.testing.assert_allclose(transform.analyse(transform.synthesise(half)), half, atol=1e-13)


def test_the_alias_free_circle_holds_the_intensity():
    circle = CircleGrid.alias_free(10, 6)
    assert circle.n_phi >= 27
    assert circle.n_phi % 2 == 0
    amplitude = np.exp(1j * 10 * circle.phi) + np.exp(-1j * 4 * circle.phi)
    coef = CircularTransform(circle, 6).analyse((np.abs(amplitude) ** 2)[:, None])
    np.testing.assert_allclose(coef[:, 0], [2, 0, 0, 0, 0, 0, 0], atol=1e-14)


def test_orders_beyond_the_circle_are_refused():
    with pytest.raises(SettingsError, match="n_phi >= 21"):
        CircularTransform(CircleGrid(20), 10)


def test_phase_of_negative_orders():
    """J_-m = (-1)^m J_m with (-i)^-m gives the matrix and phase of |m|."""
    m = np.arange(9)
    np.testing.assert_allclose((-1.0) ** m * (-1j) ** (-m), (-1j) ** m, atol=1e-15)
    assert set(phase(m)) == {1, -1}
