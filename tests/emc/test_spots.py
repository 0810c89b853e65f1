"""Bragg peaks on the detector, against the formula at every pixel and every lattice point."""

from dataclasses import replace

import numpy as np
import pytest

from fxs_hpc.emc import detector
from fxs_hpc.emc.detector import Geometry, Panel
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.model_intensities import reflections
from fxs_hpc.emc.quaternions import rotation_matrices
from fxs_hpc.emc.raster import raster
from fxs_hpc.emc.spots import REACH, PeakShape, add_crystal

LATTICE = Lattice(np.array([[24.0, 3.0, 1.0], [0.0, 20.0, -4.0], [0.0, 0.0, 17.0]]))


def flat_geometry():
    geometry = detector.flat((60, 70), (31.3, 28.6), 80.0, (0.02, -0.03, -1), 1.1)
    return replace(geometry, q_min=3, q_max=60)


def tilted_geometry():
    """Two panels, turned and tilted, that lie side by side in the raster."""
    beam = np.array([0.0, 0.0, -80.0])
    one = Panel((0, 0), (40, 30), (20.0, 30.0), np.array([-1.0, -3.0, -80.0]), np.array([0.99, 0.1, 0.05]), np.array([-0.1, 0.98, 0.1]))
    other = Panel((0, 30), (40, 30), (20.0, 30.0), np.array([2.0, 4.0, -90.0]), np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.1]))
    return Geometry((40, 60), (one, other), beam, 80.0, 1.1, 2, 70)


def by_formula(pixels, points, heights, rotation, shape, width, mosaicity):
    """Sum over all lattice points of the anisotropic Gaussian, in the axes of the crystal; cut off at the same distance."""
    signal = np.zeros(len(pixels))
    crystal = pixels @ rotation.T
    for point, height in zip(points, heights, strict=True):
        size = np.linalg.norm(point)
        radial = np.hypot(shape.sigma * width, shape.bandwidth * size)
        across = np.hypot(shape.sigma * width, mosaicity * size)
        offset = crystal - point
        along = offset @ point / size
        off_axis = np.sum(offset**2, axis=1) - along**2
        peak = np.zeros(len(pixels))
        for share, factor in ((1 - shape.tails, 1), (shape.tails, 2)):
            exponent = -(along**2) / (2 * (factor * radial) ** 2) - off_axis / (2 * (factor * across) ** 2)
            peak += share * shape.sigma**3 / (factor**3 * radial * across**2) * np.exp(exponent)
        cut = REACH * max(radial, across) * (2 if shape.tails else 1)
        # The kernel passes over peaks whose centre is farther than the cut from the Ewald sphere: pixels cannot be nearer than it.
        signal += height * np.where(np.sum(offset**2, axis=1) <= cut**2, peak, 0)
    return signal


@pytest.mark.parametrize("make", [flat_geometry, tilted_geometry])
@pytest.mark.parametrize(
    ("shape", "width", "mosaicity"),
    [(PeakShape(0.008), 1.0, 0.0), (PeakShape(0.006, 0.02, 0.3), 1.2, 0.02)],
    ids=["round", "disturbed"],
)
def test_every_pixel_has_the_sum_over_all_lattice_points(make, shape, width, mosaicity):
    geometry = make()
    scene = raster(geometry, np.zeros(geometry.shape, bool))
    there = np.isfinite(scene.q[:, 0])
    random = np.random.default_rng(2)
    hkl = reflections(LATTICE, scene.modulus[there].max())
    points, heights = hkl @ LATTICE.reciprocal.T, random.exponential(5, len(hkl))
    quaternion = random.normal(size=4)
    rotation = rotation_matrices(quaternion / np.linalg.norm(quaternion))
    signal = np.zeros(len(scene.q))
    add_crystal(signal, scene, points, heights, rotation, shape, width, mosaicity)
    expected = by_formula(scene.q[there], points, heights, rotation, shape, width, mosaicity)
    assert (expected > 0.5).sum() > 50
    np.testing.assert_allclose(signal[there], expected, rtol=1e-9, atol=1e-9)
    assert not signal[~there].any()


def test_disturbances_keep_the_integral_of_a_peak():
    """A grid of points in reciprocal space in place of a detector's pixels: the sum over it is the integral."""
    shape, point = PeakShape(0.01, 0.03, 0.3), np.array([[0.2, 0.1, -0.05]])
    axis = np.linspace(-0.25, 0.25, 101)
    offsets = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    disturbed = by_formula(offsets + point, point, [1.0], np.eye(3), shape, 1.5, 0.05).sum() * 0.005**3
    assert disturbed == pytest.approx((2 * np.pi) ** 1.5 * 0.01**3, rel=2e-4)
