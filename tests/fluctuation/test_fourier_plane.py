"""Amplitudes of objects of the plane between the points of their grid, and patterns made of them."""

import numpy as np
import pytest

from fxs_hpc.fluctuation import pattern_simulation, plane_shapes, shapes
from fxs_hpc.fluctuation.fourier_plane import Figures, PlaneDensity, as_pixels, fourier_plane
from fxs_hpc.fluctuation.plane_patterns import PlaneExperiment, exact_plane_invariants
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.polar_grid import FlatDetector

BODIES = plane_shapes.build(["disc", "square", "triangle"], [(30, 0.3), (25, 2.5), (30, 4.4)], [14, 10, 18], [1, 2, 1.5], [True] * 3, 3)
Q_MAX = 0.3
DETECTOR = FlatDetector((40, 44), 800.0, 300.0, 1.23984, (19.6, 20.9))


@pytest.fixture(scope="module")
def plane():
    return fourier_plane(Figures(BODIES), DETECTOR.q_of(30.0))


def wave_vectors(q_max, count=500):
    random = np.random.default_rng(0)
    q = plane_shapes.polar_points(q_max * np.sqrt(random.random(count)), random.uniform(0, 2 * np.pi, count))
    return np.concatenate([q, np.zeros((count, 1))], axis=1)


def turn(angle):
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


def test_interpolated_amplitudes_are_the_exact_ones():
    plane, q = fourier_plane(Figures(BODIES), Q_MAX), wave_vectors(Q_MAX)
    exact = shapes.amplitude(BODIES, q[:, :2])
    largest = abs(shapes.amplitude(BODIES, np.zeros((1, 2)))[0])
    np.testing.assert_allclose(plane.amplitude(q), exact, atol=2e-6 * largest)


def test_a_turned_object():
    plane, q = fourier_plane(Figures(BODIES), Q_MAX), wave_vectors(Q_MAX)
    turned = plane_shapes.build(["disc", "square", "triangle"], [(30, 1.3), (25, 3.5), (30, 5.4)], [14, 10, 18], [1, 2, 1.5], [True] * 3, 3)
    turned = [shapes_turned(body, 1.0) for body in turned]
    largest = abs(shapes.amplitude(BODIES, np.zeros((1, 2)))[0])
    np.testing.assert_allclose(plane.amplitude(q, turn(1.0)), shapes.amplitude(turned, q[:, :2]), atol=2e-6 * largest)


def shapes_turned(body, angle):
    return plane_shapes.PlaneShape(body.kind, body.center, body.size, body.density, body.angle + angle)


def test_pixels_and_polar_grids_have_the_amplitude_of_the_object():
    ticks = (np.arange(400) - 199.5) * 0.3
    density = shapes.density_at(BODIES, np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1))
    pixels = PlaneDensity(density, (0.3, 0.3))
    r, phi = np.arange(160) * 0.35 + 0.2, 2 * np.pi * np.arange(600) / 600
    polar = as_pixels(PlaneModel((), r, phi, plane_shapes.density_on(BODIES, r, phi)), 0.5)
    q = wave_vectors(Q_MAX)
    exact = shapes.amplitude(BODIES, q[:, :2])
    largest = abs(shapes.amplitude(BODIES, np.zeros((1, 2)))[0])
    for thing in (pixels, polar):
        assert thing.radius == pytest.approx(shapes.outer_radius(BODIES), abs=1.5)
        np.testing.assert_allclose(fourier_plane(thing, Q_MAX).amplitude(q), exact, atol=0.01 * largest)
    middle = np.array([[25 * np.cos(2.5), 25 * np.sin(2.5)], [500.0, 0.0]])
    np.testing.assert_allclose(pixels.density_at(middle), [2, 0])


def experiment(**changes):
    usable = np.ones(DETECTOR.shape, bool)
    usable[15:25, 17:25] = False
    return PlaneExperiment(DETECTOR, usable, **{"scale": 3.0, "noise": False, **changes})


def test_a_pattern_is_the_intensity_at_the_q_of_its_pixels(plane):
    given = experiment()
    shot = pattern_simulation.shot(plane, given, seed=2, number=7)
    quaternion = shot.orientations[0]
    assert quaternion[1] == quaternion[2] == 0
    rows, columns = np.nonzero(given.usable)
    x, y = rows - 19.6, columns - 20.9
    q = DETECTOR.q_of(np.hypot(x, y)) * np.exp(1j * np.arctan2(y, x)) * np.exp(-2j * np.arctan2(quaternion[3], quaternion[0]))
    exact = np.abs(shapes.amplitude(BODIES, np.stack([q.real, q.imag], axis=-1))) ** 2
    expected = 3.0 * exact * given.geometry
    np.testing.assert_allclose(shot.image[given.usable], expected, atol=1e-5 * expected.max())
    assert not shot.image[~given.usable].any()


def test_angles_are_uniform():
    quaternions = PlaneExperiment(DETECTOR, np.ones(DETECTOR.shape, bool), 1.0).orientations(np.random.default_rng(0), 4000)
    angles = 2 * np.arctan2(quaternions[:, 3], quaternions[:, 0])
    for order in (1, 2, 3):
        assert abs(np.exp(1j * order * angles).mean()) < 4 / np.sqrt(4000)
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1)


def test_waves_of_particles_interfere_in_the_plane(plane):
    given = experiment(particles=2, interference=True, focus=1e-6)
    shot = pattern_simulation.shot(plane, given, 1, 0)
    turns = [pattern_simulation.rotation_matrix(quaternion) for quaternion in shot.orientations]
    wave = sum(shapes.amplitude(BODIES, (given.wave_vectors @ matrix)[:, :2]) for matrix in turns)
    expected = 3.0 * np.abs(wave) ** 2 * given.geometry
    np.testing.assert_allclose(shot.image[given.usable], expected, atol=1e-5 * expected.max())


def test_exact_invariants(plane):
    q = np.linspace(0, Q_MAX, 12)
    invariants, mean = exact_plane_invariants(plane, q, 8)
    phi = 2 * np.pi * np.arange(512) / 512
    intensity = np.abs(shapes.amplitude(BODIES, plane_shapes.polar_points(q[:, None], phi))) ** 2
    np.testing.assert_allclose(mean, intensity.mean(axis=1), rtol=1e-4, atol=1e-6 * intensity.max())
    for order in range(9):
        component = (intensity * np.exp(-1j * order * phi)).mean(axis=1)
        np.testing.assert_allclose(invariants[order], np.outer(component, component.conj()), atol=2e-6 * intensity.max() ** 2)


def test_fluence_counts_electrons_per_area():
    in_plane, in_space = (pattern_simulation.scale_of_fluence(1e6, DETECTOR, dimensions) for dimensions in (2, 3))
    assert in_space / in_plane == pytest.approx(2 * np.pi)
