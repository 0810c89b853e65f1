"""Densities from files of several kinds, for simulations.

.mrc, .map, .ccp4 : Cartesian, voxel size in the header, axes in the order that it says
.npz : density (nx, ny, nz) and voxel (1 or 3 numbers, A); or density, r, theta, phi on a spherical grid
.vts : spherical grid, as this package writes it
.h5 : ccd.h5 and truth.h5 (the model), average_results.h5 (the centred average), data.h5 (the best reconstruction)
"""

from pathlib import Path

import h5py
import mrcfile
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.ccd import read_model
from fxs_hpc.files.vts import read_vts
from fxs_hpc.fluctuation.scatterers import DensityMap
from fxs_hpc.fluctuation.shapes import Model

KINDS = (".mrc", ".map", ".ccp4", ".npz", ".vts", ".h5", ".hdf5")


def read_density(path: Path) -> DensityMap | Model:
    """The density in `path`, Cartesian or on a spherical grid.

    Raises
    ------
    InputFileError
        The file is missing, of another kind, or holds no density.
    """
    if not path.is_file():
        raise InputFileError(f"{path}: no such file; correct density_file")
    readers = {".mrc": _mrc, ".map": _mrc, ".ccp4": _mrc, ".npz": _npz, ".vts": _vts, ".h5": _hdf5, ".hdf5": _hdf5}
    if path.suffix.lower() not in readers:
        raise InputFileError(f"{path}: no density is read from {path.suffix or 'a file without suffix'}; use one of {', '.join(KINDS)}")
    return readers[path.suffix.lower()](path)


def _mrc(path: Path) -> DensityMap:
    try:
        with mrcfile.open(path, permissive=False) as file:
            order = np.argsort([int(file.header.mapc), int(file.header.mapr), int(file.header.maps)])
            # Data are (section, row, column); columns run along the axis that mapc names.
            density = np.asarray(file.data, np.float64).transpose(2, 1, 0).transpose(order)
            size = file.voxel_size
            voxel = float(size.x), float(size.y), float(size.z)
    except (ValueError, OSError) as error:
        raise InputFileError(f"{path}: is no readable MRC map ({error})") from None
    if min(voxel) <= 0:
        raise InputFileError(f"{path}: its header gives no size of a voxel; set it (mrcfile: file.voxel_size = ...)")
    return DensityMap(density, voxel)


def _npz(path: Path) -> DensityMap | Model:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            density = np.asarray(arrays["density"], np.float64)
            if "voxel" in arrays:
                voxel = np.broadcast_to(np.asarray(arrays["voxel"], np.float64), (3,))
                return DensityMap(density, (float(voxel[0]), float(voxel[1]), float(voxel[2])))
            r, theta, phi = (np.asarray(arrays[name], np.float64) for name in ("r", "theta", "phi"))
    except (KeyError, ValueError, OSError) as error:
        raise InputFileError(f"{path}: holds no density ({error}); it needs density and voxel, or density, r, theta, phi") from None
    return _model(path, r, theta, phi, density)


def _vts(path: Path) -> Model:
    field = read_vts(path)
    if not field.scalars or field.points.shape[1] == 1:
        raise InputFileError(f"{path}: holds no field in space; use dimensions: 2 for one of the plane")
    name = "density" if "density" in field.scalars else next(iter(field.scalars))
    # The closed grid has a row at each pole and the seam twice.
    points, values = field.points[:, 1:-1, :-1].astype(np.float64), field.scalars[name][:, 1:-1, :-1]
    r = np.linalg.norm(points[:, 0, 0], axis=-1)
    theta = np.arccos(points[-1, :, 0, 2] / r[-1])
    phi = np.arctan2(points[-1, 0, :, 1], points[-1, 0, :, 0]) % (2 * np.pi)
    return _model(path, r, theta, phi, values.astype(np.float64))


def stored_density(file: h5py.File) -> tuple[NDArray, NDArray]:
    """Density and grid points of average_results.h5 (the centred average) or data.h5 (the reconstruction of least error)."""
    if "centered_average" in file:
        return file["centered_average/real_density"][()], file["internal_grid/real_grid"][()]
    results = file["reconstruction_results"]
    best = min(results, key=lambda name: float(results[name]["final_error"][()]))
    return results[best]["last_real_density"][()], file["configuration/internal_grid/real_grid"][()]


def _hdf5(path: Path) -> Model:
    model = read_model(path)
    if model is not None:
        return model
    try:
        with h5py.File(path) as file:
            density, grid = stored_density(file)
    except (KeyError, OSError, ValueError) as error:
        raise InputFileError(f"{path}: holds no density that is known ({error}); see density_file") from None
    if grid.ndim != 4:
        raise InputFileError(f"{path}: holds a density of the plane, one in space is wanted; use dimensions: 2")
    return _model(path, grid[:, 0, 0, 0], grid[0, :, 0, 1], grid[0, 0, :, 2], density.real.astype(np.float64))


def _model(path: Path, r: NDArray, theta: NDArray, phi: NDArray, density: NDArray) -> Model:
    if density.shape != (len(r), len(theta), len(phi)):
        raise InputFileError(f"{path}: density has shape {density.shape}, r, theta, phi ask for {(len(r), len(theta), len(phi))}")
    return Model((), r, theta, phi, density)
