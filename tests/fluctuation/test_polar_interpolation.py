"""Interpolation at fixed points: scipy as oracle, masks by brute force."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.fluctuation.polar_interpolation import filled, interpolator

SHAPE = (30, 41)


def points(seed, count=400):
    random = np.random.default_rng(seed)
    rows, columns = random.uniform(-2, SHAPE[0] + 1, count), random.uniform(-2, SHAPE[1] + 1, count)
    # Pixel centres and the rim are the delicate places.
    rows[:30], columns[:30] = np.arange(30), np.arange(30)
    rows[30], columns[30] = SHAPE[0] - 1, SHAPE[1] - 1
    return rows, columns


@pytest.mark.parametrize("order", range(6))
def test_values_are_those_of_scipy(order):
    image = np.random.default_rng(1).normal(size=SHAPE)
    where = points(order)
    expected = scipy.ndimage.map_coordinates(image, where, order=order)
    assert np.abs(interpolator(SHAPE, *where, order).values(image) - expected).max() < 2e-12


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_a_rounded_mask_is_the_integer_image_of_scipy(order):
    mask = np.random.default_rng(2).random(SHAPE) > 0.3
    where = points(order)
    expected = scipy.ndimage.map_coordinates(mask.astype(int), where, order=order)
    assert np.array_equal(interpolator(SHAPE, *where, order).rounded(mask), expected)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_a_point_is_valid_if_no_masked_pixel_moves_it(order):
    """A pixel under the point's B-spline: changing its coefficient changes the value."""
    mask = np.random.default_rng(3).random(SHAPE) > 0.1
    rows, columns = points(order, 120)
    found = interpolator(SHAPE, rows, columns, order).valid(mask)
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        if not (0 <= row <= SHAPE[0] - 1 and 0 <= column <= SHAPE[1] - 1):
            assert not found[index]
            continue
        value = scipy.ndimage.map_coordinates((~mask).astype(float), [[row], [column]], order=order, prefilter=False)
        assert found[index] == (value[0] < 1e-12)


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3]))
def test_what_is_masked_does_not_matter(seed, order):
    """Of an image that is constant where it is valid, every valid point has that constant, whatever hides behind the mask."""
    random = np.random.default_rng(seed)
    mask = np.ones(SHAPE, bool)
    low = random.integers(0, 20, 2)
    high = low + random.integers(1, 12, 2)
    mask[low[0] : high[0], low[1] : high[1]] = False
    image = np.where(mask, 7.5, random.normal(scale=1e6, size=SHAPE))
    where = interpolator(SHAPE, *points(seed), order)
    image[~mask] = 0
    values = where.values(filled(image, mask))
    # Filled to a depth of four pixels: a spline of order 3 feels what is deeper by 0.27^5.
    assert np.abs(values[where.valid(mask)] / 7.5 - 1).max(initial=0) < (1e-2 if order == 3 else 2e-3)


def test_filled_takes_means_of_the_nearest():
    image = np.arange(25.0).reshape(5, 5)
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    assert filled(image, mask)[2, 2] == pytest.approx(12)
    mask[1:4, 1:4] = False
    result = filled(image, mask)
    assert result[1, 1] == pytest.approx(np.mean([0, 1, 2, 5, 10])) and result[2, 2] == pytest.approx(12)
    assert (filled(image, np.zeros((5, 5), bool)) == 0).all()
