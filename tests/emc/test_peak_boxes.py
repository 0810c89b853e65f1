"""Boxes of pixels around reflections, against a look at every pixel."""

import numpy as np
import pytest

from fxs_hpc.emc import detector
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.emc.peak_boxes import peak_boxes, sphere, transposed
from fxs_hpc.emc.peak_maps import PeakMap
from fxs_hpc.emc.quaternions import rotation_matrices
from fxs_hpc.emc.reflections import complete_reflections
from fxs_hpc.files.emc.peak_maps import packed

CELLS = {
    "tetragonal": np.diag([24.0, 24, 18]),
    "hexagonal": np.array([[25.0, -12.5, 0], [0, 12.5 * np.sqrt(3), 0], [0, 0, 31]]),
    "triclinic": np.array([[22.0, 3, -4], [0, 26, 5], [0, 0, 19]]),
}


def experiment(panels):
    """Usable pixels of a flat detector, or of one whose halves are apart and tilted; some pixels are masked."""
    geometry = detector.flat((60, 70), (28.4, 33.3), 90.0, (0.01, -0.02, -1), 1.1)
    if panels == 2:
        left, right = (
            detector.Panel((0, start), (60, 35), (0, start), geometry.panels[0].origin + shift, np.array([1.0, 0, 0]), step)
            for start, shift, step in ((0, (-28.4, -35.0, 0), np.array([0, 1.0, 0])), (35, (-28.4, 4, 2), np.array([0, 0.99, 0.1])))
        )
        geometry = detector.Geometry(geometry.shape, (left, right), geometry.beam, geometry.D, geometry.wavelength, 0, 60)
    mask = np.random.default_rng(4).random((60, 70)) < 0.05
    return geometry, detector.usable_pixels(geometry, mask)


def slow(matrix, reflections, pixels, count, unit, radius):
    """hkl, box and first pixel of every reflection that some pixel sees, by the definition."""
    lattice = reflections.grid.lattice
    turned = pixels.q[:count] * unit @ matrix.T
    hkl = np.rint(turned @ np.linalg.inv(lattice.reciprocal).T).astype(int)
    seen = np.linalg.norm(turned - hkl @ lattice.reciprocal.T, axis=1) <= radius
    number = np.where(seen, reflections.numbers(hkl), -1)
    row, column = np.divmod(pixels.index[:count], pixels.shape[1])
    found = []
    for reflection in dict.fromkeys(number[number >= 0].tolist()):
        its = number == reflection
        corners = [int(side(row[its]) * pixels.shape[1] + side(column[its])) for side in (np.min, np.max)]
        found.append([reflection, *corners])
    return found


@pytest.mark.parametrize("panels", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_against_every_pixel(cell, panels):
    geometry, pixels = experiment(panels)
    unit = geometry.pixel_to_inverse_angstrom
    grid = VoxelGrid(Lattice(CELLS[cell]), 15, 2.5)
    reflections = complete_reflections(grid, 5 * unit, 45 * unit)
    count = pixels.prefix(40)
    rng = np.random.default_rng(1)
    quaternions = rng.standard_normal((25, 4))
    matrices = rotation_matrices(quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True))
    found = peak_boxes(matrices, reflections.positions / unit, sphere(pixels, count, geometry.beam, grid.tolerance / unit))
    assert len(found.entries) > 50
    for number, matrix in enumerate(matrices):
        assert found[number].tolist() == slow(matrix, reflections, pixels, count, unit, grid.tolerance)


def test_no_pixels_see_nothing():
    geometry, pixels = experiment(1)
    found = peak_boxes(np.eye(3)[None], np.array([[1.0, 2, 3]]), sphere(pixels, 0, geometry.beam, 2.0))
    assert found.counts.tolist() == [0]


def test_the_transpose_has_the_same_entries():
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 5, 12)
    entries = np.concatenate([np.column_stack([rng.permutation(8)[:n], rng.integers(0, 99, (n, 2))]) for n in counts]).astype(np.int32)
    peaks = PeakMap(np.concatenate([[0], np.cumsum(counts)]), entries)
    expected = {(reflection, rotation, a, b) for rotation in range(12) for reflection, a, b in peaks[rotation].tolist()}
    amounts = np.bincount(entries[:, 0], minlength=8)
    turned = transposed(packed(peaks), 2, amounts[2:7])
    found = [(reflection + 2, rotation, a, b) for reflection in range(5) for rotation, a, b in turned[reflection].tolist()]
    assert set(found) == {entry for entry in expected if 2 <= entry[0] < 7} and len(found) == len(set(found))
    assert all(np.all(np.diff(turned[reflection][:, 0]) > 0) for reflection in range(5))
