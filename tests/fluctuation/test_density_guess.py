"""Random starts: what they depend on, and their envelopes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.fluctuation.density_guess import ball, bump, random_factor, scaled
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid

numbers = st.integers(0, 2**31)


@given(numbers, st.integers(0, 1000), st.floats(0.1, 100))
def test_random_factor_is_a_function_of_seed_and_number(seed, number, signal_to_noise):
    first = random_factor((3, 4, 5), signal_to_noise, seed, number)
    np.random.seed(1)
    np.testing.assert_array_equal(random_factor((3, 4, 5), signal_to_noise, seed, number), first)
    assert 1 <= first.min() and first.max() <= 1 + 1 / signal_to_noise


@given(numbers, st.integers(0, 1000), st.integers(0, 1000))
def test_other_numbers_and_seeds_give_other_factors(seed, one, other):
    first = random_factor((20,), 1.0, seed, one)
    if one != other:
        assert not np.array_equal(random_factor((20,), 1.0, seed, other), first)
    assert not np.array_equal(random_factor((20,), 1.0, seed + 1, one), first)


def test_random_factor_is_uniform():
    factor = 2 * (random_factor((200_000,), 2.0, 0, 0) - 1)
    np.testing.assert_allclose(np.histogram(factor, 10, (0, 1))[0], 20_000, rtol=0.05)


def test_envelopes():
    r = np.array([0.0, 30.0, 59.9, 60.0, 80.0])
    np.testing.assert_allclose(bump(r, 60, 0.3)[:2], [np.exp(-0.3), np.exp(-0.3 * 3600 / 2700)])
    assert 0 < bump(r, 60, 0.3)[2] < 1e-30 and not bump(r, 60, 0.3)[3:].any()
    np.testing.assert_array_equal(ball(r, 60), [1, 1, 1, 0, 0])


@given(numbers, st.floats(1e-3, 1e6))
def test_scaled_has_the_norm(seed, total):
    radial, angular = RadialGrid(6, 0.2), AngularGrid(4, 8)
    density = scaled(np.random.default_rng(seed).random((6, 4, 8)), radial, angular, total)
    weights = radial.r_weights[:, None, None] * angular.solid_angle
    np.testing.assert_allclose(np.sum(density**2 * weights), total)
