"""Orientations and scales found from a start nearby."""

import numpy as np
import pytest
from scene import scene, turned

from fxs_hpc.emc.refinement.optimiser import Stage, refine
from fxs_hpc.emc.refinement.spots import LOG_PHI, LOG_VARIANCE, STATE, STRAIN
from fxs_hpc.emc.refinement.starts import misorientation

FRAMES = 12


def experiment(strain=0.0, log_variance=0.0, seed=4):
    made, rng = scene(), np.random.default_rng(seed)
    rotations = made.rotations(FRAMES, seed)
    states = np.zeros((FRAMES, STATE))
    states[:, LOG_PHI] = rng.normal(0, 0.3, FRAMES)
    states[:, STRAIN:LOG_VARIANCE] = rng.normal(0, 1, (FRAMES, 3)) * strain
    states[:, LOG_VARIANCE] = rng.normal(0, 1, FRAMES) * log_variance
    photons = np.array([made.photons(r, s, rng) for r, s in zip(rotations, states, strict=True)])
    return made, rotations, states, photons, rng


def refined(made, photons, starts, stages, free=4, prior=None, first=None):
    count = len(photons)
    first = np.arange(count + 1) if first is None else first
    unknowns = np.arange(STATE) < free
    background = np.tile(made.level, (count, 1))
    states = np.zeros((len(starts), STATE))
    prior = np.zeros(STATE) if prior is None else prior
    return refine(
        made.pixels, made.table, made.heights, made.shape.variances, stages, photons, background, first, starts, states, unknowns, prior
    )


FINAL = [Stage(0.0, 1 / 2.6, 1e-3)]


def test_errors_are_those_that_the_information_predicts():
    made, rotations, states, photons, rng = experiment()
    found = refined(made, photons, turned(rotations, 0.8, rng), FINAL)
    error = misorientation(found.rotation, rotations, np.eye(3)[None])
    predicted = np.sqrt([np.trace(np.linalg.inv(i)[:3, :3]) for i in found.information])
    # chi of 36 degrees of freedom: 0.8 .. 1.2 holds 91 % of it; 0.65 .. 1.35 all but one in a thousand
    assert 0.65 < np.sqrt(np.mean((error / predicted) ** 2)) < 1.35
    scale_error = (found.state - states)[:, LOG_PHI] / np.sqrt([np.linalg.inv(i)[3, 3] for i in found.information])
    assert np.sqrt(np.mean(scale_error**2)) < 2
    np.testing.assert_allclose(found.rotation @ found.rotation.transpose(0, 2, 1), np.tile(np.eye(3), (FRAMES, 1, 1)), atol=1e-12)


def test_blur_reaches_farther():
    made, rotations, _, photons, rng = experiment()
    starts = turned(rotations, 13.0, rng)
    plain = refined(made, photons, starts, FINAL)
    stages = [Stage(np.radians(degrees), limit, 0.1) for degrees, limit in ((7.0, 0.2), (3.0, 0.3), (1.0, 0.384))]
    blurred = refined(made, photons, starts, [*stages, *FINAL])
    near = [np.mean(misorientation(found.rotation, rotations, np.eye(3)[None]) < np.radians(0.5)) for found in (plain, blurred)]
    assert near[1] >= 0.9 and near[0] <= near[1] - 0.2


def test_best_of_several_starts_wins():
    made, rotations, _, photons, rng = experiment()
    starts = np.stack([turned(rotations, angle, rng) for angle in (25.0, 40.0, 1.0, 30.0)], axis=1).reshape(-1, 3, 3)
    found = refined(made, photons, starts, [Stage(0.0, 0.25, 1.0), *FINAL], first=4 * np.arange(FRAMES + 1))
    np.testing.assert_array_equal(found.start, np.full(FRAMES, 2))


def test_cell_and_width_of_each_crystal():
    made, rotations, states, photons, rng = experiment(strain=0.004, log_variance=0.3)
    prior = np.zeros(STATE)
    prior[STRAIN:LOG_VARIANCE], prior[LOG_VARIANCE] = 0.004**-2, 0.3**-2
    plain = refined(made, photons, turned(rotations, 0.5, rng), FINAL)
    full = refined(made, photons, plain.rotation, FINAL, free=STATE, prior=prior)
    errors = [misorientation(found.rotation, rotations, np.eye(3)[None]) for found in (plain, full)]
    assert np.median(errors[1]) < 0.7 * np.median(errors[0])
    for unknown, spread in ((slice(STRAIN, LOG_VARIANCE), 0.004), (LOG_VARIANCE, 0.3)):
        left = (full.state - states)[:, unknown]
        assert np.sqrt(np.mean(left**2)) < 0.5 * spread


def test_a_frame_without_starts_is_left_alone():
    made, rotations, _, photons, _ = experiment()
    first = np.array([0, 1, 1, *range(2, FRAMES)])
    found = refined(made, photons, np.delete(rotations, 1, axis=0), FINAL, first=first)
    assert found.gain[1] == -np.inf and np.all(np.isfinite(np.delete(found.gain, 1)))


def test_same_bits_again_and_in_blocks():
    made, rotations, _, photons, rng = experiment()
    starts = turned(rotations, 1.0, rng)
    whole = refined(made, photons, starts, FINAL)
    parts = [refined(made, photons[a:b], starts[a:b], FINAL) for a, b in ((0, 5), (5, FRAMES))]
    for name in ("rotation", "state", "gain"):
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts]))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.01])
def test_turn_of_lattice_points(angle):
    from scipy.spatial.transform import Rotation

    from fxs_hpc.emc.refinement.optimiser import turned as kernel

    rotation, axis = Rotation.random(random_state=1).as_matrix(), np.array([0.6, 0.0, 0.8])
    step = np.concatenate([axis * angle, np.zeros(5)])
    result = np.zeros((3, 3))
    kernel(rotation, step, angle, result)
    g = np.array([0.1, -0.2, 0.3])
    np.testing.assert_allclose(result.T @ g, Rotation.from_rotvec(axis * angle).as_matrix() @ rotation.T @ g, atol=1e-14)
