"""Reading of data.h5: the grid's kind is recognised from its nodes."""

import h5py
import numpy as np
import pytest

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.reconstructions import open_source
from fxs_hpc.files.vtr import write_vtr
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

SPHERE = AngularGrid(4, 8)
BALL = SPHERE.theta, SPHERE.phi


def write_grids(path, radial, *angles):
    """A data.h5 on the grid of radii and angles (theta and phi, or phi)."""
    with h5py.File(path, "w") as file:
        for name, radii in (("real_grid", radial.r), ("reciprocal_grid", radial.q)):
            axes = (radii, *angles)
            file[f"configuration/internal_grid/{name}"] = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        file["configuration/reciprocity_coefficient"] = radial.reciprocity
        file["configuration/xray_wavelength"] = 1.5
        file["projection_matrices/0"] = np.ones((3, 1))
        for key in ("0", "2", "10"):
            group = file.create_group(f"reconstruction_results/{key}")
            shape = (radial.n_points, *map(len, angles))
            group["support_mask"] = np.zeros(shape, dtype=bool)
            group["support_mask"][:3] = key != "0"
            group["last_real_density"] = np.full(shape, 2.0 + int(key) + 0j)
            group["last_reciprocal_density"] = np.zeros(shape, dtype=complex)
            group["error_dict/main"] = np.array([])


@pytest.mark.parametrize("kind", ["midpoint", "trapz", "gauss"])
def test_radial_grid_is_recognised(tmp_path, kind):
    radial = RadialGrid(12, 0.3, np.pi, kind)
    write_grids(tmp_path / "data.h5", radial, *BALL)
    source = open_source(tmp_path / "data.h5")
    assert source.radial.kind == kind and source.angular == AngularGrid(4, 8)
    np.testing.assert_allclose(source.radial.r, radial.r)
    np.testing.assert_allclose(source.radial.q_max, 0.3)


def test_what_describes_the_reconstructions(tmp_path):
    radial = RadialGrid(12, 0.3)
    write_grids(tmp_path / "data.h5", radial, *BALL)
    source = open_source(tmp_path / "data.h5")
    assert source.keys == ("0", "2", "10") and source.used_order == 0 and source.wavelength == 1.5
    assert source.largest_density("10") == 12
    assert source.support_radius("2") == radial.r[2] and source.support_radius("0") == radial.r_max
    assert np.isnan(source.last_errors("main")["0"])


def test_reconstructions_of_the_plane(tmp_path):
    circle = CircleGrid(7)
    write_grids(tmp_path / "data.h5", RadialGrid(12, 0.3, dimensions=2), circle.phi)
    source = open_source(tmp_path / "data.h5")
    assert source.dimensions == 2 and source.angular == circle and source.shape == (12, 7)
    np.testing.assert_allclose(source.radial.r_weights, source.radial.r * source.radial.r_max / 12)
    assert source.support_radius("2") == source.radial.r[2]
    stored = source.load("2")
    assert stored.density.shape == stored.amplitude.shape == stored.support.shape == (7, 12)


def test_files_that_cannot_be_averaged(tmp_path):
    write_grids(tmp_path / "line.h5", RadialGrid(12, 0.3))
    with pytest.raises(InputFileError, match=r"\(12, 1\).*\(N, n_phi, 2\)"):
        open_source(tmp_path / "line.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputFileError, match="cannot be read as HDF5"):
        open_source(tmp_path / "text.h5")


def test_rectilinear_grid_is_read_back_by_vtk(tmp_path):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLRectilinearGridReader

    axes = np.arange(3.0), np.arange(4.0) / 2, np.arange(5.0) ** 2
    values = np.random.default_rng(0).random((3, 4, 5))
    write_vtr(tmp_path / "a.vtr", axes, "overlap", values)
    reader = vtkXMLRectilinearGridReader()
    reader.SetFileName(str(tmp_path / "a.vtr"))
    reader.Update()
    grid = reader.GetOutput()
    read = vtk_to_numpy(grid.GetPointData().GetArray("overlap")).reshape(5, 4, 3).transpose(2, 1, 0)
    np.testing.assert_allclose(read, values, rtol=1e-6)
    np.testing.assert_array_equal(vtk_to_numpy(grid.GetZCoordinates()), axes[2])
