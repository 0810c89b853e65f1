"""Preparation of correlations: mean, symmetries, masks, gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.preparation import Preparation, arc_mask, custom_mask, flat_mask, interpolated, pi_periodic, prepared_blocks

N_Q, N_DELTA = 5, 16
DELTA = 2 * np.pi * np.arange(N_DELTA) / N_DELTA
AVERAGE = np.arange(1.0, N_Q + 1)


def raw(seed=0):
    return np.random.default_rng(seed).normal(size=(N_Q, N_Q, N_DELTA))


def prepared(values, block_rows=2, **options):
    parts = list(prepared_blocks(values, AVERAGE, Preparation(**options), block_rows))
    masks = [np.ones(part[1].shape, bool) if part[2] is None else part[2] for part in parts]
    valid = None if all(part[2] is None for part in parts) else np.concatenate(masks)
    return np.concatenate([part[1] for part in parts]), valid


def test_the_mean_is_subtracted_or_left():
    values = raw()
    np.testing.assert_array_equal(prepared(values, subtract_average_intensity=False)[0], values)
    np.testing.assert_allclose(prepared(values)[0], values - np.outer(AVERAGE, AVERAGE)[..., None])


def test_pi_periodicity_keeps_the_backward_half():
    values = raw()
    found, _ = prepared(values, subtract_average_intensity=False, pi_periodicity=True)
    np.testing.assert_array_equal(found[..., 4:12], values[..., 4:12])
    np.testing.assert_array_equal(found, np.roll(found, N_DELTA // 2, axis=-1))


def test_pi_periodicity_needs_an_opposite_for_every_angle():
    with pytest.raises(DataError, match="even number"):
        prepared(raw()[..., :15], pi_periodicity=True)


@given(st.integers(1, 12))
def test_pi_periodicity_works_for_any_even_number_of_angles(half):
    n = 2 * half
    found = pi_periodic(np.arange(n))
    np.testing.assert_array_equal(found, np.roll(found, half))
    kept = np.flatnonzero(found == np.arange(n))
    np.testing.assert_array_equal(kept, [i for i in range(n) if n <= 4 * i < 3 * n])


def test_the_mean_may_be_of_two_quantities():
    values = raw()
    other = AVERAGE**2
    parts = prepared_blocks(values, (other, AVERAGE), Preparation(), 2)
    np.testing.assert_allclose(np.concatenate([part[1] for part in parts]), values - np.outer(other, AVERAGE)[..., None])


def test_masked_values_may_count_as_zero():
    values, mask = raw(), np.random.default_rng(1).random((N_Q, N_Q, N_DELTA)) > 0.3
    values[4, 4] = np.nan
    found, valid = prepared(values, mask=lambda rows: mask[rows], masked_values_to_zero=True)
    assert valid is None
    mask[4, 4] = False
    np.testing.assert_allclose(found, np.where(mask, values - np.outer(AVERAGE, AVERAGE)[..., None], 0))


def test_symmetrising_with_a_mask_that_is_not_symmetric():
    values, mask = raw(), np.random.default_rng(2).random((N_Q, N_Q, N_DELTA)) > 0.5
    turned = np.swapaxes(mask, 0, 1)
    options = {"mask": lambda rows: mask[rows], "mirror_mask": lambda rows: turned[rows]}
    found, valid = prepared(values, subtract_average_intensity=False, q1q2_symmetric=True, **options)
    for i, j, d in np.ndindex(values.shape):
        terms = [values[a, b, c % N_DELTA] for a, b, c in ((i, j, d), (j, i, -d)) if mask[a, b, c % N_DELTA]]
        assert valid[i, j, d] == bool(terms)
        if terms:
            assert found[i, j, d] == pytest.approx(np.mean(terms))


def test_symmetrised_is_the_mean_with_the_mirror():
    values = raw()
    found, valid = prepared(values, subtract_average_intensity=False, q1q2_symmetric=True)
    mirror = np.swapaxes(values, 0, 1)[..., (-np.arange(N_DELTA)) % N_DELTA]
    np.testing.assert_allclose(found, (values + mirror) / 2)
    assert valid is None


def test_symmetrising_takes_what_is_valid():
    values = raw()
    values[0, 1, 3] = np.nan
    values[2, 3, 0] = values[3, 2, 0] = np.nan
    found, valid = prepared(values, subtract_average_intensity=False, q1q2_symmetric=True)
    assert found[0, 1, 3] == values[1, 0, N_DELTA - 3] == found[1, 0, N_DELTA - 3]
    assert not valid[2, 3, 0] and not valid[3, 2, 0]
    assert valid.sum() == valid.size - 2


def test_nan_counts_as_masked():
    values = raw()
    values[1, 2, :3] = np.nan
    found, valid = prepared(values)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(np.argwhere(~valid), [[1, 2, 0], [1, 2, 1], [1, 2, 2]])


@given(st.integers(0, 2**31), st.integers(1, N_DELTA))
def test_gaps_are_filled_linearly_and_periodically(seed, n_valid):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1, 1, N_DELTA))
    valid = np.zeros((1, 1, N_DELTA), bool)
    valid[0, 0, rng.choice(N_DELTA, n_valid, replace=False)] = True
    found = interpolated(values, valid)
    expected = np.interp(DELTA, DELTA[valid[0, 0]], values[valid], period=2 * np.pi)
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-12)


def test_a_pair_without_data_is_an_error():
    values = raw()
    values[3, 1] = np.nan
    blocks = prepared_blocks(values, AVERAGE, Preparation(), 2)
    with pytest.raises(DataError, match=r"\(3, 1\)"):
        for rows, block, valid in blocks:
            interpolated(block, valid, rows.start)


def test_arc_mask_measures_distances_on_the_ewald_sphere():
    q, wavelength, pixel = np.array([0.05, 0.2, 0.4]), 2.0, 40.0
    valid = arc_mask(q, DELTA, wavelength, pixel)(slice(0, 3))
    k = 2 * np.pi / wavelength
    polar = 2 * np.arcsin(q / (2 * k))

    def point(i, azimuth):
        return k * np.array([np.sin(polar[i]) * np.cos(azimuth), np.sin(polar[i]) * np.sin(azimuth), np.cos(polar[i])])

    for i in range(3):
        for j in range(3):
            chords = np.array([np.linalg.norm(point(i, 0) - point(j, angle)) for angle in DELTA])
            arcs = 2 * k * np.arcsin(chords / (2 * k))
            np.testing.assert_array_equal(valid[i, j], arcs > 2 * np.pi / pixel if i + j else DELTA == np.pi)
    assert not valid[1, 1, 0] and valid[1, 1, N_DELTA // 2]
    both = arc_mask(q, DELTA, wavelength, pixel, at_pi=True)(slice(1, 2))[0]
    np.testing.assert_array_equal(both[1], valid[1, 1] & np.roll(valid[1, 1], N_DELTA // 2))


def test_flat_mask_measures_distances_on_the_detector():
    q, pixel = np.array([0.05, 0.2, 0.4]), 40.0
    valid = flat_mask(q, DELTA, pixel)(slice(0, 3))
    for i, j, d in np.ndindex(valid.shape):
        squared = q[i] ** 2 + q[j] ** 2 - 2 * q[i] * q[j] * np.cos(DELTA[d])
        assert valid[i, j, d] == (np.sqrt(max(squared, 0)) > 2 * np.pi / pixel if i + j else DELTA[d] == np.pi)
    assert not valid[1, 1, 0] and valid[1, 1, N_DELTA // 2] and valid[0, 2, 0]
    both = flat_mask(q, DELTA, pixel, at_pi=True)(slice(1, 2))[0]
    np.testing.assert_array_equal(both[1], valid[1, 1] & np.roll(valid[1, 1], N_DELTA // 2))


@pytest.mark.parametrize("at_pi", [False, True])
def test_rings_within_one_pixel_keep_their_farthest_points(at_pi):
    """The default pixel is wider than the innermost rings of most data: the correlation is constant there, not unknown."""
    q = np.array([0.0, 1e-3, 0.1])
    farthest = np.isclose(np.abs(np.sin(DELTA)), 1) if at_pi else DELTA == np.pi
    for valid in (arc_mask(q, DELTA, 1.5, 2000.0, at_pi)(slice(0, 3)), flat_mask(q, DELTA, 2000.0, at_pi)(slice(0, 3))):
        np.testing.assert_array_equal(valid[1, 1], farthest)
        assert valid.any(axis=-1).all() and valid[0, 0].all() and valid[2, 1].all() and not valid[2, 2, 0]
        filled = interpolated(np.cos(DELTA) * np.ones((3, 3, 1)), valid)
        np.testing.assert_allclose(filled[1, 1], np.cos(DELTA[farthest][0]), atol=1e-9)


def test_custom_mask_counts_pixels():
    valid = custom_mask(10, 20, 0.1, 0.2)(slice(2, 5))
    assert valid.shape == (3, 10, 20)
    np.testing.assert_array_equal(np.flatnonzero(~valid[0, 4]), [0, 1, 18, 19])
    assert valid[0, 5].all()
    at_pi = custom_mask(10, 20, 0.1, 0.2, at_pi=True)(slice(2, 5))
    np.testing.assert_array_equal(np.flatnonzero(~at_pi[0, 2]), [0, 1, 8, 9, 10, 11, 18, 19])
