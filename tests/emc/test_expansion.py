"""Tomograms against the definition."""

import numpy as np
import pytest

from fxs_hpc.emc.expansion import fill, tomogram
from fxs_hpc.emc.probabilities import Assignment
from tests.emc import small_emc


@pytest.fixture(scope="module")
def problem():
    return small_emc.make(frames=6)


def test_tomogram_is_trilinear_over_the_voxels_of_the_reflection(problem):
    work, values = problem.work(), fill(problem.model.cubes, problem.intensity)
    for place in range(0, len(work.number), 9):
        pixel, W = tomogram(place, work.rotations, problem.table, problem.model.cubes, values)
        expected = small_emc.tomogram(problem, work.number[place], problem.intensity)[problem.order]
        assert np.array_equal(pixel[np.argsort(pixel)], np.flatnonzero(~np.isnan(expected)))
        np.testing.assert_allclose(W, expected[pixel], atol=1e-12 * problem.intensity.max())


def test_equivalent_rotations_see_the_same(problem):
    work, values = problem.work(), fill(problem.model.cubes, problem.intensity)
    plan = work.evaluations
    shared = 0
    for candidate, rotation in enumerate(plan.rotation[: plan.first[1]]):
        wanted = plan.wanted[plan.serves[candidate]]
        seen = [dict(zip(*tomogram(r, work.rotations, problem.table, problem.model.cubes, values))) for r in (rotation, wanted)]
        assert seen[0].keys() == seen[1].keys()
        assert all(abs(seen[0][pixel] - seen[1][pixel]) < 1e-10 for pixel in seen[0])
        shared += rotation != wanted
    assert shared >= 3


def test_assignment_by_tomograms_keeps_the_probability_of_each(problem):
    work = problem.work()
    plan = work.evaluations
    random = np.random.default_rng(2)
    chosen = [np.sort(random.choice(np.arange(*plan.first[d : d + 2]), 6, replace=False)) for d in (2, 3)]
    probability = random.random(12)
    assignment = Assignment(np.array([0, 6, 12]), plan.rotation[np.concatenate(chosen)], probability)
    found = plan.tomograms(2, assignment)
    for place, frame in enumerate((2, 3)):
        mine = slice(*found.first[place : place + 2])
        wanted = plan.wanted[plan.start[frame] + plan.serves[chosen[place]]]
        expected = {r: probability[6 * place : 6 * place + 6][wanted == r].sum() for r in np.unique(wanted)}
        assert dict(zip(found.rotation[mine].tolist(), found.probability[mine])) == pytest.approx(expected)
