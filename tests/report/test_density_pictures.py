"""Sections show what the field holds where it holds it."""

import numpy as np
from scipy.spatial.transform import Rotation

from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.report.resolution import plot_comparison, plot_fsc, plot_prtf
from fxs_hpc.report.sections import Panel, SphericalAxes, centre_of_mass, plot_sections, principal_frame, sample

ANGULAR = AngularGrid(48, 96)
AXES = SphericalAxes((np.arange(40) + 0.5) * 1.5, ANGULAR.theta, ANGULAR.phi)
POINTS = ANGULAR.directions()[:, :, None, :] * AXES.r[:, None]


def test_sampling_reproduces_a_linear_field():
    slope = np.array([0.3, -1.0, 0.7])
    points = np.random.default_rng(0).uniform(-25, 25, (200, 3))
    np.testing.assert_allclose(sample(POINTS @ slope, AXES, points), points @ slope, atol=0.12)


def test_nothing_beyond_the_last_shell():
    assert sample(np.ones((48, 96, 40)), AXES, np.array([[0.0, 0, 100]])) == 0


def test_principal_frame_of_a_long_and_a_flat_object():
    matrix = Rotation.random(random_state=2).as_matrix()
    local = POINTS @ matrix
    field = np.exp(-((local / np.array([25.0, 12, 5])) ** 2).sum(axis=-1))
    frame = principal_frame(field, AXES)
    np.testing.assert_allclose(np.abs(np.sum(frame * matrix.T, axis=1)), 1, atol=1e-3)
    np.testing.assert_allclose(np.linalg.det(frame), 1)


def test_pictures_are_drawn(tmp_path):
    field = np.exp(-(POINTS**2).sum(axis=-1) / 300)
    panels = [Panel("a", field), Panel("b", field - 0.5, diverging=True), Panel("nothing", 0 * field)]
    plot_sections(tmp_path / "s.png", panels, AXES, 40.0, numbers={"n": "1"})
    q = np.linspace(0.01, 0.3, 30)
    plot_prtf(tmp_path / "p.png", q, {"PRTF": np.exp(-q) + 0j}, np.full(30, 0.1), 4)
    plot_fsc(tmp_path / "f.png", q, {"halves": np.cos(9 * q)}, np.full(30, 0.2), None)
    plot_comparison(tmp_path / "c.png", q, q, [1e-5, 1e-3], {"a": [0.9, 0.8]}, {"a": 0.9, "b": 0.8})
    plot_comparison(tmp_path / "d.png", q, q, [1e-5], {"a": [0.9]}, {"a": 0.9})
    assert all((tmp_path / f"{name}.png").stat().st_size > 5000 for name in "spfcd")


def test_frame_and_centre_of_a_shifted_ellipsoid():
    """Centre of mass and principal axes about it, of a Gaussian with known widths far from the origin."""
    grid = AngularGrid(32, 64)
    axes = SphericalAxes(np.linspace(0.5, 99.5, 100), grid.theta, grid.phi)
    place, widths = np.array([25.0, -15.0, 10.0]), np.array([6.0, 14.0, 9.0])
    points = grid.directions()[:, :, None, :] * axes.r[:, None]
    density = np.exp(-(((points - place) / widths) ** 2).sum(axis=-1) / 2)
    centre = centre_of_mass(density, axes)
    np.testing.assert_allclose(centre, place, atol=0.2)
    frame = principal_frame(density, axes, centre)
    np.testing.assert_allclose(np.abs(frame), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=0.03)
