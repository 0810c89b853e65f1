"""Maps of the intensity, read back by the libraries that their readers use."""

import gemmi
import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from fxs_hpc.emc.intensity_volume import IntensityVolume, volume_of_peaks, volume_of_voxels
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.emc.reflections import complete_reflections
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import intensity_volume as files

HEXAGONAL = Lattice(np.array([[20.0, -10.0, 0.0], [0.0, 300**0.5, 0.0], [0.0, 0.0, 27.0]]))
GRID = VoxelGrid(HEXAGONAL, 9, 2.0)


@pytest.fixture(scope="module")
def problem():
    reflections = complete_reflections(GRID, 0.03, 0.16)
    return reflections, np.random.default_rng(0).normal(3, 2, len(reflections.voxels))


def test_mrc_is_where_it_should_be(problem, tmp_path):
    """gemmi and mrcfile find each voxel at its place in 1/Angstrom; the file is a valid MRC map."""
    reflections, values = problem
    volume = volume_of_voxels(reflections, values, 400)
    path = tmp_path / "intensity.mrc"
    files.write_mrc(path, volume)
    assert mrcfile.validate(path)
    with mrcfile.open(path) as file:
        origin = np.array(file.header.origin.tolist())
        assert np.allclose(origin, -volume.half * volume.step) and file.is_volume() and file.voxel_size.x == pytest.approx(1 / GRID.scale)
    found = gemmi.read_ccp4_map(str(path))
    found.setup(0)
    for number in (0, len(values) // 3, len(values) - 1):
        place = gemmi.Position(*(reflections.voxels[number] / GRID.scale))
        assert found.grid.interpolate_value(place, 1) == pytest.approx(values[number], rel=1e-3)
    assert np.count_nonzero(volume.values) == len(values)


def test_vti_is_where_it_should_be(problem, tmp_path):
    """VTK finds the voxel of each point."""
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader

    reflections, values = problem
    files.write_vti(tmp_path / "intensity.vti", volume_of_voxels(reflections, values, 400))
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(tmp_path / "intensity.vti"))
    reader.Update()
    grid = reader.GetOutput()
    for number in range(0, len(values), 97):
        point = grid.FindPoint(*(reflections.voxels[number] / GRID.scale).tolist())
        assert grid.GetPointData().GetScalars("intensity").GetTuple1(point) == pytest.approx(values[number], rel=1e-6)


def test_equal_maps_are_equal_files_and_come_back(problem, tmp_path):
    volume = volume_of_voxels(*problem, 400)
    for write, read, name in ((files.write_mrc, files.read_mrc, "a.mrc"), (files.write_vti, files.read_vti, "a.vti")):
        write(tmp_path / name, volume)
        once = (tmp_path / name).read_bytes()
        write(tmp_path / name, volume)
        assert (tmp_path / name).read_bytes() == once
        back = read(tmp_path / name)
        assert np.array_equal(back.values, volume.values) and back.step == pytest.approx(volume.step, rel=1e-6)
        (tmp_path / name).write_bytes(b"no map")
        with pytest.raises(InputFileError, match="make-map"):
            read(tmp_path / name)


@given(edge=st.integers(16, 200))
def test_coarse_maps_keep_integral_and_centre(edge, problem):
    reflections, values = problem
    volume = volume_of_voxels(reflections, np.abs(values), edge)
    assert len(volume.values) <= edge
    assert float(volume.values.sum(dtype=float)) * volume.step**3 == pytest.approx(np.abs(values).sum() / GRID.scale**3, rel=1e-5)
    axis = (np.arange(len(volume.values)) - volume.half) * volume.step
    of_map = [volume.values.sum((1, 2)) @ axis, volume.values.sum((0, 2)) @ axis, volume.values.sum((0, 1)) @ axis]
    of_voxels = np.abs(values) @ reflections.voxels / GRID.scale
    box = round(volume.step * GRID.scale)
    assert np.abs(np.array(of_map) * box**3 - of_voxels).max() < volume.step / 2 * np.abs(values).sum() * (1 + 1e-5)


def test_peaks_are_means_of_gaussians():
    """One peak off the points of the map, on a fine and on a coarse grid, against quadrature."""
    at, width = np.array([[0.031, -0.012, 0.004], [-0.05, 0.05, 0.02]]), 0.004
    for step, edge in ((0.002, 99), (0.002, 16)):
        volume = volume_of_peaks(at, np.array([5.0, 2.0]), width, step, edge)
        assert len(volume.values) <= edge
        index = np.floor(at[0] / volume.step + 0.5).astype(int)
        mean = [
            quad(lambda x, c=c: np.exp(-((x - c) ** 2) / 2 / width**2), (i - 0.5) * volume.step, (i + 0.5) * volume.step)[0] / volume.step
            for i, c in zip(index, at[0])
        ]
        assert volume.values[tuple(index + volume.half)] == pytest.approx(5 * np.prod(mean), rel=1e-3)
        total = volume.values.sum(dtype=float) * volume.step**3
        assert total == pytest.approx(7 * (2 * np.pi) ** 1.5 * width**3, rel=1e-3)


def test_an_even_spread_of_peaks_needs_no_more_than_the_edge():
    for edge in (16, 17, 64):
        volume = volume_of_peaks(HEXAGONAL.reciprocal.T * 3, np.ones(3), 0.003, 0.0015, edge)
        assert isinstance(volume, IntensityVolume) and len(volume.values) <= edge and len(volume.values) % 2 == 1
