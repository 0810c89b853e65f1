"""Centre of mass and the shift that brings it to the origin, for Gaussians whose place is known."""

import numpy as np
import pytest

from fxs_hpc.engine.interface import Geometry, PlaneGeometry
from fxs_hpc.fluctuation.centring import Centring
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

WIDTH = 40.0


def made(dimensions: int, complex_density: bool):
    radial = RadialGrid(32, 0.12, dimensions=dimensions)
    if dimensions == 3:
        return Geometry(radial, AngularGrid(24, 48), 11, complex_density)
    return PlaneGeometry(radial, CircleGrid(40), 14, complex_density)


def gaussian(geometry, centre: np.ndarray) -> np.ndarray:
    place = geometry.radial.r[(slice(None), *[None] * (geometry.radial.dimensions))] * geometry.angular.directions()
    return np.exp(-((place - centre) ** 2).sum(axis=-1) / (2 * WIDTH**2))


@pytest.mark.parametrize("complex_density", [False, True])
@pytest.mark.parametrize(("dimensions", "centre"), [(3, [12.0, -15.0, 10.0]), (2, [18.0, -11.0])])
def test_a_gaussian_comes_to_the_origin(dimensions: int, centre: list[float], complex_density: bool) -> None:
    geometry = made(dimensions, complex_density)
    factor = 1 + 0.3j if complex_density else 1.0
    density = factor * gaussian(geometry, np.array(centre))
    everywhere = np.ones(density.shape, bool)
    centring = Centring(geometry)
    # In the plane the midpoint rule of r dr errs by h^2 / 24 rho(0) of the mass.
    shift = {3: 1e-3, 2: geometry.radial.r[0] ** 2 / 6 / WIDTH**2 * np.linalg.norm(centre)}[dimensions]
    np.testing.assert_allclose(centring.centre_of_mass(density, everywhere), centre, atol=shift)
    moved = centring.centred(density, everywhere)
    assert np.iscomplexobj(moved) == complex_density and moved.shape == density.shape
    # The transforms of the plane are inexact near the origin, with and without a shift.
    first, tolerance = {3: (0, 1e-3), 2: (4, 0.01)}[dimensions]
    expected = factor * gaussian(geometry, np.zeros(dimensions))
    assert np.abs(moved - expected)[first:].max() < tolerance
    assert np.abs(moved - density)[first:].max() > 0.1


@pytest.mark.parametrize("dimensions", [2, 3])
def test_only_the_positive_part_inside_the_support_has_mass(dimensions: int) -> None:
    geometry = made(dimensions, False)
    centre = np.array([10.0, 5.0, -8.0][:dimensions])
    density = gaussian(geometry, centre)
    support = density > 0.3
    expected = Centring(geometry).centre_of_mass(density, support)
    disturbed = np.where(support, density, np.random.default_rng(0).normal(size=density.shape))
    assert np.array_equal(Centring(geometry).centre_of_mass(disturbed, support), expected)
    np.testing.assert_array_equal(Centring(geometry).centre_of_mass(-density, support), np.zeros(dimensions))
