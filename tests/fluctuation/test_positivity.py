"""Positivity of the intensity of projection matrices."""

import numpy as np
from scipy.stats import ortho_group

from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.invariants import invariants_of
from fxs_hpc.fluctuation.positivity import made_positive
from fxs_hpc.fluctuation.projection_matrices import coefficients, projection_matrices, q_limits
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

ORDER = 6
Q = np.linspace(0.01, 0.12, 12)
GRID = AngularGrid(24, 48)


def matrices():
    """V_l of two spheres, their columns mixed at random."""
    solids = shapes.build(["sphere"] * 2, [(25, 1, 2), (25, np.pi - 1, 2 + np.pi)], [15, 15], [1, 1], [False] * 2, 0)
    amplitude = shapes.amplitude(solids, GRID.directions()[:, :, None, :] * Q[:, None])
    invariants = invariants_of(SphericalTransform(GRID, ORDER).analyse(np.abs(amplitude) ** 2))
    found = projection_matrices(invariants, q_limits(Q, ORDER))
    return [v @ ortho_group.rvs(v.shape[1], random_state=3) if v.shape[1] > 1 else v for v in found]


def negative_part(found):
    field = SphericalTransform(GRID, ORDER).synthesise(coefficients(found))
    return np.maximum(-field, 0).sum() / np.abs(field).sum()


def test_the_intensity_becomes_more_positive_and_keeps_its_invariants():
    mixed = matrices()
    turned = made_positive(mixed, 300, 1e-6)
    assert negative_part(turned) < 0.5 * negative_part(mixed)
    for before, after in zip(mixed, turned, strict=True):
        assert before.shape == after.shape
        np.testing.assert_allclose(after @ after.T, before @ before.T, atol=1e-9 * np.abs(mixed[0]).max() ** 2)


def test_a_positive_intensity_stays_as_it_is():
    mean = [np.ones((5, 1)), np.zeros((5, 3)), 0.01 * np.eye(5)]
    for before, after in zip(mean, made_positive(mean, 20, 1e-9), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-12)


def test_orders_may_be_few():
    (only,) = made_positive([-np.ones((4, 1))], 5, 1e-6)
    np.testing.assert_allclose(np.abs(only), 1)


def vectors():
    """v_n of an intensity with two sharp peaks on every ring (a Poisson kernel, positive); their phases drawn at random."""
    phases = np.exp(2j * np.pi * np.random.default_rng(1).random(11))
    phases[0] = 1
    sharpness = np.linspace(0.6, 0.9, len(Q))
    return [(sharpness**n * phase * (n % 2 == 0))[:, None] for n, phase in enumerate(phases)]


def test_in_the_plane_phases_make_the_intensity_positive():
    given = vectors()
    turned = made_positive(given, 300, 1e-6, 2)
    transform = CircularTransform(CircleGrid(64), 10)
    negative = []
    for found in (given, turned):
        field = transform.synthesise(np.stack([vector[:, 0] for vector in found]))
        negative.append(np.maximum(-field, 0).sum() / np.abs(field).sum())
    assert negative[1] < 0.5 * negative[0]
    for before, after in zip(given, turned, strict=True):
        assert before.shape == after.shape
        np.testing.assert_allclose(after @ after.conj().T, before @ before.conj().T, atol=1e-9 * np.abs(given[0]).max() ** 2)


def test_the_iteration_stops_when_little_changes():
    """Any change is little enough for a limit of 1e9: one step for every pair of orders."""
    for given, dimensions in ((matrices(), 3), (vectors(), 2)):
        stopped, one = made_positive(given, 50, 1e9, dimensions), made_positive(given, 1, 1e-9, dimensions)
        many = made_positive(given, 50, 1e-9, dimensions)
        for a, b in zip(stopped, one, strict=True):
            np.testing.assert_array_equal(a, b)
        assert max(np.abs(a - b).max() for a, b in zip(many, one, strict=True)) > 1e-3 * np.abs(given[0]).max()
