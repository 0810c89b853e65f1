"""Radial background: against a plain implementation, and thresholds against scipy's Poisson distribution."""

import numpy as np
import pytest
from scipy import stats

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.outlier_threshold import threshold, thresholds
from fxs_hpc.emc.radial_background import excess, fit, radial_bins


@kernel
def _threshold(mean, grid, largest_mean):
    return threshold(mean, grid, largest_mean)


def test_thresholds_are_poisson_quantiles():
    tables = thresholds(10_000)
    means = 0.01 * np.arange(1, 20_001)
    assert np.array_equal(tables.grid, stats.poisson.ppf(0.99999, means))
    for mean in (200.01, 333.3, 1000.0, 8000.5):
        assert _threshold(mean, *tables) == stats.poisson.ppf(0.99999, mean)
    for mean, on_grid in ((0.0, 0.01), (0.004, 0.01), (0.0149, 0.01), (0.0151, 0.02), (3.3349, 3.33), (199.996, 200.0)):
        assert _threshold(mean, *tables) == stats.poisson.ppf(0.99999, on_grid)


def plain_fit(counts, polar, bins, number, most):
    """As the model is written, with scipy's quantiles."""
    live = (counts >= 0) & (counts <= most)
    kept = live.copy()
    for _ in range(6):
        total = np.bincount(number[kept], counts[kept], bins)
        weight = np.bincount(number[kept], polar[kept], bins)
        background = np.where(weight > 0, total / np.where(weight > 0, weight, 1), -1)
        mean = np.maximum(background[number] * polar, 0.01)
        quantile = stats.poisson.ppf(0.99999, np.floor(mean / 0.01 - 0.5) * 0.01 + 0.01)
        outlier = live & (counts > quantile)
        kept = live & ~outlier
    return background, np.flatnonzero(outlier)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(5)
    modulus = np.sort(rng.uniform(3.0, 40.0, 4000))
    polar = 1 - 0.3 * (modulus / 40) ** 2 - 0.1 * rng.random(4000)
    place = rng.permutation(5000)[:4000].astype(np.int32)
    bins = radial_bins(modulus, polar, 40, 16)
    frame = np.zeros(5000, np.int32)
    frame[place] = rng.poisson(6 * np.exp(-modulus / 15) * polar)
    return modulus, polar, place, bins, frame, rng


def run(case, frame, most=1000):
    modulus, polar, place, bins, _, _ = case
    photons, outlier = np.zeros(4000, np.int32), np.zeros(4000, np.int32)
    background, weight = np.zeros(16), np.zeros(16)
    table = (bins.first, bins.total_polar, bins.least_polar)
    found = fit(frame, place.view(np.uint32), polar, table, np.int32(most), thresholds(most), photons, background, weight, outlier)
    return background, weight, outlier[:found]


def test_fit_is_that_of_a_plain_implementation(case):
    modulus, polar, place, bins, frame, rng = case
    frame = frame.copy()
    bright = rng.permutation(place)[:300]
    frame[bright] += rng.integers(3, 60, 300)
    frame[rng.permutation(place)[:80]] = -1
    frame[rng.permutation(place)[:30]] = 5000
    background, weight, outlier = run(case, frame)
    expected, places = plain_fit(frame[place], polar, 16, bins.number(modulus), 1000)
    assert len(places) > 100
    np.testing.assert_allclose(background, expected, rtol=1e-12)
    assert np.array_equal(outlier, places)
    assert background[0] == -1 and weight[0] == 0
    used = np.bincount(bins.number(modulus), polar * (frame[place] >= 0) * (frame[place] <= 1000), 16)
    used -= np.bincount(bins.number(modulus)[places], polar[places], 16)
    np.testing.assert_allclose(weight, used, rtol=1e-12)


def test_a_bin_of_dead_pixels_is_unusable(case):
    modulus, _, place, bins, frame, _ = case
    frame = frame.copy()
    frame[place[bins.number(modulus) == 7]] = -1
    background, weight, outlier = run(case, frame)
    assert background[7] == -1 and weight[7] == 0
    assert (background[[6, 8]] > 0).all()
    assert not np.any(bins.number(modulus)[outlier] == 7)


def test_the_mean_is_unbiased_and_outliers_are_rare(case):
    _, polar, _, bins, _, _ = case
    modulus, _, place, _, _, rng = case
    truth = 6 * np.exp(-modulus / 15)
    sums, rare = np.zeros(16), 0
    for _ in range(200):
        frame = np.zeros(5000, np.int32)
        frame[place] = rng.poisson(truth * polar)
        background, _, outlier = run(case, frame)
        sums += background
        rare += len(outlier)
    expected = np.bincount(bins.number(modulus), truth * polar, 16)[1:] / bins.total_polar[1:]
    deviation = np.sqrt(expected / bins.total_polar[1:] / 200)
    assert np.all(np.abs(sums[1:] / 200 - expected) < 4.5 * deviation)
    assert rare < 200 * 4000 * 1e-5 * 3 + 10


def test_excess_is_in_standard_deviations(case):
    modulus, polar, place, bins, frame, _ = case
    frame = frame.copy()
    frame[place[100]] = -1
    background, _, _ = run(case, frame)
    background[9] = -1
    image = excess(frame.reshape(50, 100), background, bins, place, polar).ravel()
    number = bins.number(modulus)
    for i in (50, 2000, 3999):
        mean = background[number[i]] * polar[i]
        expected = np.nan if number[i] == 9 else (frame[place[i]] - mean) / np.sqrt(mean)
        np.testing.assert_allclose(image[place[i]], expected)
    assert np.isnan(image[place[100]]) and np.isnan(image[np.setdiff1d(np.arange(5000), place)]).all()
    assert np.isnan(image[place[number == 9]]).all()
