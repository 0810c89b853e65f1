"""B-spline coefficients, against scipy and against the property that defines them."""

import numpy as np
import pytest
import scipy.ndimage

from fxs_hpc.fluctuation.splines import MAX_ORDER, basis, spline_coefficients


@pytest.mark.parametrize("order", range(MAX_ORDER + 1))
@pytest.mark.parametrize("shape", [(37, 50), (16, 3), (2, 40)])
def test_coefficients_are_those_of_scipy(order, shape):
    image = np.random.default_rng(order).normal(size=shape)
    expected = scipy.ndimage.spline_filter(image, order, mode="mirror") if order > 1 else image
    assert np.abs(spline_coefficients(image, order) - expected).max() < 1e-12


@pytest.mark.parametrize("order", range(MAX_ORDER + 1))
def test_basis_functions_add_up_to_one(order):
    x = np.linspace(-0.499, 0.499, 41)
    total = sum(basis(x - k, order) for k in range(-MAX_ORDER, MAX_ORDER + 1))
    assert np.abs(total - 1).max() < 1e-13


def test_the_image_is_left_alone():
    image = np.random.default_rng(0).normal(size=(8, 9))
    before = image.copy()
    spline_coefficients(image, 3)
    assert np.array_equal(image, before)
