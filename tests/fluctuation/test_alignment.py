"""Alignment against objects whose pose is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.alignment import (
    Pose,
    align,
    centre_of_mass,
    correlation,
    find_shift,
    pose_of,
    prepare,
    relative_error,
    share_of_shells,
    shell_weights,
)

SEEDS = st.integers(0, 2**31 - 1)


def volume(ball, blobs, **options):
    return prepare(ball, blobs.density(ball), blobs.amplitude(ball), **options)


def random_pose(seed, hand):
    rng = np.random.default_rng(seed)
    matrix = Rotation.random(random_state=seed).as_matrix()
    return matrix * (-1 if hand else 1), rng.uniform(-6, 6, 3)


def test_centre_of_mass(ball, blobs):
    np.testing.assert_allclose(centre_of_mass(ball, blobs.moved(shift=(5, -4, 3)).density(ball)), (5, -4, 3), atol=0.02)


def test_centre_of_mass_of_nothing(ball):
    with pytest.raises(DataError, match="centre of mass"):
        centre_of_mass(ball, np.zeros((24, 48, 32)))


@pytest.mark.parametrize("mode", ["max", "mean"])
def test_preparation_centres_and_normalises(ball, blobs, mode):
    ready = volume(ball, blobs.moved(shift=(5, -4, 3)), normalisation=mode)
    density = ball.synthesise(ready.density)[0]
    np.testing.assert_allclose(centre_of_mass(ball, density), 0, atol=0.02)
    positive = density[density > 0]
    np.testing.assert_allclose(positive.max() if mode == "max" else positive.mean(), 1, rtol=1e-9)
    amplitude = ball.synthesise(ready.amplitude)[0]
    expected = blobs.amplitude(ball) / ready.scaling_factor
    assert np.abs(amplitude - expected.real - expected.imag).max() < 5e-3 * np.abs(expected).max()


def test_preparation_can_leave_everything_as_it_is(ball, blobs):
    moved = blobs.moved(shift=(5, -4, 3))
    ready = volume(ball, moved, centred=False, normalisation=None)
    assert ready.scaling_factor == 1
    np.testing.assert_array_equal(ready.centre, 0)
    assert np.abs(ball.synthesise(ready.density)[0] - moved.density(ball)).max() < 2e-3


@settings(max_examples=8)
@given(SEEDS, st.booleans())
def test_random_pose_and_hand_are_found(ball, blobs, seed, hand):
    matrix, shift = random_pose(seed, hand)
    reference = volume(ball, blobs)
    aligned = align(ball, reference, volume(ball, blobs.moved(matrix, shift)), ball.radial.r_weights)
    assert aligned.inverted == hand
    assert aligned.error < 1e-4
    # Where the object was stored, each point x lies at matrix @ x + shift: the pose must lead back.
    points = np.random.default_rng(0).uniform(-30, 30, (5, 3))
    np.testing.assert_allclose(pose_of(ball, aligned)(points @ matrix.T + shift), points, atol=0.05)
    difference = ball.synthesise(aligned.amplitude - reference.amplitude)[0]
    assert np.abs(difference).max() < 2e-2 * np.abs(reference.amplitude).max()


def test_rotation_is_accurate_to_a_hundredth_of_a_degree(ball, blobs):
    matrix, _ = random_pose(3, False)
    aligned = align(ball, volume(ball, blobs), volume(ball, blobs.moved(matrix)), ball.radial.r_weights)
    assert np.degrees(Rotation.from_matrix(pose_of(ball, aligned).matrix @ matrix).magnitude()) < 0.01


def test_second_round_refines_without_searching(ball, blobs):
    matrix, shift = random_pose(4, True)
    reference = volume(ball, blobs)
    first = align(ball, reference, volume(ball, blobs.moved(matrix, shift)), ball.radial.r_weights)
    second = align(ball, reference, first, ball.radial.r_weights, from_here=True)
    assert len(second.angles) == 2 and second.inverted
    points = np.random.default_rng(0).uniform(-30, 30, (5, 3))
    np.testing.assert_allclose(pose_of(ball, second)(points @ matrix.T + shift), points, atol=0.05)


def test_alignment_inside_supports_ignores_what_lies_outside(ball, blobs):
    matrix, _ = random_pose(5, False)
    away = ball.radial.r > 60
    dirty = blobs.moved(matrix).density(ball)
    dirty[..., away] += 0.4 * np.random.default_rng(0).random(dirty.shape)[..., away]
    support = np.broadcast_to(~away, dirty.shape)
    ready = prepare(ball, dirty, blobs.moved(matrix).amplitude(ball), centred=False, support=support)
    aligned = align(ball, volume(ball, blobs), ready, ball.radial.r_weights, refine_shift=False)
    assert np.degrees(Rotation.from_matrix(pose_of(ball, aligned).matrix @ matrix).magnitude()) < 1


def test_shift_is_found(ball, blobs):
    here, there = (ball.analyse(b.density(ball)[None]) for b in (blobs, blobs.moved(shift=(2, -1, 3))))
    np.testing.assert_allclose(find_shift(ball, here, there), (2, -1, 3), atol=0.02)


def test_error_and_correlation_of_known_fields(ball, blobs):
    f = ball.analyse(blobs.density(ball)[None])
    assert relative_error(f, f, ball.radial.r_weights) == 0
    np.testing.assert_allclose(relative_error(f, 0.5 * f, ball.radial.r_weights), 0.25)
    shifted = 3 * f.copy()
    shifted[0, 0, 0] += 2.0
    np.testing.assert_allclose(correlation(f, shifted, ball.radial.r_weights), 1)
    np.testing.assert_allclose(correlation(f, -shifted, ball.radial.r_weights), -1)


def test_shell_weights_leave_out_what_is_beyond_the_grid():
    weights = shell_weights(np.arange(1.0, 6), [1, 3, 7])
    np.testing.assert_array_equal(weights, [0, 2, 0, 4, 0])
    np.testing.assert_array_equal(shell_weights(np.arange(1.0, 6), None), np.arange(1.0, 6))


def test_share_of_shells(ball, blobs):
    coef, weights = ball.analyse(blobs.density(ball)[None]), ball.radial.r_weights
    inner = np.where(ball.radial.r < 60, weights, 0)
    assert share_of_shells(coef, weights, inner) > 0.99
    np.testing.assert_allclose(share_of_shells(coef, weights, inner) + share_of_shells(coef, weights, weights - inner), 1)


@given(SEEDS, SEEDS)
def test_poses_form_a_group(a, b):
    first, second = (Pose(*random_pose(seed, seed % 2)) for seed in (a, b))
    points = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(second.after(first)(points), second(first(points)), atol=1e-12)
    np.testing.assert_allclose(first.inverse()(first(points)), points, atol=1e-12)
