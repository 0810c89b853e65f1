"""The Fourier transform of the plane against analytic pairs."""

import numpy as np
import pytest
from scipy.special import j1

from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid

RADIAL, CIRCLE = RadialGrid(96, 0.8, 3.0, "gauss", 2), CircleGrid(90)


def points(r):
    return r[:, None, None] * CIRCLE.directions()


def gaussian(centre, s=12.0):
    return np.exp(-((points(RADIAL.r) - centre) ** 2).sum(axis=-1) / (2 * s**2))


@pytest.fixture(scope="module")
def transform():
    return DiscTransform(RADIAL, CIRCLE, 44)


def test_a_shifted_gaussian_and_back(transform):
    centre, s = np.array([25.0, -10.0]), 12.0
    exact = s**2 * np.exp(-(RADIAL.q[:, None] ** 2) * s**2 / 2) * np.exp(-1j * points(RADIAL.q) @ centre)
    found = transform.amplitude(gaussian(centre))
    np.testing.assert_allclose(found, exact, atol=1e-9 * s**2)
    np.testing.assert_allclose(transform.density(found), gaussian(centre), atol=1e-6)


def test_shifting_brings_the_centre_to_the_origin(transform):
    centre = np.array([25.0, -10.0])
    np.testing.assert_allclose(transform.centre_of_mass(gaussian(centre)), centre, atol=1e-9)
    moved = transform.density(transform.shifted(transform.amplitude(gaussian(centre)), centre))
    np.testing.assert_allclose(moved, gaussian([0, 0]), atol=1e-6)


def test_integral_of_a_gaussian(transform):
    assert transform.integral(gaussian([20.0, 5.0])) == pytest.approx(2 * np.pi * 144, rel=1e-9)


def test_a_disc():
    radial = RadialGrid(400, 1.0, 1.0, dimensions=2)
    transform = DiscTransform(radial, CircleGrid(8), 3)
    disc = np.repeat(np.where(radial.r < 100, 1.0, 0)[:, None], 8, axis=1)
    exact = 100 * j1(radial.q * 100) / radial.q
    np.testing.assert_allclose(transform.amplitude(disc), np.repeat(exact[:, None], 8, axis=1), atol=2e-4 * 5000)
