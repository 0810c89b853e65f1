"""The likelihood of a frame and its derivatives, against brute force over all pixels."""

import numpy as np
import pytest
from scene import Scene, scene
from scipy.spatial.transform import Rotation

from fxs_hpc.emc.refinement.likelihood import BASE, evaluate
from fxs_hpc.emc.refinement.peak_model import PeakShape
from fxs_hpc.emc.refinement.spots import STATE, load_frame, select_near

ALL = np.ones(STATE, bool)


def work() -> tuple:
    return (np.zeros(STATE), np.zeros((STATE, STATE)), np.zeros(13), np.zeros(BASE), np.zeros((BASE, BASE)), np.zeros((STATE, BASE)))


def ours(made: Scene, photons, rotation, state, shape=None, blur=0.0, free=ALL, prior=None):
    shape = shape or made.shape
    counts, ground = (np.zeros(len(made.q), np.float32) for _ in range(2))
    load_frame(made.pixels, photons, made.level, np.zeros(0, np.float32), counts, ground)
    active = np.empty(len(made.table.modulus), np.int32)
    count = len(made.table.modulus)
    near = select_near(made.pixels.frame, made.table, rotation, count, shape.variances, blur**2, 0.0, active)
    parts = work()
    prior = np.zeros(STATE) if prior is None else prior
    arguments = (made.pixels, made.table, made.heights, shape.variances, blur**2, counts, ground, rotation, state, free, prior, active)
    value = evaluate(*arguments, near, parts)
    information = np.triu(parts[1]) + np.triu(parts[1], 1).T
    return value, parts[0], information


def brute(made: Scene, photons, rotation, state, shape=None, blur=0.0) -> float:
    signal, ground = made.signal(rotation, state, shape, blur), made.background()
    return float(np.sum(photons * np.log1p(signal / ground) - signal))


def moved(rotation, state, unknown, by):
    """Rotation and state with one unknown changed: lattice points in the laboratory turn by the first three."""
    if unknown < 3:
        turn = Rotation.from_rotvec(by * np.eye(3)[unknown]).as_matrix()
        return rotation @ turn.T, state
    return rotation, state + by * np.eye(STATE)[unknown]


CASES = {
    "plain": (None, 0.0),
    "blurred": (None, np.radians(0.8)),
    "mosaic and radial": (lambda made: PeakShape(made.shape.reference, 1.1 * made.shape.width, 0.01, 0.015), 0.0),
}


@pytest.mark.parametrize("case", CASES)
def test_value_gradient_and_information(case):
    made = scene()
    make, blur = CASES[case]
    shape = make(made) if make else None
    rng = np.random.default_rng(3)
    rotation = made.rotations(1, 11)[0]
    state = np.array([0, 0, 0, 0.2, 0.003, -0.002, 0.004, 0.1])
    photons = made.photons(rotation, state, rng)
    start = rotation @ Rotation.from_rotvec([0.004, -0.003, 0.005]).as_matrix()
    value, gradient, information = ours(made, photons, start, state, shape, blur)
    # pixels half way between two peaks of a strained lattice may go to either
    assert value == pytest.approx(brute(made, photons, start, state, shape, blur), rel=1e-5)
    jacobian = []
    for unknown in range(STATE):
        step = 1e-6
        sides = [moved(start, state, unknown, sign * step) for sign in (1, -1)]
        # the signal is differentiated where it does not jump (pixels at the rim of a peak come and go)
        high, low = (made.signal(r, s, shape, blur) for r, s in sides)
        smooth = (high > 0) & (low > 0)
        jacobian.append(np.where(smooth, (high - low) / (2 * step), 0.0))
    expected = made.background() + made.signal(start, state, shape, blur)
    jacobian = np.array(jacobian)
    scale = np.sqrt(np.diag(information))
    np.testing.assert_allclose(gradient / scale, jacobian @ (photons / expected - 1) / scale, atol=2e-3 * np.abs(gradient / scale).max())
    np.testing.assert_allclose(information / np.outer(scale, scale), (jacobian / expected) @ jacobian.T / np.outer(scale, scale), atol=2e-3)


def test_dead_pixels_and_bins_do_not_count():
    made = scene()
    rotation, state = made.rotations(1, 2)[0], np.zeros(STATE)
    photons = made.photons(rotation, state, np.random.default_rng(0))
    photons[::7] = -1
    made.level[3] = -1.0
    live = (photons >= 0) & (made.bins != 3)
    signal, ground = made.signal(rotation, state), made.background()
    expected = np.sum(np.where(live, photons * np.log1p(signal / np.where(live, ground, 1.0)) - signal, 0.0))
    assert ours(made, photons, rotation, state)[0] == pytest.approx(expected, rel=1e-6)


def test_prior_pulls_strain_and_width():
    made = scene()
    rotation = made.rotations(1, 2)[0]
    state = np.array([0, 0, 0, 0, 0.01, 0, 0, 0.2])
    photons = made.photons(rotation, state, np.random.default_rng(0))
    prior = np.array([0, 0, 0, 0, 1e4, 1e4, 1e4, 25.0])
    without, with_prior = ours(made, photons, rotation, state), ours(made, photons, rotation, state, prior=prior)
    assert with_prior[0] == pytest.approx(without[0] - 0.5 * (1e4 * 0.01**2 + 25 * 0.2**2))
    np.testing.assert_allclose(with_prior[1] - without[1], -prior * state, rtol=1e-6, atol=1e-9)


def test_fixed_unknowns_stay_out():
    made = scene()
    rotation, state = made.rotations(1, 2)[0], np.zeros(STATE)
    photons = made.photons(rotation, state, np.random.default_rng(0))
    free = np.array([True] * 4 + [False] * 4)
    _, gradient, information = ours(made, photons, rotation, state, free=free)
    _, full_gradient, full_information = ours(made, photons, rotation, state)
    np.testing.assert_allclose(gradient[:4], full_gradient[:4], rtol=1e-12)
    np.testing.assert_allclose(information[:4, :4], full_information[:4, :4], rtol=1e-12)
    assert not gradient[4:].any() and not information[4:].any()
