"""Correlations from invariants against their definition as a mean over orientations."""

import numpy as np
import pytest

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation import correlation, shapes
from fxs_hpc.fluctuation.correlation import correlation_blocks
from fxs_hpc.fluctuation.invariants import invariants_of
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

WAVELENGTH = 12.0
Q = np.array([0.02, 0.05, 0.09, 0.11])
SOLIDS = shapes.build(["sphere", "tetrahedron"], [(9, 1, 2), (8, 2, 4)], [6, 9], [1, 2], [False, True], 0)
ORDER = 10


def invariants(order=ORDER):
    grid = AngularGrid(32, 64)
    amplitude = shapes.amplitude(SOLIDS, grid.directions()[:, :, None, :] * Q[:, None])
    return invariants_of(SphericalTransform(grid, order).analyse(np.abs(amplitude) ** 2))


def gathered(*args, **options):
    return np.concatenate([block for _, block in correlation_blocks(*args, **options)])


def orientation_mean(delta):
    """<I(q1, 0) I(q2, Delta)> over all orientations (Euler angles), points on the Ewald sphere."""
    beta, weights = np.polynomial.legendre.leggauss(14)
    angles = 2 * np.pi * np.arange(25) / 25
    cosine = Q * WAVELENGTH / (4 * np.pi)
    ring = 2 * np.pi * np.arange(len(delta)) / len(delta)
    sine = np.sqrt(1 - cosine**2)
    points = Q[:, None, None] * np.stack(
        [sine[:, None] * np.cos(ring), sine[:, None] * np.sin(ring), np.repeat(cosine[:, None], len(delta), 1)], axis=-1
    )
    total = np.zeros((len(Q), len(Q), len(delta)))
    for b, weight in zip(np.arccos(beta), weights):
        for a in angles:
            z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
            y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
            spectrum = np.fft.rfft(np.abs(shapes.amplitude(SOLIDS, points @ (z @ y).T)) ** 2, axis=-1)
            # The third Euler angle turns the pattern about the beam: a mean over the ring.
            total += weight * np.fft.irfft(spectrum[:, None].conj() * spectrum[None], len(delta), axis=-1) / len(delta)
    return total / 2 / len(angles)


def test_definition_on_a_strongly_curved_ewald_sphere():
    found = gathered(invariants(12), Q, WAVELENGTH, block_rows=3)
    expected = orientation_mean(correlation.correlation_angles(12))
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_direct_sum_is_the_same_function():
    found = gathered(invariants(), Q, WAVELENGTH)
    np.testing.assert_allclose(gathered(invariants(), Q, WAVELENGTH, "lstsq", block_rows=2), found, rtol=1e-12)


def test_legendre_is_the_limit_of_a_flat_ewald_sphere():
    flat = gathered(invariants(), Q, 1e-4)
    np.testing.assert_allclose(gathered(invariants(), Q, WAVELENGTH, "legendre"), flat, rtol=1e-9)


def test_the_reference_counts_the_highest_order_once():
    values = invariants()
    values[ORDER] = values[0]
    right, quirk = gathered(values, Q, WAVELENGTH), gathered(values, Q, WAVELENGTH, nyquist="reference")
    direct = gathered(values, Q, WAVELENGTH, "lstsq")
    np.testing.assert_allclose(right, direct, rtol=1e-12)
    spectrum = np.fft.rfft(right - quirk, axis=-1)
    assert np.abs(spectrum[..., :-1]).max() < 1e-12 * np.abs(spectrum[..., -1]).max()


def test_mean_over_the_angle_holds_the_average_intensity():
    values = np.zeros((5, 4, 4))
    values[0] = 4 * np.pi * np.outer([1, 2, 3, 4], [1, 2, 3, 4])
    np.testing.assert_allclose(gathered(values, Q, WAVELENGTH).mean(axis=-1), np.outer([1, 2, 3, 4], [1, 2, 3, 4]))


def test_impossible_momentum_transfers_and_methods_are_refused():
    with pytest.raises(SettingsError, match="out of reach"):
        gathered(invariants(), Q, 200.0)
    with pytest.raises(SettingsError, match="magic"):
        gathered(invariants(), Q, 1.0, "magic")
