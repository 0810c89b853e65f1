"""Complete reflections and their voxels."""

import lzma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.emc.reflections import complete_reflections, voxels_near
from fxs_hpc.errors import DataError

WAVELENGTH, DISTANCE, INNER = 1.03324, 0.05504 / 172e-6 * np.linalg.norm([0.002, -0.003, -1]), 9


def shell(resolution):
    unit = WAVELENGTH * DISTANCE
    return INNER / unit, np.ceil(unit / resolution) / unit


@pytest.mark.parametrize(("folder", "flag", "resolution"), [("low-res-recon-0", 1, 4.0), ("high-res-recon-0", 1, 3.0)])
def test_order_and_voxels_are_those_of_the_reference_files(reference_data, folder, flag, resolution):
    base = reference_data / "emc"
    grid = VoxelGrid(Lattice(np.loadtxt(base / "aux" / "basis-vec.dat")), 15, 2.5)
    inner, outer = shell(resolution)
    reflections = complete_reflections(grid, inner, outer)
    path = base / "Data" / "high-prob" / folder / f"iter_flag-{flag}"
    header = (path / "hkl-val.dat").read_text().splitlines()[0]
    values = np.loadtxt(path / "hkl-val.dat", skiprows=1)
    assert tuple(map(int, header.split())) == (*reflections.largest_index, reflections.count)
    assert np.array_equal(values[:, :3], reflections.hkl)
    intensity = np.frombuffer(lzma.decompress((path / "finish_intensity.bin.xz").read_bytes()))
    assert len(intensity) == len(reflections.voxels)
    assert np.allclose(np.add.reduceat(intensity, reflections.first[:-1]), values[:, 3], atol=1e-5, rtol=1e-6)


@settings(max_examples=20)
@given(st.lists(st.floats(-1, 1), min_size=9, max_size=9), st.floats(1.5, 3.4))
def test_against_a_slow_count(numbers, support):
    basis = np.diag([14.0, 17, 20]) + 3 * np.array(numbers).reshape(3, 3)
    grid = VoxelGrid(Lattice(basis), 7, support)
    inner, outer = 0.03, 0.2
    found = complete_reflections(grid, inner, outer)
    expected = []
    for h in range(-6, 7):
        for k in range(-6, 7):
            for l in range(-6, 7):
                centre = grid.lattice.reciprocal @ (h, k, l) * grid.scale
                low, high = np.floor(centre - support).astype(int), np.ceil(centre + support).astype(int)
                points = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True)), indexing="ij"), -1).reshape(
                    -1, 3
                )
                points = points[np.linalg.norm(points - centre, axis=1) <= support]
                radii = np.linalg.norm(points, axis=1) / grid.scale
                if len(points) and radii.min() >= inner and radii.max() <= outer:
                    expected.append(((h, k, l), points.tolist()))
    assert [tuple(hkl) for hkl in found.hkl.tolist()] == [hkl for hkl, _ in expected]
    parts = np.split(found.voxels, found.first[1:-1])
    assert [part.tolist() for part in parts] == [points for _, points in expected]


def test_a_voxel_on_the_rim_belongs_to_the_peak():
    voxels, counts = voxels_near(np.array([[0.1 + 0.2, 0.0, 0.0]]), 1.7)
    assert [2, 0, 0] in voxels.tolist() and counts.tolist() == [len(voxels)]


def test_numbers_look_reflections_up():
    grid = VoxelGrid(Lattice(np.diag([24.0, 24, 18])), 15, 2.5)
    reflections = complete_reflections(grid, 0.03, 0.2)
    assert np.array_equal(reflections.numbers(reflections.hkl), np.arange(reflections.count))
    assert reflections.numbers(np.array([[0, 0, 0], [99, 0, 0]])).tolist() == [-1, -1]


def test_a_shell_without_reflections_is_refused():
    with pytest.raises(DataError, match="no complete reflection between .* check the cell"):
        complete_reflections(VoxelGrid(Lattice(np.eye(3) * 3.0), 15, 2.5), 0.01, 0.1)
