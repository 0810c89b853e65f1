"""Legendre tables against scipy."""

import numpy as np
import pytest
from scipy.special import sph_harm_y

from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.legendre import legendre_table


@pytest.mark.parametrize("l_max", [0, 1, 17])
def test_equals_the_theta_part_of_sph_harm_y(l_max):
    theta = np.array([0.0, 1e-3, 0.4, 1.2, np.pi / 2, 3.0, np.pi])
    table = legendre_table(l_max, np.cos(theta))
    assert table.shape == (l_max + 1, l_max + 1, len(theta))
    for m in range(l_max + 1):
        for order in range(l_max + 1):
            expected = sph_harm_y(order, m, theta, 0).real if order >= m else np.zeros(len(theta))
            np.testing.assert_allclose(table[m, order], expected, atol=2e-13)


def test_stays_orthonormal_at_high_order():
    grid = AngularGrid(300, 4)
    table = legendre_table(290, grid.cos_theta, m_max=290)
    for m in (0, 1, 100, 289):
        rows = table[m, m:]
        gram = 2 * np.pi * (rows * grid.theta_weights) @ rows.T
        np.testing.assert_allclose(gram, np.eye(len(rows)), atol=1e-11)


def test_m_max_cuts_the_table():
    x = np.linspace(-1, 1, 5)
    np.testing.assert_array_equal(legendre_table(9, x, m_max=3), legendre_table(9, x)[:4])
