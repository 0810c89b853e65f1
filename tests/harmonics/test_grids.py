"""Grids: reciprocity, quadrature weights, alias-free sizes."""

import numpy as np
import pytest

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.grids import RADIAL_KINDS, AngularGrid, RadialGrid, smooth_at_least, volume_integral


@pytest.mark.parametrize("kind", RADIAL_KINDS)
def test_radial_weights_integrate_a_smooth_function(kind):
    grid = RadialGrid(200, 0.3, 1.5, kind)
    assert grid.r_max * grid.q_max == pytest.approx(1.5 * 200)
    width = grid.r_max / 8
    exact = np.sqrt(np.pi / 2) * width**3
    assert grid.r_weights @ np.exp(-((grid.r / width) ** 2) / 2) == pytest.approx(exact, rel=1e-9)


def test_midpoint_radii_lie_between_the_shell_edges():
    grid = RadialGrid(4, 1.0, 2.0)
    np.testing.assert_allclose(grid.q, [0.125, 0.375, 0.625, 0.875])
    np.testing.assert_allclose(grid.r, [1, 3, 5, 7])


def test_zernike_may_be_spelled_small_and_other_kinds_are_refused():
    assert RadialGrid(4, 1.0, kind="zernike").kind == "Zernike"
    with pytest.raises(SettingsError, match="simpson.*midpoint"):
        RadialGrid(4, 1.0, kind="simpson")
    with pytest.raises(SettingsError, match="q_max"):
        RadialGrid(4, 0.0)


@pytest.mark.parametrize("sizes", [(8, 16), (72, 140), (5, 9)])
def test_solid_angle_is_that_of_the_sphere_whatever_n_phi(sizes):
    grid = AngularGrid(*sizes)
    assert grid.solid_angle.sum() == pytest.approx(4 * np.pi, rel=1e-13)
    assert np.all(np.diff(grid.theta) > 0)
    np.testing.assert_allclose(np.linalg.norm(grid.directions(), axis=-1), 1)


def test_volume_integral_of_a_polynomial():
    radial, angular = RadialGrid(64, 1.0, 1.0, "gauss"), AngularGrid(6, 12)
    x, y, z = np.moveaxis(angular.directions(), -1, 0)[..., None] * radial.r
    value = volume_integral(x**2 + 2 * y**2 + 3 * z**2, radial.r_weights, angular)
    assert value == pytest.approx(6 * 4 * np.pi / 15 * radial.r_max**5, rel=1e-12)


@pytest.mark.parametrize("orders", [(40, 31), (74, 63), (128, 128), (9, 4)])
def test_alias_free_sizes_suffice_for_the_square(orders):
    amplitude, used = orders
    grid = AngularGrid.alias_free(amplitude, used)
    assert grid.n_theta % 4 == 0
    assert 2 * grid.n_theta - 1 >= 2 * amplitude + used
    assert grid.n_phi > 2 * amplitude + used


def test_sizes_of_the_reference():
    sizes = {l_max: AngularGrid.shtns(l_max) for l_max in (9, 15, 31, 63, 64, 128)}
    found = {l_max: (grid.n_theta, grid.n_phi) for l_max, grid in sizes.items()}
    assert found == {9: (32, 20), 15: (32, 32), 31: (32, 64), 63: (64, 128), 64: (72, 140), 128: (136, 270)}


def test_smooth_sizes():
    assert [smooth_at_least(n) for n in (2, 7, 97, 121, 392)] == [2, 8, 100, 128, 400]
