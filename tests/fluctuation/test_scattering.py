"""Density -> amplitude -> intensity, against analytic Fourier transforms."""

import numpy as np
import pytest

from fxs_hpc.fluctuation import scattering, shapes
from fxs_hpc.fluctuation.invariants import invariants_of
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid, volume_integral
from fxs_hpc.harmonics.hankel import hankel_matrices
from fxs_hpc.harmonics.spherical import SphericalTransform

ORDER = 20
RADIAL = RadialGrid(64, 0.8, 1.0)
ANGULAR = AngularGrid.alias_free(ORDER, ORDER)
TRANSFORM = SphericalTransform(ANGULAR, ORDER)
CENTER = np.array([6.0, -3.0, 8.0])


def complex_amplitude(coef):
    """F [theta, phi, q] of the coefficients of A (even l) and B (odd l)."""
    even, odd = coef.copy(), coef.copy()
    even[:, 1::2] = 0
    odd[:, 0::2] = 0
    return TRANSFORM.synthesise(even) + 1j * TRANSFORM.synthesise(odd)


def grid_points(radii):
    return ANGULAR.directions()[:, :, None, :] * radii[:, None]


def gaussian_density(width):
    distance = np.linalg.norm(grid_points(RADIAL.r) - CENTER, axis=-1)
    return np.moveaxis(np.exp(-((distance / width) ** 2) / 2), -1, 0)


def test_an_off_centre_gaussian_has_the_phase_of_e_to_minus_iqr():
    width = 6.0
    coef = scattering.density_coefficients(gaussian_density(width), TRANSFORM)
    found = complex_amplitude(scattering.amplitude_coefficients(coef, hankel_matrices(RADIAL, ORDER)))
    q = grid_points(RADIAL.q)
    exact = width**3 * np.exp(-((q**2).sum(axis=-1) * width**2) / 2 - 1j * (q @ CENTER))
    np.testing.assert_allclose(found, exact, atol=1e-7 * width**3)


def test_an_off_centre_sphere_has_its_analytic_amplitude():
    solid = [shapes.Shape("sphere", tuple(CENTER), 20.0, 2.0)]
    density = shapes.density_on(solid, RADIAL.r, ANGULAR.theta, ANGULAR.phi)
    coef = scattering.density_coefficients(density, TRANSFORM, workers=2)
    found = complex_amplitude(scattering.amplitude_coefficients(coef, hankel_matrices(RADIAL, ORDER), workers=2))
    exact = shapes.amplitude(solid, grid_points(RADIAL.q))
    # Point sampling leaves an error at the surface; the scale and the phase must be right.
    low = RADIAL.q < 0.3
    assert np.linalg.norm((found - exact)[..., low]) < 0.02 * np.linalg.norm(exact[..., low])
    wrong_phase = np.linalg.norm((found.conj() - exact)[..., low])
    assert wrong_phase > 0.5 * np.linalg.norm(exact[..., low])


def test_parseval():
    density = gaussian_density(6.0)
    coef = scattering.density_coefficients(density, TRANSFORM)
    amplitude = complex_amplitude(scattering.amplitude_coefficients(coef, hankel_matrices(RADIAL, ORDER)))
    real = volume_integral(np.moveaxis(density, 0, -1) ** 2, RADIAL.r_weights, ANGULAR)
    assert volume_integral(np.abs(amplitude) ** 2, RADIAL.q_weights, ANGULAR) == pytest.approx(real, rel=1e-6)


def test_intensity_coefficients_are_those_of_the_squared_modulus():
    coef = scattering.density_coefficients(gaussian_density(6.0), TRANSFORM)
    amplitude = scattering.amplitude_coefficients(coef, hankel_matrices(RADIAL, ORDER))
    intensity = TRANSFORM.analyse(np.abs(complex_amplitude(amplitude)) ** 2)
    found = scattering.intensity_coefficients(amplitude, TRANSFORM, workers=2)
    np.testing.assert_allclose(found, intensity, atol=1e-12 * np.abs(intensity).max())


def test_the_whole_chain_is_the_sum_of_its_parts():
    density = gaussian_density(5.0)
    coef = scattering.density_coefficients(density, TRANSFORM)
    amplitude = scattering.amplitude_coefficients(coef, hankel_matrices(RADIAL, ORDER))
    parts = scattering.intensity_coefficients(amplitude, TRANSFORM)
    np.testing.assert_allclose(scattering.density_to_intensity(density, RADIAL, TRANSFORM, workers=2), parts, rtol=1e-12)


@pytest.mark.parametrize("kind", ["cube", "tetrahedron"])
def test_cubic_symmetry_forbids_order_two_up_to_sampling(kind):
    solid = [shapes.Shape(kind, (0.0, 0.0, 0.0), 15.0, 1.0)]
    density = shapes.density_on(solid, RADIAL.r, ANGULAR.theta, ANGULAR.phi)
    invariants = invariants_of(scattering.density_to_intensity(density, RADIAL, TRANSFORM))
    assert np.abs(invariants[4]).max() > 1e-4 * np.abs(invariants[0]).max()
    assert np.abs(invariants[2]).max() < 0.2 * np.abs(invariants[4]).max()


def test_a_centred_sphere_has_no_invariant_but_the_mean():
    solid = [shapes.Shape("sphere", (0.0, 0.0, 0.0), 15.0, 1.0)]
    density = shapes.density_on(solid, RADIAL.r, ANGULAR.theta, ANGULAR.phi)
    invariants = invariants_of(scattering.density_to_intensity(density, RADIAL, TRANSFORM))
    assert np.abs(invariants[1:]).max() < 1e-20 * np.abs(invariants[0]).max()
