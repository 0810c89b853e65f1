"""VTK rectilinear grids (`.vtr`): a scalar field over three axes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkRectilinearGrid
from vtkmodules.vtkIOXML import vtkXMLRectilinearGridWriter

from fxs_hpc.files.atomic import replacing


def write_vtr(
    path: Path, axes: tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]], name: str, values: NDArray[np.floating]
) -> None:
    """Write real `values` (n_0, n_1, n_2) over three ascending axes as a point array called `name` (float32)."""
    grid = vtkRectilinearGrid()
    grid.SetDimensions(*values.shape)
    for setter, axis in zip((grid.SetXCoordinates, grid.SetYCoordinates, grid.SetZCoordinates), axes):
        setter(numpy_to_vtk(np.ascontiguousarray(axis, dtype=np.float64), deep=True))
    array = numpy_to_vtk(np.ascontiguousarray(values.transpose(2, 1, 0), dtype=np.float32).ravel(), deep=True)
    array.SetName(name)
    grid.GetPointData().SetScalars(array)
    with replacing(Path(path)) as temporary:
        writer = vtkXMLRectilinearGridWriter()
        writer.SetFileName(str(temporary))
        writer.SetInputData(grid)
        writer.SetCompressorTypeToZLib()
        if writer.Write() != 1:
            raise OSError(f"VTK could not write {path}")
