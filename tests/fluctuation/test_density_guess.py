"""Random starts: what they depend on, and their envelopes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import j1

from fxs_hpc.fluctuation.density_guess import ball, bump, plane_autocorrelation, random_factor, scaled, voxels
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

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


@given(numbers, st.floats(1e-3, 1e6), st.sampled_from([AngularGrid(4, 8), CircleGrid(9)]))
def test_scaled_has_the_norm(seed, total, angular):
    radial = RadialGrid(6, 0.2, dimensions=1 + len(angular.shape))
    volumes = voxels(radial, angular)
    density = scaled(np.random.default_rng(seed).random((6, *angular.shape)), volumes, total)
    np.testing.assert_allclose(np.sum(density**2 * volumes), total)


def test_voxels_fill_ball_and_disc():
    space, plane = RadialGrid(400, 0.2), RadialGrid(400, 0.2, dimensions=2)
    ball_volume = np.sum(np.broadcast_to(voxels(space, AngularGrid(4, 8)), (400, 4, 8)))
    disc_area = np.sum(np.broadcast_to(voxels(plane, CircleGrid(9)), (400, 9)))
    np.testing.assert_allclose([ball_volume, disc_area], [4 / 3 * np.pi * space.r_max**3, np.pi * plane.r_max**2], rtol=1e-5)


def test_autocorrelation_in_the_plane():
    """Of a disc whose orders n > 0 vanish: the overlap of two discs at distance r, over 2 pi."""
    radial, radius = RadialGrid(300, 1.5, dimensions=2), 60.0
    amplitude = radius * j1(radial.q * radius) / radial.q
    found = plane_autocorrelation(radial, CircleGrid(12), np.stack([amplitude**2, np.zeros(300)]).astype(complex))
    half = np.clip(radial.r / (2 * radius), 0, 1)
    overlap = 2 * radius**2 * (np.arccos(half) - half * np.sqrt(1 - half**2)) / (2 * np.pi)
    inside = radial.r > 5
    # What lies beyond q_max is not in it.
    np.testing.assert_allclose(found[inside], np.repeat(overlap[inside, None], 12, axis=1), atol=5e-3 * overlap.max())
