"""Densities of the plane from files of several kinds, for simulations.

.npz : density (nx, ny) and pixel (1 or 2 numbers, A); or density (N, n_phi), r, phi on a polar grid
.vts : a disc, as this package writes it
.h5 : ccd.h5 and truth.h5 (the model), average_results.h5 (the centred average), data.h5 (the best reconstruction), in 2D
"""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.ccd import read_plane_model
from fxs_hpc.files.density_files import stored_density
from fxs_hpc.files.vts import read_vts
from fxs_hpc.fluctuation.fourier_plane import PlaneDensity
from fxs_hpc.fluctuation.plane_shapes import PlaneModel

KINDS = (".npz", ".vts", ".h5", ".hdf5")


def read_plane_density(path: Path) -> PlaneDensity | PlaneModel:
    """The density in `path`, Cartesian or on a polar grid.

    Raises
    ------
    InputFileError
        The file is missing, of another kind, or holds no density of the plane.
    """
    if not path.is_file():
        raise InputFileError(f"{path}: no such file; correct density_file")
    readers = {".npz": _npz, ".vts": _vts, ".h5": _hdf5, ".hdf5": _hdf5}
    if path.suffix.lower() not in readers:
        raise InputFileError(
            f"{path}: no density of the plane is read from {path.suffix or 'a file without suffix'}; use one of {', '.join(KINDS)}"
        )
    return readers[path.suffix.lower()](path)


def _npz(path: Path) -> PlaneDensity | PlaneModel:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            density = np.asarray(arrays["density"], np.float64)
            if "pixel" in arrays:
                pixel = np.broadcast_to(np.asarray(arrays["pixel"], np.float64), (2,))
                return PlaneDensity(_flat(path, density), (float(pixel[0]), float(pixel[1])))
            r, phi = (np.asarray(arrays[name], np.float64) for name in ("r", "phi"))
    except (KeyError, ValueError, OSError) as error:
        raise InputFileError(f"{path}: holds no density of the plane ({error}); it needs density and pixel, or density, r, phi") from None
    return _model(path, r, phi, density)


def _flat(path: Path, density: NDArray[np.float64]) -> NDArray[np.float64]:
    if density.ndim != 2:
        raise InputFileError(f"{path}: density has {density.ndim} axes, one of the plane has 2; use dimensions: 3")
    return density


def _vts(path: Path) -> PlaneModel:
    field = read_vts(path)
    if not field.scalars or field.points.shape[1] != 1:
        raise InputFileError(f"{path}: holds no disc with a field; use dimensions: 3 for densities in space")
    name = "density" if "density" in field.scalars else next(iter(field.scalars))
    points = field.points[:, 0, :-1].astype(np.float64)
    r = np.linalg.norm(points[:, 0], axis=-1)
    phi = np.arctan2(points[-1, :, 1], points[-1, :, 0]) % (2 * np.pi)
    return _model(path, r, phi, field.scalars[name][:, 0, :-1].astype(np.float64))


def _hdf5(path: Path) -> PlaneModel:
    model = read_plane_model(path)
    if model is not None:
        return model
    try:
        with h5py.File(path) as file:
            density, grid = stored_density(file)
    except (KeyError, OSError, ValueError) as error:
        raise InputFileError(f"{path}: holds no density that is known ({error}); see density_file") from None
    if grid.ndim != 3:
        raise InputFileError(f"{path}: holds a density in space, one of the plane is wanted; use dimensions: 3")
    return _model(path, grid[:, 0, 0], grid[0, :, 1], density.real.astype(np.float64))


def _model(path: Path, r: NDArray, phi: NDArray, density: NDArray) -> PlaneModel:
    if density.shape != (len(r), len(phi)):
        raise InputFileError(f"{path}: density has shape {density.shape}, r and phi ask for {(len(r), len(phi))}")
    return PlaneModel((), r, phi, density)
