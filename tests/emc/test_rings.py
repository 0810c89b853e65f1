"""Ring rules: simulated rings and noise; small cases of the reference's rule worked out by hand."""

import numpy as np
import pytest

from fxs_hpc.emc.outlier_threshold import thresholds
from fxs_hpc.emc.radial_background import fit, radial_bins
from fxs_hpc.emc.rings import reference_rings, robust_rings

BINS = 40
PIXELS = 30_000


@pytest.fixture(scope="module")
def detector():
    rng = np.random.default_rng(1)
    modulus = np.sqrt(np.sort(rng.uniform(8.0**2, 115.0**2, PIXELS)))
    return modulus, rng.uniform(0, 2 * np.pi, PIXELS), radial_bins(modulus, np.ones(PIXELS), 115, BINS), rng


def masked_bins(detector, scale, ring=None, rule="robust"):
    """Bins that the rule masks in a simulated frame; ring = (centre in bins, half width in bins, function of the azimuth)."""
    modulus, azimuth, bins, rng = detector
    mean = scale * 4 * np.exp(-((modulus / 80) ** 2)) + 0.3 * scale
    if ring is not None:
        centre, width, texture = ring
        mean = mean * (1 + texture(azimuth) * np.exp(-0.5 * ((modulus / bins.width - centre) / width) ** 2))
    photons, outlier = rng.poisson(mean).astype(np.int32), np.zeros(PIXELS, np.int32)
    background, weight, masked = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS, bool)
    tables, every, polar = thresholds(10_000), np.arange(PIXELS, dtype=np.uint32), np.ones(PIXELS)
    table = (bins.first, bins.total_polar, bins.least_polar)
    fit(photons.copy(), every, polar, table, np.int32(10_000), tables, photons, background, weight, outlier)
    if rule == "robust":
        robust_rings(background, weight, (photons, polar, bins.first), tables, masked)
    else:
        reference_rings(background, 3, masked)
    return masked


@pytest.mark.parametrize("scale", [0.03, 0.3, 3.0, 30.0])
def test_noise_is_no_ring(detector, scale):
    assert sum(masked_bins(detector, scale).any() for _ in range(40)) == 0


def test_the_reference_rule_takes_noise_for_rings(detector):
    assert sum(masked_bins(detector, 0.1, rule="reference").any() for _ in range(40)) > 20


def spots(azimuth):
    return 1.2 * (np.sin(23 * azimuth) > 0)


@pytest.mark.parametrize(("centre", "width"), [(12.5, 0.5), (25.5, 1.0), (20.5, 1.8)])
def test_a_spotty_ring_is_masked_and_not_much_else(detector, centre, width):
    for _ in range(10):
        masked = masked_bins(detector, 2.0, (centre, width, spots))
        assert masked[int(centre)]
        assert masked[int(centre - width) : int(centre + width) + 1].all()
        assert not masked[np.abs(np.arange(BINS) + 0.5 - centre) > 4 * width + 4].any()


def test_a_ring_that_is_the_same_all_around_stays(detector):
    """Its bins are described by their background as any others are."""
    assert not any(masked_bins(detector, 2.0, (25.5, 1.8, lambda azimuth: 0.4 + 0 * azimuth)).any() for _ in range(20))


def by_reference(background, first=0):
    masked = np.zeros(len(background), bool)
    reference_rings(np.array(background, float), first, masked)
    return np.flatnonzero(masked).tolist()


def test_the_reference_rule_by_hand():
    assert by_reference([10, 9, 8, 9.5, 7, 6, 5, 4]) == []  # 8 < 9: falls for one bin only on the left
    assert by_reference([9, 8, 7, 8, 9.5, 7, 6, 5, 4.5]) == [2, 3, 4, 5, 6, 7, 8]  # from foot to foot
    assert by_reference([9, 8, 7, 7.1, 7.2, 7, 6.9, 6.8, 6.7]) == []  # 7.2 is 4 per cent above the line from 7 to 6.7


def test_bins_without_pixels_are_skipped_for_a_maximum_and_lower_for_a_foot():
    assert by_reference([5, 5.5, 6, -1, 7, 5, 4, 6]) == [3, 4, 5, 6]
    assert by_reference([-1, -1, 4, 4.4, 4.8, 4.3, 4.2, 4.3], first=2) == [2, 3, 4, 5, 6]
    assert by_reference([-1, -1, 4.8, 4.4, 4.2, 4.3], first=2) == []  # the first bin is its own foot
