"""What is done to a single pattern."""

import numpy as np
import pytest

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.patterns import RadialFilter, Treatment, treated
from fxs_hpc.fluctuation.polar_grid import FlatDetector, polar_grid, q_points

DETECTOR = FlatDetector((64, 64), 800.0, 300.0, 1.23984, (31.6, 31.9))
GRID = polar_grid(DETECTOR, q_points(0.05, 0.38, 0.03), (0.0, 2 * np.pi, 90, "exact"))
ALL = np.ones((64, 64), bool)


def treatment(usable=ALL, order=2, **options):
    return Treatment(GRID, order, usable, **options)


def noise(seed=0, mean=20.0):
    return np.random.default_rng(seed).poisson(mean, (64, 64)).astype(np.float32)


def test_a_flat_pattern_stays_flat_up_to_the_border_of_the_mask():
    usable = ALL.copy()
    usable[20:23] = False
    usable[np.hypot(*(np.indices((64, 64)) - 31.5)) < 5] = False
    found = treated(np.where(usable, 3.0, 1e5).astype(np.float32), treatment(usable))
    mask = treatment(usable).polar_mask
    assert 0.5 < mask.mean() < 0.9 and found.mask is None
    assert np.abs(found.values[mask == 1] - 3).max() < 1e-3 and (found.values[mask == 0] == 0).all()
    rounded = treated(np.where(usable, 3.0, 1e5).astype(np.float32), treatment(usable, rounded_edges=True))
    assert np.abs(rounded.values[treatment(usable, rounded_edges=True).polar_mask == 1] - 3).max() > 0.3


def test_bad_pixels_are_masked_in_their_pattern_alone():
    image = noise()
    image[40, 40], image[10, 50], image[11, 20] = np.nan, 5000, -3
    found = treated(image, treatment(thresholds=(-1, 1000)))
    assert found.mask is not None and found.mask.sum() < treatment().polar_mask.sum()
    assert [tuple(place) for place in np.argwhere(~found.pixels)] == [(10, 50), (11, 20), (40, 40)]
    clean = image.copy()
    clean[[40, 10, 11], [40, 50, 20]] = 1e6
    again = treated(np.where(clean == 1e6, np.nan, clean), treatment())
    assert np.array_equal(again.values, found.values)
    zero = treated(image, treatment(nan_is_zero=True))
    assert zero.mask is None and zero.pixels.all()


def test_background_and_corrections():
    image = noise()
    background = np.linspace(0, 5, 64)[:, None] * np.ones(64)
    plain = treated((image - background).astype(np.float64), treatment())
    assert treated(image, treatment(background=background)).values == pytest.approx(plain.values, abs=1e-9)
    factors = GRID.corrections("v", True)
    assert treated(image, treatment(corrections=factors)).values == pytest.approx(treated(image, treatment()).values * factors)


@pytest.mark.parametrize("method", ["average_sigma", "median_mad"])
def test_outliers_on_rings(method):
    usable = ALL.copy()
    usable[:, 30:34] = False
    image = noise()
    image[45, 45] = 400
    plain = treated(image, treatment(usable, order=1))
    found = treated(image, treatment(usable, order=1, radial_filter=RadialFilter(method, 4.0)))
    mask = treatment(usable, order=1).polar_mask
    for ring in range(len(GRID.q)):
        values = plain.values[mask[:, ring] == 1, ring]
        if method == "average_sigma":
            far = np.abs(values - values.mean()) > 4 * values.std()
        else:
            far = np.abs(values - np.median(values)) > 4 * 1.4826022185056018 * np.median(np.abs(values - np.median(values)))
        assert np.array_equal(found.mask[mask[:, ring] == 1, ring] == 0, far)
    assert 0 < mask.sum() - found.mask.sum() < 20


def test_frames_are_judged_and_normalised_by_their_region():
    roi = {"roi": (0.1, 0.2), "roi_limits": (15.0, 25.0)}
    found = treated(noise(), treatment(**roi))
    rings = (GRID.q >= 0.1) & (GRID.q <= 0.2)
    assert found.good and found.roi_mean == pytest.approx(found.values[:, rings].mean())
    assert not treated(noise(mean=30.0), treatment(**roi)).good
    normalised = treated(noise(), treatment(roi=(0.1, 0.2), normalise=True))
    assert normalised.values[:, rings].mean() == pytest.approx(1)
    assert not treated(noise() * 0, treatment(roi=(0.1, 0.2), normalise=True)).good
    assert not treated(noise(), treatment(roi=(5.0, 6.0), roi_limits=(0.0, 1.0))).good


def test_an_arc_masks_the_rest_of_the_circle():
    arc = polar_grid(DETECTOR, GRID.q, (0.0, np.pi, 45, "exact"))
    found = treated(noise(), Treatment(arc, 2, ALL))
    assert (found.values[45:] == 0).all() and (found.values[:45] != 0).any()


def test_an_image_of_another_shape_is_refused():
    with pytest.raises(DataError, match=r"p7.raw: has shape \(3, 4\), the settings say image_dimensions \[64, 64\]"):
        treated(np.zeros((3, 4)), treatment(), "p7.raw")
