"""Comparison with the truth: copies of the true object score as they must."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.alignment import align, moved, prepare
from fxs_hpc.fluctuation.comparison import compare, compare_run
from fxs_hpc.fluctuation.so3 import euler_angles
from fxs_hpc.fluctuation.true_object import Truth, truth_of, truth_of_samples, truth_of_shapes
from fxs_hpc.harmonics.wigner import rotate

CENTRES = [(0.0, 0, 0), (30.0, np.pi / 2, 0), (32.0, 1.0, 2.0), (28.0, 2.2, 4.0)]


@pytest.fixture(scope="module")
def solids():
    return shapes.build(["sphere"] * 4, CENTRES, [12, 14, 10, 12], [30, 50, 40, 20], [False] * 4, 0)


@pytest.fixture(scope="module")
def truth(ball, solids):
    return truth_of_shapes(solids, ball)


def stored(ball, truth, seed, hand):
    """Band-limited truth in a random pose, as a reconstruction would be stored."""
    coef = rotate(truth.band_limited, euler_angles(Rotation.random(random_state=seed)))
    coef = ball.inverted(coef) if hand else coef
    coef = moved(ball, coef, np.random.default_rng(seed).uniform(-4, 4, 3))
    return ball.synthesise(coef)[0], ball.amplitude_of(ball.synthesise(ball.amplitude(coef)))


def test_band_limited_truth_is_the_blurred_object(ball, solids, truth):
    density = ball.synthesise(truth.band_limited)[0]
    w, solid = ball.radial.r_weights, ball.angular.solid_angle
    expected = sum(s.density * 4 / 3 * np.pi * s.size**3 for s in solids)
    np.testing.assert_allclose(((density @ w) * solid).sum(), expected, rtol=0.02)


@pytest.mark.parametrize("hand", [False, True])
def test_a_perfect_average_reaches_the_ceiling(ball, truth, hand):
    run = prepare(ball, *stored(ball, truth, 1, hand))
    result = compare(ball, run.density, run.scaling_factor, truth)
    assert result.inverted == hand
    assert result.band_limited > 0.999
    assert 0.7 < result.ceiling < 0.98
    np.testing.assert_allclose(result.clean, result.ceiling, atol=2e-3)
    np.testing.assert_allclose(result.scale, 1, atol=5e-3)
    assert result.fsc.shape == (16,) and result.fsc.min() > 0.98
    assert np.abs(result.difference).max() < 0.05 * result.blurred.max()


def test_runs_are_judged_in_their_own_pose(ball, truth):
    density, amplitude = stored(ball, truth, 2, True)
    hot = density.copy()
    hot[3, 5, 10] += 500
    reference = prepare(ball, *stored(ball, truth, 3, False))
    run = align(ball, reference, prepare(ball, density, amplitude), ball.radial.r_weights)
    comparison = compare(ball, reference.density, reference.scaling_factor, truth)
    agreement = compare_run(ball, density, run, comparison)
    assert agreement.band_limited > 0.999 and agreement.hot_voxels == 0
    np.testing.assert_allclose(agreement.raw, comparison.ceiling, atol=0.02)
    np.testing.assert_allclose(agreement.clean, comparison.ceiling, atol=2e-3)
    np.testing.assert_allclose(agreement.scale, 1, atol=5e-3)
    spoilt = compare_run(ball, hot, run, comparison)
    assert spoilt.hot_voxels == 1 and spoilt.raw < agreement.raw and spoilt.maximum > 400


def test_raw_correlation_of_the_sharp_object_itself(ball, solids, truth):
    sharp = np.moveaxis(shapes.density_on(solids, ball.radial.r, ball.angular.theta, ball.angular.phi), 0, -1)
    amplitude = ball.amplitude_of(ball.synthesise(ball.amplitude(ball.analyse(sharp[None]))))
    run = prepare(ball, sharp, amplitude)
    comparison = compare(ball, run.density, run.scaling_factor, truth)
    assert compare_run(ball, sharp, run, comparison).raw > 0.98


def test_noise_lowers_the_agreement(ball, truth):
    density, amplitude = stored(ball, truth, 4, False)
    density = density + 10 * np.random.default_rng(0).normal(size=density.shape) * (ball.radial.r < 60)
    run = prepare(ball, density, amplitude)
    result = compare(ball, run.density, run.scaling_factor, truth)
    assert 0.8 < result.band_limited < 0.999


def test_samples_serve_as_truth(ball, solids, truth):
    r, theta, phi = np.linspace(0.25, 60, 240), np.linspace(0.01, np.pi - 0.01, 120), 2 * np.pi * np.arange(240) / 240
    model = shapes.Model((), r, theta, phi, shapes.density_on(solids, r, theta, phi))
    sampled = truth_of(model, ball)
    assert abs(sampled.outer_radius - truth.outer_radius) < 3
    run = prepare(ball, *stored(ball, truth, 5, False))
    assert compare(ball, run.density, run.scaling_factor, sampled).band_limited > 0.99
    np.testing.assert_allclose(truth_of_samples(model, ball).density_at(np.array([[0.0, 0, 1000]])), 0)


def test_an_empty_truth_is_refused(ball, truth):
    run = prepare(ball, *stored(ball, truth, 6, False))
    with pytest.raises(DataError, match="model"):
        compare(ball, run.density, 1.0, Truth(lambda x: np.zeros(x.shape[:-1]), 10.0, np.zeros_like(truth.band_limited)))
