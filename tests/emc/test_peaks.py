"""Patches of outliers: against scipy's labels, and what the reference program did wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from fxs_hpc.emc.peaks import PeakPatches, centroids, connect
from fxs_hpc.errors import DataError


def patches_of(image, panel=None):
    panel = np.zeros(image.shape, np.int32) if panel is None else panel
    pixel = np.flatnonzero(image.ravel()).astype(np.int32)
    state, queue = np.zeros(image.size, np.uint8), np.zeros(len(pixel), np.int32)
    first = connect(pixel, panel.ravel(), image.shape[1], state, queue)
    assert not state.any()
    return [set(queue[start:stop].tolist()) for start, stop in zip(first[:-1], first[1:])]


@given(arrays(bool, (9, 12)))
def test_patches_are_the_connected_regions_of_two_pixels_and_more(image):
    labels, count = ndimage.label(image)
    expected = [set(np.flatnonzero(labels.ravel() == label).tolist()) for label in range(1, count + 1)]
    assert sorted(map(sorted, patches_of(image))) == sorted(sorted(patch) for patch in expected if len(patch) > 1)


def test_patches_do_not_go_on_at_the_other_end_of_a_row():
    image = np.zeros((4, 6), bool)
    image[1, 5] = image[2, 0] = True
    assert patches_of(image) == []


def test_patches_end_where_the_panel_ends():
    image = np.zeros((4, 6), bool)
    image[1:3, 2] = True
    panel = np.zeros((4, 6), np.int32)
    assert patches_of(image, panel) == [{8, 14}]
    panel[2:] = 1
    assert patches_of(image, panel) == []


def test_pixels_come_in_the_order_of_the_search():
    pixel = np.array([14, 13, 8, 20, 15, 2], np.int32)
    queue = np.zeros(6, np.int32)
    first = connect(pixel, np.zeros(24, np.int32), 6, np.zeros(24, np.uint8), queue)
    assert first.tolist() == [0, 6]
    assert queue.tolist() == [14, 8, 13, 15, 20, 2]


@pytest.fixture
def patches():
    return PeakPatches(np.array([3, 4, 9, 7, 8], np.int32), np.array([5, 1, 2, 4, 4], np.int32), np.array([0, 3, 5]))


def test_centroids_are_weighted_with_photons(patches):
    q = np.random.default_rng(0).normal(size=(10, 3))
    place = np.arange(10, dtype=np.int32)[::-1].copy()
    found = centroids(patches, q, place)
    np.testing.assert_allclose(found[0], (5 * q[6] + q[5] + 2 * q[0]) / 8)
    np.testing.assert_allclose(found[1], (q[2] + q[1]) / 2)
    assert patches.sizes.tolist() == [3, 2] and patches.photons.tolist() == [8, 8]


def test_a_peak_on_a_masked_pixel_is_an_error(patches):
    place = np.arange(10, dtype=np.int32)
    place[9] = -1
    with pytest.raises(DataError, match="masked or off the detector"):
        centroids(patches, np.zeros((9, 3)), place)
    with pytest.raises(DataError, match="masked or off the detector"):
        centroids(patches, np.zeros((9, 3)), place[:8])


@given(st.lists(st.integers(1, 5), max_size=8), st.randoms(use_true_random=False))
def test_selecting_patches_keeps_their_pixels(sizes, random):
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    pixel = np.arange(first[-1], dtype=np.int32)
    all_of_them = PeakPatches(pixel, 2 * pixel, first)
    kept = np.array([random.random() < 0.5 for _ in sizes], bool)
    some = all_of_them.selected(kept)
    assert some.sizes.tolist() == [size for size, keep in zip(sizes, kept) if keep]
    assert some.pixel.tolist() == [p for patch in np.flatnonzero(kept) for p in range(first[patch], first[patch + 1])]
    assert np.array_equal(some.count, 2 * some.pixel)
