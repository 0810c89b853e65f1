"""Densities that are moved and turned: against formulas of Gaussians anywhere, and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.placement import BallMove, PlaneMove, orientation, rotated
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

RADIAL = RadialGrid(40, 0.3, kind="gauss", dimensions=2)
CENTRES = np.array([[30.0, 5.0], [-12.0, 24.0], [-3.0, -21.0]])
HEIGHTS = np.array([1.0, 2.0, 1.5])
WIDTH = 14.0


def particle(angular: CircleGrid, centres: np.ndarray, where: str = "r") -> np.ndarray:
    """Density (N, n_phi) or amplitude of Gaussians at `centres`."""
    place = getattr(RADIAL, where)[:, None, None] * angular.directions()
    if where == "q":
        waves = np.exp(-1j * place @ centres.T) @ HEIGHTS
        return WIDTH**2 * np.exp(-(WIDTH**2) * (place**2).sum(axis=-1) / 2) * waves
    return np.exp(-((place[:, :, None] - centres) ** 2).sum(axis=-1) / (2 * WIDTH**2)) @ HEIGHTS


def turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@given(shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)), angle=st.floats(-7, 7), n_phi=st.sampled_from([72, 75]))
@settings(max_examples=15)
def test_a_particle_moves_to_where_the_formula_says(shift: tuple[float, float], angle: float, n_phi: int) -> None:
    angular = CircleGrid(n_phi)
    centre = np.array(shift)
    move = PlaneMove(DiscTransform(RADIAL, angular, 32), centre, angle)
    there = (CENTRES - centre) @ turn(angle).T
    density, amplitude = particle(angular, there), particle(angular, there, "q")
    found = move.density(particle(angular, CENTRES))
    assert found.dtype == float
    assert np.abs(found - density).max() < 2e-3 * density.max()  # beyond q_max: exp(-(width q_max)^2 / 2), and order 32
    assert np.abs(move.amplitude(particle(angular, CENTRES, "q")) - amplitude).max() < 1e-9 * np.abs(amplitude).max()
    complex_density = (1 + 0.5j) * particle(angular, CENTRES)
    np.testing.assert_allclose(move.density(complex_density), (1 + 0.5j) * found, atol=1e-12)


def test_a_support_moves_with_the_particle() -> None:
    angular = CircleGrid(144)
    centre, angle = np.array([20.0, -9.0]), 0.7
    move = PlaneMove(DiscTransform(RADIAL, angular, 60), centre, angle)
    before, after = (particle(angular, c) > 0.4 for c in (CENTRES, (CENTRES - centre) @ turn(angle).T))
    found = move.support(before)
    assert (found != after).sum() < 0.05 * after.sum()
    nothing = PlaneMove(move.transform, np.zeros(2), 0.0).support(before)
    assert np.array_equal(nothing, before)


@given(steps=st.integers(0, 20), n_phi=st.sampled_from([8, 9, 30]))
def test_turning_by_whole_steps_rolls(steps: int, n_phi: int) -> None:
    field = np.random.default_rng(0).normal(size=(3, n_phi))
    found = rotated(field, 2 * np.pi * steps / n_phi)
    np.testing.assert_allclose(found, np.roll(field, steps, axis=1), atol=1e-12)


def vectors(orders: range, seed: int) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {n: (rng.normal(size=(40, 1)) + 1j * rng.normal(size=(40, 1))) * (4 if n == 6 else 1) for n in orders}


@given(seed=st.integers(0, 1000), k=st.integers(0, 5), odd=st.booleans())
def test_reconstructions_of_one_particle_are_turned_alike(seed: int, k: int, odd: bool) -> None:
    """Whatever of the rotations by 2 pi k / n one starts from; without odd orders up to pi."""
    rng = np.random.default_rng(seed + 1)
    data = vectors(range(1, 11) if odd else range(2, 11, 2), seed)
    phases = {n: np.exp(1j * rng.uniform(0, 2 * np.pi)) for n in data} | {6: 1.0 + 0j}
    alpha = 2 * np.pi * k / 6
    seen = {n: u * np.exp(-1j * n * alpha) for n, u in phases.items()}
    one, other = (orientation(data, factors, RADIAL.q, 6) for factors in (phases, seen))
    period = 2 * np.pi if odd else np.pi
    difference = (other + alpha - one) / period
    assert abs(difference - round(difference)) < 1e-9
    assert abs(one * 6 / (2 * np.pi) - round(one * 6 / (2 * np.pi))) < 1e-9


@given(seed=st.integers(0, 1000), alpha=st.floats(0, 6))
def test_a_free_rotation_is_fixed_as_well(seed: int, alpha: float) -> None:
    data = vectors(range(2, 11, 2), seed)
    rng = np.random.default_rng(seed + 1)
    phases = {n: np.exp(1j * rng.uniform(0, 2 * np.pi)) for n in data}
    seen = {n: u * np.exp(-1j * n * alpha) for n, u in phases.items()}
    one, other = (orientation(data, factors, RADIAL.q, 6) for factors in (phases, seen))
    difference = (other + alpha - one) / np.pi
    assert abs(difference - round(difference)) < 1e-9
    assert np.exp(-6j * one) * phases[6] == pytest.approx(1, abs=1e-9)


def test_a_density_in_space_moves_to_where_the_formula_says() -> None:
    radial, angular = RadialGrid(32, 0.3), AngularGrid(28, 56)
    centre, centres = np.array([9.0, -12.0, 6.0]), np.array([[20.0, 3.0, -6.0], [-9.0, -16.0, 12.0]])

    def at(places: np.ndarray) -> np.ndarray:
        points = radial.r[:, None, None, None] * angular.directions()
        return np.exp(-((points[..., None, :] - places) ** 2).sum(axis=-1) / (2 * WIDTH**2)) @ HEIGHTS[:2]

    move = BallMove(BallTransform(radial, angular, 24), angular, centre)
    found, expected = move.density(at(centres)), at(centres - centre)
    assert np.abs(found - expected).max() < 3e-3 * expected.max()
    supports = (at(centres) > 0.4, expected > 0.4)
    assert (move.support(supports[0]) != supports[1]).sum() < 0.1 * supports[1].sum()
    amplitude = np.exp(-1j * (radial.q[:, None, None, None] * angular.directions()) @ centre)
    np.testing.assert_allclose(move.amplitude(amplitude), 1, atol=1e-12)
    np.testing.assert_allclose(move.amplitude(1j * amplitude), 1j, atol=1e-12)
