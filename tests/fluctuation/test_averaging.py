"""Selection, rejection, and the average over all accepted runs."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.alignment import align, prepare
from fxs_hpc.fluctuation.averaging import (
    Candidate,
    accepted,
    average,
    centred,
    grid_fields,
    normalised,
    pairwise_correlation,
    reference_order,
    select,
)
from fxs_hpc.fluctuation.ensemble import align_ensemble, matching_shells

CANDIDATES = (Candidate(0, "0", 3e-4, 80.0), Candidate(0, "1", 1e-4, 60.0), Candidate(1, "0", 2e-2, 70.0), Candidate(1, "1", 2e-4, 300.0))


def names(candidates):
    return [(c.file, c.key) for c in candidates]


def test_selection_by_error_and_density():
    assert names(select(CANDIDATES).kept) == [(0, "1"), (1, "1"), (0, "0"), (1, "0")]
    assert names(select(CANDIDATES, error_limit=1e-2).kept) == [(0, "1"), (1, "1"), (0, "0")]
    assert names(select(CANDIDATES, max_density_range=(0, 100)).kept) == [(0, "1"), (0, "0"), (1, "0")]
    assert names(select(CANDIDATES, max_density_range=(None, None), n_reconstructions=2).kept) == [(0, "1"), (1, "1")]


def test_each_one_left_out_is_explained():
    left_out = select(CANDIDATES, 1e-2, (0, 100), 1).left_out
    assert [("error_limit" in line, "max_density_range" in line, "n_reconstructions" in line) for line in left_out] == [
        (False, True, False),
        (False, False, True),
        (True, False, False),
    ]


def test_a_run_without_an_error_is_left_out():
    assert names(select((*CANDIDATES, Candidate(2, "0", np.nan, 1.0)), 1.0).kept)[-1] == (1, "0")


def test_reference():
    assert reference_order(CANDIDATES) == (0, 1, 2, 3)
    assert reference_order(CANDIDATES, (1, 0)) == (2,)
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        reference_order(CANDIDATES, (5, 0))


def test_acceptance_sorts_by_alignment_error():
    assert accepted([0.3, 0.0, 0.7, 0.1], 0.5) == (1, 3, 0)


def runs(ball, blobs, count, seed=0):
    """Prepared copies of the blobs in random poses and hands."""
    prepared = []
    for i in range(count):
        matrix = Rotation.random(random_state=seed + i).as_matrix() * (-1) ** i
        moved = blobs.moved(matrix, np.random.default_rng(seed + i).uniform(-4, 4, 3))
        prepared.append(prepare(ball, moved.density(ball), moved.amplitude(ball)))
    return prepared


def test_average_is_the_mean_of_all_runs(ball, blobs):
    volumes = runs(ball, blobs, 3)
    seen = []
    result = average(ball, volumes, sink=lambda position, fields: seen.append(fields))
    mean = np.mean([fields.density for fields in seen], axis=0)
    fields = grid_fields(ball, result.density, result.amplitude)
    np.testing.assert_allclose(fields.density, mean, atol=1e-12)
    np.testing.assert_allclose(fields.amplitude, np.mean([f.amplitude for f in seen], axis=0), atol=1e-9)
    np.testing.assert_allclose(result.intensity_from_densities, np.mean([abs(f.ft_density) ** 2 for f in seen], axis=0), rtol=1e-10)
    np.testing.assert_allclose(result.intensity_from_ft_densities, np.mean([abs(f.amplitude) ** 2 for f in seen], axis=0), rtol=1e-10)
    np.testing.assert_allclose(result.half_densities[0], (volumes[0].density + volumes[2].density) / 2)
    np.testing.assert_allclose(result.half_densities[1], volumes[1].density)
    # The reference program leaves out the run that was aligned last.
    assert np.abs(mean - np.mean([fields.density for fields in seen[:-1]], axis=0)).max() > 0.01


def test_single_run_has_no_halves(ball, blobs):
    result = average(ball, runs(ball, blobs, 1))
    assert result.count == 1 and result.half_densities is None


def test_centred_average(ball, blobs):
    density = blobs.moved(shift=(3, 0, -2)).density(ball)
    off = prepare(ball, density, blobs.moved(shift=(3, 0, -2)).amplitude(ball), centred=False, normalisation=None)
    middle = centred(ball, average(ball, [off]))
    assert np.abs(ball.synthesise(middle.density)[0] - blobs.density(ball)).max() < 5e-3
    expected = blobs.amplitude(ball)
    assert np.abs(grid_fields(ball, middle.density, middle.amplitude).amplitude - expected).max() < 5e-3 * np.abs(expected).max()


def test_normalisation():
    np.testing.assert_allclose(normalised(np.array([-1.0, 0, 4])), [-0.25, 0, 1])
    np.testing.assert_allclose(normalised(np.array([-1.0, 0, 4]), -1.0), [0, 0.2, 1])


def test_ensemble_brings_all_runs_together(ball, blobs):
    prepared = runs(ball, blobs, 4)
    ensemble = align_ensemble(ball, prepared, ball.radial.r_weights, (0, 1, 2, 3), 0.5)
    assert ensemble.reference == 0 and ensemble.accepted[0] == 0 and sorted(ensemble.accepted) == [0, 1, 2, 3]
    assert max(volume.error for volume in ensemble.volumes) < 1e-4
    assert [volume.inverted for volume in ensemble.volumes] == [False, True, False, True]
    assert pairwise_correlation(ensemble.volumes, ball.radial.r_weights).min() > 0.9999


def test_runs_that_do_not_agree_are_rejected(ball, blobs):
    other = prepare(ball, *stranger(ball, blobs))
    ensemble = align_ensemble(ball, [*runs(ball, blobs, 3), other], ball.radial.r_weights, (0, 1, 2, 3), 0.1)
    assert sorted(ensemble.accepted) == [0, 1, 2]


def test_an_outlier_does_not_stay_the_reference(ball, blobs):
    prepared = [prepare(ball, *stranger(ball, blobs)), *runs(ball, blobs, 3)]
    ensemble = align_ensemble(ball, prepared, ball.radial.r_weights, (0, 1, 2, 3), 0.1)
    assert ensemble.reference == 1 and sorted(ensemble.accepted) == [1, 2, 3]
    manual = align_ensemble(ball, prepared, ball.radial.r_weights, (0,), 0.1)
    assert manual.reference == 0 and manual.accepted == (0,)


def stranger(ball, blobs):
    other = type(blobs)(blobs.centres[::-1] * np.array([1.5, 0.3, 1]), blobs.heights)
    return other.density(ball), other.amplitude(ball)


def test_further_rounds_align_to_the_average(ball, blobs):
    prepared = runs(ball, blobs, 3)
    once = align_ensemble(ball, prepared, ball.radial.r_weights, (0,), 0.5)
    twice = align_ensemble(ball, prepared, ball.radial.r_weights, (0,), 0.5, rounds=2)
    assert max(volume.error for volume in twice.volumes) <= max(volume.error for volume in once.volumes)
    assert len(twice.volumes[1].angles) == 2
    np.testing.assert_array_equal(align(ball, prepared[0], prepared[0], ball.radial.r_weights, from_here=True).inverted, False)


def test_an_average_that_nothing_agrees_with_is_refused(ball, blobs):
    with pytest.raises(DataError, match="alignment_error_limit"):
        align_ensemble(ball, runs(ball, blobs, 2), ball.radial.r_weights, (0,), 1e-40, rounds=2)


def test_shells_for_matching(ball, blobs):
    reference = runs(ball, blobs, 1)[0]
    given = matching_shells(ball, reference, range(2, 12), 80.0)
    assert given.note is None and np.flatnonzero(given.weights).tolist() == list(range(2, 12))
    beyond = matching_shells(ball, reference, range(2, 40), 80.0)
    assert "beyond the 32 shells" in beyond.note and beyond.weights[-1] > 0
    empty = matching_shells(ball, reference, range(25, 40), 80.0)
    assert "80 A" in empty.note and np.flatnonzero(empty.weights)[-1] == np.flatnonzero(ball.radial.r <= 80)[-1]
    assert matching_shells(ball, reference, None, 80.0).note is None
