"""Best tomogram values, merged voxels and their deviations against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from fxs_hpc.emc import compression, uncertainty
from fxs_hpc.emc.block_search import taking_part
from fxs_hpc.emc.expansion import tomogram
from fxs_hpc.emc.extraction import photons_seen
from fxs_hpc.emc.maximisation import Observations, best_tomogram_value
from fxs_hpc.emc.probabilities import Assignment
from fxs_hpc.emc.quaternions import rotation_matrices
from tests.emc import small_emc

positive = st.floats(1e-3, 1e3)
frames = st.lists(st.tuples(st.integers(0, 5), positive, positive, positive), min_size=1, max_size=12)


@given(frames)
def test_best_value_solves_the_score_equation(rows):
    K, P, B, C = (np.array(column, float) for column in zip(*rows))
    A = K * P
    found = best_tomogram_value(A, B, C)
    bound = -B.min()

    def score(w):
        with np.errstate(divide="ignore"):
            return np.sum(C) - np.sum(A[A > 0] / (B[A > 0] + w))

    if A.sum() == 0 or (A[B == B.min()].sum() == 0 and score(bound) >= 0):
        assert found == bound
        return
    low = -B[A > 0].min()
    high = low + A.sum() / C.sum() + (B.max() - B.min()) + 1
    start = max(low, bound)
    width = high - start
    wanted = brentq(score, start + 1e-14 * width if start == low else start, high, xtol=1e-300, rtol=1e-15)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6 * abs(found - low) + 1e-12 * B.max())


def test_one_frame_is_exact():
    assert best_tomogram_value(np.array([0.3 * 7]), np.array([0.5]), np.array([0.3 * 2.0])) == pytest.approx(7 / 2.0 - 0.5, rel=1e-15)


@pytest.fixture(scope="module")
def problem():
    return small_emc.make(frames=14, seed=3)


def observations(problem, work, rotations, probability):
    """Observations of one rotation for each frame (two frames may have the same)."""
    place = np.searchsorted(work.number, rotations).astype(np.int32)
    assignment = Assignment(np.arange(len(place) + 1), place, probability)
    first, counts = photons_seen(assignment, problem.photons[:, problem.order], work.rotations, problem.table, problem.model.cubes)
    order = np.lexsort((np.arange(len(place)), place))
    return Observations(
        place[order], order, probability[order], problem.phi[order], order, first[:-1][order], counts, problem.padded()
    )  # fmt: skip


def merged(problem, work, observed):
    return compression.merged(observed, 0, len(observed.rotation), work.rotations, problem.table, problem.model.cubes)


@pytest.fixture(scope="module")
def setting(problem):
    rotations = problem.true.copy()
    rotations[1:3] = rotations[0]
    work = problem.work()
    probability = np.linspace(0.3, 1, 14)
    return work, observations(problem, work, rotations, probability), rotations, probability


def brute_sums(problem, rotations, probability):
    """Sums over rotations, pixels and frames by the definition; rotation -1 = left out."""
    sums = np.zeros((2, len(problem.reflections.voxels)))
    for rotation in np.unique(rotations[rotations >= 0]):
        mine = np.flatnonzero(rotations == rotation)
        for pixel, corners in _cached(problem, int(rotation)).items():
            b = problem.padded()[mine, problem.table.bin[pixel]]
            K = problem.photons[mine, problem.order[pixel]]
            live = (K >= 0) & (b > 1e-10)
            if not live.any():
                continue
            d = mine[live]
            P, phi = probability[d], problem.phi[d]
            W = best_tomogram_value(P * K[live], b[live] / phi, P * phi * problem.table.polar[pixel])
            for voxel, weight in corners:
                sums[0, voxel] += np.sum(P * phi) * weight * W
                sums[1, voxel] += np.sum(P * phi) * weight
    return sums


_KNOWN: dict = {}


def _cached(problem, rotation):
    if (id(problem), rotation) not in _KNOWN:
        _KNOWN[id(problem), rotation] = _corners(problem, rotation)
    return _KNOWN[id(problem), rotation]


def _corners(problem, rotation):
    """Voxels and trilinear weights of every pixel of a rotation that is near a reflection."""
    reflections, grid = problem.reflections, problem.reflections.grid
    q = problem.pixels.q[problem.order] * problem.geometry.pixel_to_inverse_angstrom
    x = q @ rotation_matrices(problem.samples[rotation, :4]).T
    number = reflections.numbers(np.rint(x @ np.linalg.inv(grid.lattice.reciprocal).T).astype(int))
    x = x * grid.scale
    found = {}
    for pixel in np.flatnonzero(number >= 0):
        k = number[pixel]
        if np.linalg.norm(x[pixel] - reflections.centres[k]) > grid.support:
            continue
        span = slice(reflections.first[k], reflections.first[k + 1])
        weight = np.prod(np.maximum(0, 1 - np.abs(reflections.voxels[span] - x[pixel])), axis=1)
        found[pixel] = [(span.start + i, weight[i]) for i in np.flatnonzero(weight)]
    return found


def test_merging_is_the_definition(problem, setting):
    work, observed, rotations, probability = setting
    np.testing.assert_allclose(merged(problem, work, observed), brute_sums(problem, rotations, probability), rtol=1e-9, atol=1e-11)


def test_merging_adds_up_over_ranges_of_rotations(problem, setting):
    work, observed, _, _ = setting
    cut = 6
    assert observed.rotation[cut - 1] != observed.rotation[cut]
    parts = [
        compression.merged(observed, low, high, work.rotations, problem.table, problem.model.cubes) for low, high in ((0, cut), (cut, 14))
    ]
    np.testing.assert_allclose(parts[0] + parts[1], merged(problem, work, observed), rtol=1e-12, atol=1e-14)


def test_influence_is_what_leaving_a_frame_out_changes(problem, setting):
    work, observed, rotations, probability = setting
    reflections = problem.reflections
    exposure = compression.mean(merged(problem, work, observed))
    fields = uncertainty.fields(exposure, problem.model.cubes)
    found, variance = uncertainty.influences(observed, 0, 14, fields, work.rotations, problem.table, problem.model.cubes)
    total = uncertainty.summed(found, reflections.count)
    sums = np.add.reduceat(exposure.intensity, reflections.first[:-1])
    alone = [d for d in range(14) if np.count_nonzero(rotations == rotations[d]) == 1]
    compared = 0
    for d in alone:
        rest = compression.mean(brute_sums(problem, np.where(np.arange(14) == d, -1, rotations), probability))
        change = sums - np.add.reduceat(rest.intensity, reflections.first[:-1])
        mine = total.frame == d
        for k, value in zip(total.reflection[mine], total.value[mine]):
            span = slice(reflections.first[k], reflections.first[k + 1])
            share = 1 - rest.weight[span] / np.maximum(exposure.weight[span], 1e-300)
            if exposure.seen[span].any() and (share[exposure.seen[span]] < uncertainty.LARGEST_LEVERAGE).all():
                assert value == pytest.approx(change[k], rel=1e-6, abs=1e-9)
                compared += 1
    assert compared > 5
    assert np.all(variance >= 0)


def test_photons_are_those_of_the_tomogram(problem, setting):
    work, observed, rotations, _ = setting
    assignment = Assignment(np.array([0, 1]), np.searchsorted(work.number, rotations[:1]).astype(np.int32), np.ones(1))
    photons = problem.photons[:1, problem.order]
    first, counts = photons_seen(assignment, photons, work.rotations, problem.table, problem.model.cubes)
    pixel, _ = tomogram(assignment.rotation[0], work.rotations, problem.table, problem.model.cubes, np.zeros(len(problem.model.cubes.slot)))
    assert first.tolist() == [0, len(pixel)]
    assert np.array_equal(counts, photons[0, pixel])


def test_frames_without_a_crystal_take_no_part():
    assignment = Assignment(np.array([0, 2, 3, 5]), np.arange(5, dtype=np.int32), np.full(5, 0.5))
    left = taking_part(assignment, np.array([1.0, 0.0, 2.0]))
    assert left.first.tolist() == [0, 2, 2, 4] and left.rotation.tolist() == [0, 1, 3, 4]
