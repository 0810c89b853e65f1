"""Maps of the intensity in reciprocal space: MRC (CCP4) for ChimeraX, PyMOL, Coot and gemmi, VTK image data for ParaView.

`.mrc`: format MRC2014, mode 2 (float32), axes x, y, z = Cartesian axes of the crystal frame. Its "Angstrom" are 1/Angstrom: the cell
lengths are those of the cube in 1/Angstrom. NSTART and ORIGIN both say that the middle of the map is the origin of reciprocal space.
`.vti`: point array `intensity` (float32), spacing and origin in 1/Angstrom.
"""

from pathlib import Path

import mrcfile
import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLImageDataWriter

from fxs_hpc.emc.intensity_volume import IntensityVolume
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing

LABEL = "fxs-hpc: intensity in reciprocal space, lengths in 1/Angstrom"
FIELD = "intensity"


def write_mrc(path: Path, volume: IntensityVolume) -> None:
    """Write a volume as an MRC map."""
    with replacing(path) as temporary, mrcfile.new(temporary, overwrite=True) as file:
        file.set_data(volume.values.T)
        file.set_volume()
        file.voxel_size = volume.step
        file.nstart = -volume.half
        file.header.origin = (-volume.half * volume.step,) * 3
        file.header.nlabl = 1  # in place of mrcfile's own, which holds the time: equal maps shall be equal files
        file.header.label[0] = LABEL


def read_mrc(path: Path) -> IntensityVolume:
    """Read a map that `write_mrc` wrote.

    Raises
    ------
    InputFileError
        The file is missing or no such map.
    """
    try:
        with mrcfile.open(path) as file:
            return IntensityVolume(np.array(file.data.T, order="F"), float(file.voxel_size.x))
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: is no readable MRC map ({error}); make it again with `fxs-hpc emc make-map`") from None


def write_vti(path: Path, volume: IntensityVolume) -> None:
    """Write a volume as VTK image data."""
    grid = vtkImageData()
    grid.SetDimensions(*volume.values.shape)
    grid.SetSpacing(*(volume.step,) * 3)
    grid.SetOrigin(*(-volume.half * volume.step,) * 3)
    array = numpy_to_vtk(volume.values.ravel(order="F"))
    array.SetName(FIELD)
    grid.GetPointData().SetScalars(array)
    with replacing(path) as temporary:
        writer = vtkXMLImageDataWriter()
        writer.SetFileName(str(temporary))
        writer.SetInputData(grid)
        writer.SetDataModeToAppended()
        writer.EncodeAppendedDataOff()
        writer.SetCompressorTypeToZLib()
        writer.SetCompressionLevel(1)
        if writer.Write() != 1:
            raise OSError(f"VTK could not write {path}")


def read_vti(path: Path) -> IntensityVolume:
    """Read image data that `write_vti` wrote.

    Raises
    ------
    InputFileError
        The file is missing or no such image data.
    """
    reader = vtkXMLImageDataReader()
    if not path.is_file() or not reader.CanReadFile(str(path)):
        raise InputFileError(f"{path}: is no readable VTK image data; make it again with `fxs-hpc emc make-map`")
    reader.SetFileName(str(path))
    reader.Update()
    grid = reader.GetOutput()
    values = vtk_to_numpy(grid.GetPointData().GetArray(FIELD))
    return IntensityVolume(values.reshape(grid.GetDimensions(), order="F"), grid.GetSpacing()[0])
