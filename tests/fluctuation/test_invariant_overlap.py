"""FQCB: invariants do not know orientations, so equal objects in any pose overlap fully, others do not."""

import numpy as np
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fxs_hpc.fluctuation.invariant_overlap import invariants, overlap


def test_invariants_of_the_plane_are_products_of_fourier_coefficients(disc, flat_blobs):
    intensity = np.abs(flat_blobs.amplitude(disc)) ** 2
    b = invariants(disc, intensity)
    orders = np.fft.fft(intensity, axis=0)[:8] / intensity.shape[0]
    np.testing.assert_allclose(b[:8], orders[:, :, None] * orders[:, None].conj(), atol=1e-10 * np.abs(b).max())


def test_invariants_of_space_are_sums_over_m(ball, blobs):
    intensity = np.abs(blobs.amplitude(ball)) ** 2
    angular = ball.angular
    for l in (0, 2, 5):
        y = scipy.special.sph_harm_y(l, np.arange(-l, l + 1)[:, None, None], angular.theta[:, None], angular.phi)
        rows = np.einsum("tpq,mtp,tp->mq", intensity, y.conj(), angular.solid_angle)
        expected = (rows.T @ rows.conj()).real
        np.testing.assert_allclose(invariants(ball, intensity)[l], expected, atol=1e-9 * np.abs(invariants(ball, intensity)).max())


def test_objects_in_other_poses_overlap_fully(ball, blobs, disc, flat_blobs):
    turned = blobs.moved(Rotation.random(random_state=1).as_matrix(), (3, 1, 2))
    a, b = (invariants(ball, np.abs(x.amplitude(ball)) ** 2) for x in (blobs, turned))
    np.testing.assert_allclose(overlap(a, b)[:20], 1, atol=1e-3)
    a, b = (invariants(disc, np.abs(x.amplitude(disc)) ** 2) for x in (flat_blobs, flat_blobs.moved([[0.6, -0.8], [0.8, 0.6]], (3, 1))))
    np.testing.assert_allclose(overlap(a, b)[:24], 1, atol=1e-6)


def test_another_object_does_not_overlap(disc, flat_blobs):
    other = type(flat_blobs)(flat_blobs.centres * [1.6, 0.4], flat_blobs.heights)
    a, b = (invariants(disc, np.abs(x.amplitude(disc)) ** 2) for x in (flat_blobs, other))
    assert overlap(a, b)[10:20].max() < 0.9


@given(st.integers(0, 2**31 - 1))
def test_overlap_against_sums_one_by_one(seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=(4, 3, 3)) + 1j * rng.normal(size=(4, 3, 3)) for _ in range(2))
    expected = np.zeros(3)
    for i in range(3):
        for j in range(i + 1):
            cross = sum(a[n, i, j] * np.conj(b[n, i, j]) for n in (1, 2, 3))
            norm = sum(abs(a[n, i, j]) ** 2 for n in (1, 2, 3)) * sum(abs(b[n, i, j]) ** 2 for n in (1, 2, 3))
            expected[i] += abs(cross) / np.sqrt(norm) / (i + 1)
    np.testing.assert_allclose(overlap(a, b), expected)
    assert overlap(a, 0 * b).max() == 0 and np.all(overlap(a, b) <= 1 + 1e-12)
