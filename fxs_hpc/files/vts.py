"""VTK structured grids (`.vts`): fields on a spherical or polar grid, as ParaView opens them.

The file holds the points in Cartesian coordinates and one float32 point array per field. The spherical grid is closed before it
is written: one phi line is repeated at 2 pi, and a row is added at each pole (the mean over phi of the nearest ring), so that
surfaces and slices show no seam. The grid is right-handed and not mirrored: x = r sin(theta) cos(phi), y = r sin(theta) sin(phi),
z = r cos(theta). (The reference program writes z -> -z.)

Point order: r fastest, then theta (both poles included), then phi; dimensions (N, n_theta + 2, n_phi + 1). A field of the plane
is a disc in z = 0, dimensions (N, 1, n_phi + 1). (The reference program has the same points and values, phi fastest.) Nothing is
added at the centre: the innermost ring, half a step from it, stays open.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkDataArray, vtkPoints
from vtkmodules.vtkCommonDataModel import vtkStructuredGrid
from vtkmodules.vtkIOXML import vtkXMLStructuredGridReader, vtkXMLStructuredGridWriter

from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.atomic import replacing


class StructuredField(NamedTuple):
    """What a `.vts` file holds: points (N, n_theta + 2, n_phi + 1, 3) and scalars {name: (N, n_theta + 2, n_phi + 1)}.

    A disc has 1 in the place of n_theta + 2.
    """

    points: NDArray[np.float32]
    scalars: dict[str, NDArray[np.float32]]


def write_vts(
    path: Path,
    r: NDArray[np.floating],
    theta: NDArray[np.floating],
    phi: NDArray[np.floating],
    scalars: Mapping[str, NDArray],
) -> None:
    """Write real fields on a spherical grid as a structured grid.

    Parameters
    ----------
    path : Path
        Target, written atomically.
    r, theta, phi : (N,), (n_theta,), (n_phi,) arrays
        Radii (Angstrom, or 1/Angstrom for reciprocal fields), polar angles ascending in (0, pi), azimuths on [0, 2 pi).
    scalars : mapping of name -> (N, n_theta, n_phi) array
        Real, integer or boolean fields; stored as float32.

    Raises
    ------
    DataError
        A field is complex (choose real part or modulus first) or not of the grid's shape.
    """
    shape = (len(r), len(theta), len(phi))
    for name, field in scalars.items():
        _check_field(name, field, shape, "(N, n_theta, n_phi)")
    closed = {name: _close(np.asarray(field, dtype=np.float32)) for name, field in scalars.items()}
    _save(path, _cartesian_points(r, np.concatenate(([0.0], theta, [np.pi])), phi), closed)


def write_plane_vts(path: Path, r: NDArray[np.floating], phi: NDArray[np.floating], fields: Mapping[str, NDArray]) -> None:
    """Write real fields on a polar grid as a disc in the plane z = 0, closed in phi.

    Parameters
    ----------
    path : Path
        Target, written atomically.
    r, phi : (N,), (n_phi,) arrays
        Radii (Angstrom, or 1/Angstrom for reciprocal fields), azimuths on [0, 2 pi).
    fields : mapping of name -> (N, n_phi) array
        Real, integer or boolean fields; stored as float32.

    Raises
    ------
    DataError
        A field is complex (choose real part or modulus first) or not of the grid's shape.
    """
    for name, field in fields.items():
        _check_field(name, field, (len(r), len(phi)), "(N, n_phi)")
    closed = {name: _seam(np.asarray(field, dtype=np.float32)[:, None]) for name, field in fields.items()}
    _save(path, _cartesian_points(r, np.array([np.pi / 2]), phi), closed)


def read_vts(path: Path) -> StructuredField:
    """Read a structured grid of this package: points and scalars in (r, theta, phi) order, poles and seam included.

    A disc has one theta. Discs of the reference program come in (phi, theta, r) order.

    Raises
    ------
    InputFileError
        The file is absent or holds no structured grid.
    """
    reader = vtkXMLStructuredGridReader()
    if not Path(path).is_file() or not reader.CanReadFile(str(path)):
        raise InputFileError(f"{path}: not a readable VTK structured grid (.vts)")
    reader.SetFileName(str(path))
    reader.Update()
    grid = reader.GetOutput()
    dimensions = [0, 0, 0]
    grid.GetDimensions(dimensions)
    n_r, n_theta, n_phi = dimensions
    points = vtk_to_numpy(grid.GetPoints().GetData()).reshape(n_phi, n_theta, n_r, 3).transpose(2, 1, 0, 3)
    data = grid.GetPointData()
    scalars = {
        data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)).reshape(n_phi, n_theta, n_r).transpose(2, 1, 0)
        for i in range(data.GetNumberOfArrays())
    }
    return StructuredField(points, scalars)


def _check_field(name: str, field: NDArray, shape: tuple[int, ...], axes: str) -> None:
    if np.iscomplexobj(field):
        raise DataError(f"field '{name}' is complex; a .vts file holds real scalars: pass its real part or modulus")
    if np.shape(field) != shape:
        raise DataError(f"field '{name}' has shape {np.shape(field)}, the grid is {axes} = {shape}")


def _cartesian_points(r: NDArray, theta: NDArray, phi: NDArray) -> NDArray[np.float32]:
    """Points of the grid, closed in phi, shape (n_phi + 1, n_theta, N, 3); theta = pi/2 lies in z = 0 exactly."""
    phi = np.concatenate((phi, [phi[0] + 2 * np.pi]))
    points = np.empty((len(phi), len(theta), len(r), 3), dtype=np.float32)
    points[..., 0] = np.cos(phi)[:, None, None] * np.sin(theta)[:, None] * r
    points[..., 1] = np.sin(phi)[:, None, None] * np.sin(theta)[:, None] * r
    points[..., 2] = np.where(theta == np.pi / 2, 0.0, np.cos(theta))[:, None] * r
    return points


def _seam(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Repeat the first azimuth at 2 pi: (N, n_theta, n_phi) -> (N, n_theta, n_phi + 1)."""
    return np.concatenate([field, field[:, :, :1]], axis=2)


def _close(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add the two pole rows and the seam: (N, n_theta, n_phi) -> (N, n_theta + 2, n_phi + 1)."""
    n_r, n_theta, n_phi = field.shape
    closed = np.empty((n_r, n_theta + 2, n_phi), dtype=field.dtype)
    closed[:, 1:-1] = field
    closed[:, 0] = field[:, 0].mean(axis=1, keepdims=True)
    closed[:, -1] = field[:, -1].mean(axis=1, keepdims=True)
    return _seam(closed)


def _save(path: Path, points: NDArray[np.float32], scalars: Mapping[str, NDArray[np.float32]]) -> None:
    """Write points (n_phi, n_theta, N, 3) and scalars (N, n_theta, n_phi) of a closed grid."""
    grid = vtkStructuredGrid()
    grid.SetDimensions(*points.shape[2::-1])
    positions = vtkPoints()
    positions.SetData(_vtk_array(points.reshape(-1, 3)))
    grid.SetPoints(positions)
    for name, field in scalars.items():
        array = _vtk_array(field.transpose(2, 1, 0).reshape(-1))
        array.SetName(name)
        grid.GetPointData().AddArray(array)
    if scalars:
        grid.GetPointData().SetActiveScalars(next(iter(scalars)))
    with replacing(Path(path)) as temporary:
        _write(grid, temporary)


def _vtk_array(values: NDArray[np.float32]) -> vtkDataArray:
    return numpy_to_vtk(np.ascontiguousarray(values), deep=True)


def _write(grid: vtkStructuredGrid, path: Path) -> None:
    writer = vtkXMLStructuredGridWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(grid)
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorTypeToZLib()
    writer.SetCompressionLevel(1)
    if writer.Write() != 1:
        raise OSError(f"VTK could not write {path}")
