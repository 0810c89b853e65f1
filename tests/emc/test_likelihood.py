"""Log-likelihoods, probabilities, scale factors against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from fxs_hpc.emc.expansion import fill
from fxs_hpc.emc.likelihood import FLOOR, REFERENCE_FLOOR, FrameTile, log_likelihoods
from fxs_hpc.emc.logarithm import logarithms
from fxs_hpc.emc.probabilities import Assignment, normalised
from fxs_hpc.emc.scale_factors import updated
from tests.emc import small_emc


@pytest.fixture(scope="module")
def problem():
    return small_emc.make(frames=8)


def tile(problem, phi=None):
    return FrameTile(problem.photons[:, problem.order], problem.padded(), problem.phi if phi is None else phi)


def terms(problem, frame, rotation, intensity, phi, floor):
    """K, b, W, p of the live pixels that count."""
    W = small_emc.tomogram(problem, rotation, intensity)[problem.order]
    b = problem.padded()[frame][problem.table.bin]
    K, p = problem.photons[frame, problem.order], problem.table.polar
    with np.errstate(invalid="ignore"):
        used = (K >= 0) & (b > 1e-10) & (W > floor) & (b + phi * W > 1e-10)
    return K[used], b[used], W[used], p[used]


def expected(problem, frame, rotation, intensity, phi, floor):
    K, b, W, p = terms(problem, frame, rotation, intensity, phi, floor)
    return np.sum(K * np.log((b + phi * W) / b) - phi * W * p)


@given(st.floats(1e-300, 1e300))
def test_logarithm(x):
    assert abs(logarithms(x) - np.log(x)) <= 4e-15 * max(1, abs(np.log(x)))


@pytest.mark.parametrize("floor", [FLOOR, REFERENCE_FLOOR])
def test_log_likelihood_is_the_definition(problem, floor):
    # Some voxels are negative: the two floors differ there.
    intensity = problem.intensity - 0.3
    work, values = problem.work(), fill(problem.model.cubes, intensity)
    random = np.random.default_rng(0)
    frame = random.integers(0, 8, 60).astype(np.int32)
    place = random.integers(0, len(work.number), 60).astype(np.int32)
    found = log_likelihoods(frame, place, tile(problem), work.rotations, problem.table, problem.model.cubes, values, floor)
    wanted = [expected(problem, d, work.number[r], intensity, problem.phi[d], floor) for d, r in zip(frame, place)]
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-9)


def test_no_crystal_no_preference(problem):
    work, values = problem.work(), fill(problem.model.cubes, problem.intensity)
    none = np.zeros(8)
    pairs = np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    assert np.all(log_likelihoods(*pairs, tile(problem, none), work.rotations, problem.table, problem.model.cubes, values, FLOOR) == 0)


def test_scale_factor_is_the_minimum(problem):
    work, values = problem.work(), fill(problem.model.cubes, problem.intensity)
    place = np.searchsorted(work.number, np.stack([problem.true, problem.candidates.rotation[problem.candidates.first[:-1]]], axis=1))
    assignment = Assignment(np.arange(0, 17, 2), place.ravel().astype(np.int32), np.tile([0.7, 0.3], 8))
    found = updated(assignment, tile(problem), work.rotations, problem.table, problem.model.cubes, values)
    for frame in range(8):
        parts = [(P, terms(problem, frame, work.number[r], problem.intensity, 1.0, FLOOR)) for P, r in zip((0.7, 0.3), place[frame])]

        def loss(phi, parts=parts):
            return sum(P * np.sum(phi * W * p - K * np.log(b + phi * W)) for P, (K, b, W, p) in parts)

        best = minimize_scalar(loss, bounds=(0, 10), method="bounded", options={"xatol": 1e-9}).x
        assert found[frame] == pytest.approx(best, rel=1e-5, abs=1e-6)
    assert np.corrcoef(found, problem.phi)[0, 1] > 0.5


def test_frame_without_rotation_has_no_scale(problem):
    work, values = problem.work(), fill(problem.model.cubes, problem.intensity)
    nothing = Assignment(np.zeros(9, np.int64), np.empty(0, np.int32), np.empty(0))
    assert np.all(updated(nothing, tile(problem), work.rotations, problem.table, problem.model.cubes, values) == 0)


def test_probabilities_are_cut_and_normalised():
    share = np.array([0.6, 0.39, 0.0095, 0.0004, 0.00005, 0.00005])
    log_likelihood, log_weight = np.log(share) - 1000, np.full(6, -2.0)
    found, evidence = normalised(np.array([0, 6]), np.arange(6, dtype=np.int32), log_likelihood, log_weight)
    assert found.rotation.tolist() == [0, 1, 2]  # 0.9995 is reached
    np.testing.assert_allclose(found.probability, share[:3] / share[:3].sum())
    assert evidence.log_evidence[0] == pytest.approx(np.log(share.sum()) - 1002)
    assert evidence.information[0] == pytest.approx(np.sum(share * np.log(share)) + 2)


def test_many_equal_candidates_drop_out_and_a_single_one_is_sure():
    many = np.zeros(20000)
    first, rotation = np.array([0, 20000, 20001, 20001]), np.arange(20001, dtype=np.int32)
    found, _ = normalised(first, rotation, np.append(many, -5.0), np.zeros(20001))
    assert np.diff(found.first).tolist() == [0, 1, 0]
    assert found.probability.tolist() == [1.0]


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=30))
def test_probabilities_sum_to_one_and_fall(logs):
    logs = np.array(logs)
    found, _ = normalised(np.array([0, len(logs)]), np.arange(len(logs), dtype=np.int32), logs, np.zeros(len(logs)))
    assert found.probability.sum() == pytest.approx(1)
    assert np.all(np.diff(found.probability) <= 0)
    assert logs[found.rotation[0]] >= logs.max() - 1e-12
