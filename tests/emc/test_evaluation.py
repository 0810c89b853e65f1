"""What the front end found against the truth, on cases that can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.evaluation import (
    FrontEndResult,
    PeakComparison,
    centres,
    compare_peaks,
    distance_to_candidates,
    outlier_thresholds,
    radial_truth,
    visible_peaks,
)
from fxs_hpc.emc.peaks import PeakPatches
from fxs_hpc.emc.truth import Kind, Truth


def unit(seed, *shape):
    values = np.random.default_rng(seed).normal(size=(*shape, 4))
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


@given(st.integers(0, 10**6))
def test_distance_is_that_of_scipy(seed):
    """Rotations about z by 90 degrees as symmetry; scipy's quaternions are scalar last and active, so ours are their conjugates."""
    samples, truth = unit(seed, 6), unit(seed + 1, 1, 2)
    turns = Rotation.from_euler("z", [[0], [90], [180], [270]], degrees=True)
    symmetry = np.roll(turns.inv().as_quat(), 1, axis=1)
    numbers = np.array([1, 4], np.int32)
    found = distance_to_candidates(truth, np.array([[1.0, 0.5]]), Candidates(np.array([0, 2]), numbers), samples, symmetry)
    theirs = Rotation.from_quat(np.roll(samples[numbers], -1, axis=1)).inv()
    for crystal in range(2):
        mine = Rotation.from_quat(np.roll(truth[0, crystal], -1)).inv()
        angles = [(turn * mine * other.inv()).magnitude() for turn in turns for other in theirs]
        assert found[0, crystal] == pytest.approx(min(angles), abs=1e-7)


def test_no_crystal_or_no_candidate_has_no_distance():
    candidates = Candidates(np.array([0, 0, 1]), np.array([0], np.int32))
    found = distance_to_candidates(unit(1, 2, 2), np.array([[1.0, 0], [1.0, 0]]), candidates, unit(2, 1), unit(3, 1))
    assert np.isnan(found[0]).all() and np.isfinite(found[1, 0]) and np.isnan(found[1, 1])


def test_radial_truth_is_what_a_perfect_fit_finds():
    random = np.random.default_rng(1)
    polar, bins = random.uniform(0.5, 1, 400), random.integers(0, 4, 400)
    background = np.array([3.0, 2.0, 1.0, 7.0])[bins]
    expected = radial_truth(background, polar, bins, 5, np.array([1.0, 2.0]))
    np.testing.assert_allclose(expected[:, :4], [[3, 2, 1, 7], [6, 4, 2, 14]], rtol=1e-13)
    assert np.isnan(expected[:, 4]).all()


def test_thresholds_are_the_smallest_counts_of_the_rule():
    from scipy.stats import poisson

    mean = np.array([0.0, 0.3, 2.0, 11.0])
    threshold = outlier_thresholds(mean)
    used = np.maximum(mean, 0.01)
    assert (poisson.cdf(threshold, used) >= 0.99999).all() and (poisson.cdf(threshold - 1, used) < 0.99999).all()


def test_peaks_by_hand():
    """A strong peak that is found, one of a single pixel that no finder takes, a faint one, a missed one, and a false find."""
    columns, crystal = 12, np.zeros((10, 12))
    crystal[2, 2:4] = [40, 60]
    crystal[5, 8] = 90
    crystal[8, 2:5] = 0.4
    crystal[7:9, 9] = [30, 30]
    background, usable = np.full(120, 1.0), np.ones(120, bool)
    found = PeakPatches(
        np.array([2 * 12 + 3, 2 * 12 + 4, 0, 1], np.int32), np.array([55, 9, 9, 9], np.int32), np.array([0, 2, 4], np.int64)
    )
    result = compare_peaks(found, crystal.ravel(), background, usable, np.zeros(120, np.int32), columns)
    assert sorted(zip(result.expected.tolist(), result.recalled.tolist(), strict=True)) == [(60.0, False), (100.0, True)]
    assert result.false.tolist() == [False, True]
    pixel, first = visible_peaks(crystal.ravel(), background, usable, np.zeros(120, np.int32), columns)
    places = centres(pixel, crystal.ravel()[pixel], first, columns)
    assert sorted(map(tuple, np.round(places, 9).tolist())) == [(2.0, 2.6), (7.5, 9.0)]
    usable[2 * 12 + 2] = False  # the rest of the strong peak is a single pixel
    assert len(visible_peaks(crystal.ravel(), background, usable, np.zeros(120, np.int32), columns)[1]) == 2


def result_of(kind, kept, distance, background, peaks):
    n = len(kind)
    phi = np.array([[1.0, 0.0] if k == 1 else [1.0, 1.0] if k == 2 else [0.0, 0.0] for k in kind])
    truth = Truth(np.array(kind), unit(0, n, 2), phi, np.ones(n), np.ones((n, 2)), np.zeros((n, 2)), np.ones((n, 2, 3)))
    return FrontEndResult(
        truth,
        np.arange(n),
        np.array(kept),
        np.array(distance),
        0.1,
        np.array(background),
        np.full((n, 3), 2.0),
        0.01,
        peaks,
        np.arange(len(peaks)),
    )


@pytest.fixture
def result():
    def peaks(expected, recalled, false):
        return PeakComparison(np.array(expected, float), np.array(recalled, bool), np.array(false, bool))

    return result_of(
        [1, 1, 2, 3, 0],
        [True, True, True, True, False],
        [[0.05, np.nan], [0.3, np.nan], [0.01, 0.9], [np.nan, np.nan], [np.nan, np.nan]],
        [[2.0, 2.2, -1.0]] * 5,
        [peaks([9, 8], [1, 0], [0]), peaks([7], [1], [0, 1]), peaks([], [], []), peaks([], [], [1, 1, 1]), peaks([], [], [1])],
    )


def test_figures_of_merit(result):
    assert result.hits() == 0.5 and result.hits(3) == 1.0
    assert result.recall() == (2, 3)
    assert result.false_peaks() == (2, 4)  # junk counts neither way
    assert result.masked() == pytest.approx(1 / 3)
    np.testing.assert_allclose(result.background_error()[0], [0, 0.1, np.nan], atol=1e-12)
    assert result.kinds() == {Kind.BLANK: (0, 1), Kind.SINGLE: (2, 2), Kind.MULTIPLE: (1, 1), Kind.JUNK: (1, 1)}


def test_nothing_kept_has_no_figure():
    nothing = result_of([1, 0], [False, False], np.full((2, 2), np.nan), [[-1.0] * 3] * 2, [])
    assert np.isnan(nothing.hits()) and nothing.recall() == (0, 0) and nothing.masked() == 1.0
