"""Spherical harmonic transform against scipy and pyshtools."""

import numpy as np
import pyshtools
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import sph_harm_y

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform, full_coefficients, split_coefficients


def random_coefficients(l_max, n_shells, seed):
    coef = np.random.default_rng(seed).normal(size=(l_max + 1, l_max + 1, 2, n_shells))
    coef[0, :, 1] = 0
    for m in range(l_max + 1):
        coef[m, :m] = 0
    return coef


def test_synthesis_is_the_sum_of_scipy_harmonics():
    grid, l_max = AngularGrid(9, 20), 6
    coef = random_coefficients(l_max, 2, 1)
    full = full_coefficients(coef)
    direct = np.zeros((9, 20, 2), complex)
    for order in range(l_max + 1):
        for m in range(-order, order + 1):
            direct += sph_harm_y(order, m, grid.theta[:, None], grid.phi)[..., None] * full[order, l_max + m]
    np.testing.assert_allclose(direct.imag, 0, atol=1e-13)
    np.testing.assert_allclose(SphericalTransform(grid, l_max).synthesise(coef), direct.real, atol=1e-12)


def test_analysis_agrees_with_pyshtools():
    l_max = 12
    grid = AngularGrid(l_max + 1, 2 * l_max + 1)
    field = np.random.default_rng(0).normal(size=(l_max + 1, 2 * l_max + 1))
    zero, weights = pyshtools.expand.SHGLQ(l_max)
    expected = pyshtools.expand.SHExpandGLQ(field, weights, zero, norm=4, csphase=-1)
    coef = SphericalTransform(grid, l_max).analyse(field[..., None])[..., 0]
    # Real orthonormal harmonics: f_l0 = C_l0, f_lm = (C_lm - i S_lm) / sqrt(2).
    for m in range(l_max + 1):
        scale = 1 if m == 0 else np.sqrt(2)
        np.testing.assert_allclose(coef[m, m:, 0] * scale, expected[0, m:, m], atol=1e-12)
        np.testing.assert_allclose(-coef[m, m:, 1] * scale, expected[1, m:, m], atol=1e-12)


@given(st.integers(0, 2**31), st.integers(0, 10), st.integers(0, 4))
def test_analysis_inverts_synthesis_and_parseval_holds(seed, l_max, extra):
    grid = AngularGrid(l_max + 1 + extra, 2 * l_max + 1 + 2 * extra)
    transform = SphericalTransform(grid, l_max)
    coef = random_coefficients(l_max, 3, seed)
    field = transform.synthesise(coef)
    np.testing.assert_allclose(transform.analyse(field), coef, atol=1e-11)
    energy = (np.abs(full_coefficients(coef)) ** 2).sum(axis=(0, 1))
    np.testing.assert_allclose((field**2 * grid.solid_angle[..., None]).sum(axis=(0, 1)), energy, rtol=1e-10)


def test_complex_fields():
    grid, l_max = AngularGrid(8, 16), 5
    first, second = random_coefficients(l_max, 2, 3), random_coefficients(l_max, 2, 4)
    transform = SphericalTransform(grid, l_max)
    field = transform.synthesise(first) + 1j * transform.synthesise(second)
    coef = transform.analyse_complex(field)
    np.testing.assert_allclose(transform.synthesise_complex(coef), field, atol=1e-12)
    for part, expected in zip(split_coefficients(coef), (first, second)):
        np.testing.assert_allclose(part, expected, atol=1e-12)


def test_too_small_a_grid_is_refused():
    with pytest.raises(SettingsError, match="n_phi >= 17"):
        SphericalTransform(AngularGrid(9, 16), 8)
