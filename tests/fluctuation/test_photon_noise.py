"""What photons add to the correlation with themselves, for patterns that are nothing but noise."""

import numpy as np
import pytest

from fxs_hpc.fluctuation.pattern_correlation import Correlator, blocks
from fxs_hpc.fluctuation.pattern_sums import FrameTable, Sums
from fxs_hpc.fluctuation.patterns import Treatment, treated
from fxs_hpc.fluctuation.photon_noise import photon_noise
from fxs_hpc.fluctuation.polar_grid import FlatDetector, polar_grid, q_points

DETECTOR = FlatDetector((40, 40), 800.0, 300.0, 1.23984, (19.6, 19.9))
GRID = polar_grid(DETECTOR, q_points(0.06, 0.24, 0.01), (0.0, 2 * np.pi, 64, "exact"))
USABLE = np.ones((40, 40), bool)
USABLE[10:12] = False


def correlation(count, normalise):
    random = np.random.default_rng(0)
    treatment = Treatment(
        GRID, 2, USABLE, roi=(0.0, 1.0), normalise=normalise, corrections=GRID.corrections("h", True), counts_photons=True
    )
    correlator = Correlator(treatment.polar_mask, np.arange(len(GRID.q)))
    sums = Sums.zero(64, len(GRID.q), len(GRID.q), (40, 40), FrameTable.empty(count, None))
    for number in range(count):
        image = random.poisson(2.0 * random.uniform(0.5, 1.5) if normalise else 2.0, (40, 40)).astype(np.float32)
        correlator.add(sums, [(number, treated(image, treatment))], 1)
    noise = photon_noise(sums.variance, treatment, correlator)
    mean = sums.intensity / sums.coverage
    plain, clean = (np.concatenate([c for _, c in blocks(sums, correlator, noise=n)]) for n in (None, noise))
    scale = np.multiply.outer(mean, mean)[..., None]
    return plain / scale - 1, clean / scale - 1, noise.touching(slice(None))


@pytest.mark.parametrize("normalise", [False, True])
def test_noise_without_a_signal_is_left_without_one(normalise):
    plain, clean, touching = correlation(1500, normalise)
    index = np.arange(len(GRID.q))
    assert np.array_equal(plain[~touching], clean[~touching])
    # A pixel of 2 photons has a relative variance of 1/2, some of which interpolation takes away.
    assert plain[index, index, 0].min() > 0.1
    assert np.abs(clean[index, index, 0]).max() < 0.12 * plain[index, index, 0].max()
    shared = plain > 0.05
    assert touching[shared].all() and shared.sum() > 3 * len(index)
    assert np.abs(clean[shared]).mean() < 0.1 * plain[shared].mean() and abs(clean[shared].mean()) < 0.02 * plain[shared].mean()


def test_touching_is_a_matter_of_pixels():
    _, _, touching = correlation(2, False)
    radius = DETECTOR.radius_of(GRID.q)
    assert touching[0, 0, 0] and touching[3, 5, 0] and not touching[10, 10, 32]
    far = int(np.searchsorted(radius, radius[0] + 9))
    assert not touching[0, far].any()
