"""Interpolated amplitudes against exact ones."""

import numpy as np
import pytest

from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.fourier_volume import fourier_volume
from fxs_hpc.fluctuation.model_density import sampled
from fxs_hpc.fluctuation.scatterers import Atoms, DensityMap, FormFactor, Solids, as_cartesian

KINDS, CENTRES = ["sphere", "cube", "tetrahedron"], [(30, 1, 0.3), (25, 2, 2.5), (30, 1.2, 4.4)]
SOLIDS = shapes.build(KINDS, CENTRES, [14, 10, 18], [1, 2, 1.5], [True] * 3, 3)
Q_MAX = 0.3


def wave_vectors(count=4000, seed=0, q_max=Q_MAX):
    random = np.random.default_rng(seed)
    q = random.normal(size=(count, 3))
    return q * (q_max * random.random(count) ** (1 / 3) / np.linalg.norm(q, axis=1))[:, None]


def test_solids_to_1e4_of_their_amplitude_nearby():
    volume, q = fourier_volume(Solids(SOLIDS), Q_MAX), wave_vectors()
    exact, found = shapes.amplitude(SOLIDS, q), volume.amplitude(q)
    modulus = np.linalg.norm(q, axis=1)
    for low in np.arange(0, Q_MAX, 0.05):
        shell = (modulus >= low) & (modulus < low + 0.05)
        limit = 1e-4 if low + 0.05 < 0.9 * Q_MAX else 4e-4
        assert np.linalg.norm((found - exact)[shell]) < limit * np.linalg.norm(exact[shell])


def test_a_rotation_turns_the_object():
    volume, q = fourier_volume(Solids(SOLIDS), 0.2), wave_vectors(200, q_max=0.2)
    turn = np.array(shapes.random_rotation(5, 1))
    turned = [
        shapes.Shape(s.kind, tuple(turn @ s.center), s.size, s.density, tuple(map(tuple, turn @ np.array(s.rotation)))) for s in SOLIDS
    ]
    exact = shapes.amplitude(turned, q)
    assert np.abs(volume.amplitude(q, turn) - exact).max() < 1e-4 * np.abs(exact).max()


def test_a_density_map_is_a_sum_over_voxels():
    random = np.random.default_rng(1)
    density = random.random((5, 6, 7))
    thing = DensityMap(density, (2.0, 2.5, 3.0))
    x = np.array([0.1, -0.2])
    axis = np.linspace(-0.5, 0.5, 5)
    found = thing.amplitude_planes(x, axis)
    places = np.stack(np.meshgrid(*(thing.positions(a) for a in range(3)), indexing="ij"), axis=-1)
    for i, j, k in np.ndindex(found.shape):
        wave = np.exp(-1j * places @ np.array([x[i], axis[j], axis[k]]))
        assert found[i, j, k] == pytest.approx((2 * np.pi) ** -1.5 * 15.0 * (density * wave).sum())
    assert thing.radius >= np.linalg.norm(places, axis=-1).max()
    coarse = DensityMap(density, (20.0, 2.5, 3.0))
    assert (coarse.amplitude_planes(np.array([0.2]), axis) == 0).all()  # beyond pi / 20 A


def test_atoms_are_form_factors_and_phases():
    factor = FormFactor((2.0, 1.0), (10.0, 3.0), 0.5)
    places = np.array([[1.0, 2.0, 3.0], [-4.0, 0.0, 1.0]])
    atoms = Atoms({"X": places}, {"X": np.array([1.0, 0.5])}, {"X": factor}, b_factor=8.0)
    q = np.array([0.3, -0.4, 0.9])
    axis = np.array([-0.4, 0.9])
    s_squared = (q @ q) / (4 * np.pi) ** 2
    expected = (2.0 * np.exp(-10 * s_squared) + np.exp(-3 * s_squared) + 0.5) * np.exp(-8.0 * s_squared)
    expected *= np.exp(-1j * places @ q) @ np.array([1.0, 0.5]) * (2 * np.pi) ** -1.5
    assert atoms.amplitude_planes(np.array([0.3]), axis)[0, 0, 1] == pytest.approx(expected)
    # Displacements of sqrt(B / 8 pi^2) smear the electrons out.
    assert atoms.radius == pytest.approx(np.sqrt(17) + 2 + 4 / np.pi)


def test_a_spherical_density_becomes_cartesian_and_back():
    r, phi = np.linspace(0.5, 30, 60), 2 * np.pi * np.arange(48) / 48
    theta = np.arccos(np.polynomial.legendre.leggauss(24)[0][::-1])
    points = shapes.spherical_points(r[:, None, None], theta[:, None], phi)
    density = np.exp(-((points - np.array([4.0, -3.0, 6.0])) ** 2).sum(axis=-1) / (2 * 6.0**2))
    thing = as_cartesian(shapes.Model((), r, theta, phi, density), 1.5)
    volume, q = fourier_volume(thing, 0.6), wave_vectors(500, q_max=0.6)
    exact = 6.0**3 * np.exp(-((q**2).sum(axis=1)) * 18) * np.exp(-1j * q @ np.array([4.0, -3.0, 6.0]))
    assert np.abs(volume.amplitude(q) - exact).max() < 0.01 * np.abs(exact).max()
    assert np.abs(sampled(volume, r, theta, phi) - density).max() < 0.03
