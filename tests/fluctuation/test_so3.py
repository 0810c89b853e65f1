"""Rotational matching against brute force and against known rotations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fxs_hpc.fluctuation.so3 import (
    coarse_peaks,
    correlation_map,
    euler_angles,
    euler_grid,
    find_rotation,
    refine_rotation,
    rotation_of,
)
from fxs_hpc.harmonics.wigner import inner_product, rotate

SEEDS = st.integers(0, 2**31 - 1)


def random_field(l_max, shells=6, seed=0, decay=8.0):
    coef = np.random.default_rng(seed).normal(size=(l_max + 1, l_max + 1, 2, shells))
    coef *= np.exp(-np.arange(l_max + 1) / decay)[:, None, None]
    for m in range(l_max + 1):
        coef[m, :m] = 0
    coef[0, :, 1] = 0
    return coef


def test_map_is_the_overlap_at_every_grid_point():
    f, g = random_field(3, 2, 1), random_field(3, 2, 2)
    weights = np.array([1.0, 0.3])
    values, axes = correlation_map(f, g, weights), euler_grid(3)
    for index in np.ndindex(values.shape):
        angles = [axis[i] for axis, i in zip(axes, index)]
        np.testing.assert_allclose(values[index], inner_product(f, rotate(g, angles), weights), atol=1e-11)


@given(SEEDS)
def test_euler_angles_give_the_rotation_back(seed):
    rotation = Rotation.random(random_state=seed)
    assert (rotation_of(euler_angles(rotation)) * rotation.inv()).magnitude() < 1e-7


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (1.2, 0.0, 0.0), (0.7, np.pi, 0.0)])
def test_euler_angles_at_the_poles(angles):
    rotation = rotation_of(np.array(angles))
    assert (rotation_of(euler_angles(rotation)) * rotation.inv()).magnitude() < 1e-7


@settings(max_examples=15)
@given(SEEDS)
def test_known_rotation_is_found_far_below_the_grid_spacing(seed):
    f = random_field(15, seed=3)
    rotation = Rotation.random(random_state=seed)
    g = rotate(f, euler_angles(rotation.inv()))
    match = find_rotation(f, g, np.ones(6))
    assert np.degrees((match.rotation * rotation.inv()).magnitude()) < 1e-5
    np.testing.assert_allclose(match.overlap, inner_product(f, f), rtol=1e-12)


def test_orders_above_the_coarse_search_sharpen_the_result():
    f = random_field(40, seed=4, decay=30)
    rotation = Rotation.random(random_state=5)
    g = rotate(f, euler_angles(rotation.inv()))
    match = find_rotation(f, g, np.ones(6), coarse_order=15)
    assert np.degrees((match.rotation * rotation.inv()).magnitude()) < 1e-5


def test_noise_costs_little_accuracy():
    f = random_field(20, shells=12, seed=6)
    rotation = Rotation.random(random_state=7)
    g = rotate(f, euler_angles(rotation.inv()))
    g += 0.2 * f.std() * np.random.default_rng(8).normal(size=g.shape) * (f != 0)
    match = find_rotation(f, g, np.ones(12))
    assert np.degrees((match.rotation * rotation.inv()).magnitude()) < 1.0


def test_refinement_starts_at_the_pole_without_trouble():
    f = random_field(12, seed=9)
    tilt = Rotation.from_rotvec([0.02, -0.03, 0.01])
    match = refine_rotation(f, rotate(f, euler_angles(tilt.inv())), np.ones(6), np.zeros(3))
    assert (match.rotation * tilt.inv()).magnitude() < 1e-8


def test_shells_without_weight_do_not_matter():
    f, noise = random_field(10, seed=10), random_field(10, seed=11)
    rotation = Rotation.random(random_state=12)
    g = rotate(f, euler_angles(rotation.inv()))
    g[..., 3:] = noise[..., 3:]
    weights = np.array([1.0, 1, 1, 0, 0, 0])
    match = find_rotation(f, g, weights)
    assert (match.rotation * rotation.inv()).magnitude() < 1e-7


def test_peaks_are_apart_and_sorted():
    f, g = random_field(9, seed=13), random_field(9, seed=14)
    peaks = coarse_peaks(f, g, np.ones(6), count=4)
    overlaps = [peak.overlap for peak in peaks]
    assert overlaps == sorted(overlaps, reverse=True)
    for i, a in enumerate(peaks):
        assert all((a.rotation * b.rotation.inv()).magnitude() > np.radians(40) for b in peaks[:i])
