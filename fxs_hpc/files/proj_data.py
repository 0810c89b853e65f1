"""proj_data.h5: the invariants that `extract` found, in the layout of the reference program.

Fields
------
dimensions, max_order, number_of_particles (0: unknown), xray_wavelength [A], data_min_q [1/A] : scalars
average_intensity, data_radial_points [1/A] : (N,); data_angular_points [rad] : (n_delta,)
data_projection_matrices/I1I1/<l> : (N, min(N, 2l+1)) f8 (c16 where the invariants are complex)
data_projection_matrices_q_id_limits/I1I1 : (L+1, 2) i8, rows [low, high)
data_low_resolution_intensity_coefficients/<l> : the first orders of the above
deg_2_invariant/I1I1 (L+1, N, N), deg_2_invariant_masks/I1I1 bool, deg_2_invariant_q_id_limits/I1I1 (L+1, 2, 2) i8 : optional
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.fluctuation.invariants import InvariantData

_DATASET = "I1I1"


def _write_list(parent: h5py.Group, name: str, arrays: Sequence[NDArray]) -> None:
    group = parent.create_group(name)
    group.attrs["type"] = "tuple"
    for index, array in enumerate(arrays):
        group[str(index)] = array


def _write_by_order(file: h5py.File, name: str, array: NDArray) -> None:
    """One chunk per order; orders that are zero throughout take no space."""
    data = file.create_dataset(f"{name}/{_DATASET}", array.shape, array.dtype, chunks=(1, *array.shape[1:]))
    for order, values in enumerate(array):
        if values.any():
            data[order] = values


def write_proj_data(path: Path, data: InvariantData) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["dimensions"] = data.dimensions
        file["max_order"] = data.max_order
        file["number_of_particles"] = data.n_particles
        file["xray_wavelength"] = data.wavelength
        file["xray_wavelength"].attrs["unit"] = "A"
        file["average_intensity"] = data.average_intensity
        file["data_radial_points"] = data.q
        file["data_min_q"] = data.q[0]
        file["data_angular_points"] = data.delta
        for name, unit in (("data_radial_points", "1/A"), ("data_min_q", "1/A"), ("data_angular_points", "rad")):
            file[name].attrs["unit"] = unit
        _write_list(file, f"data_projection_matrices/{_DATASET}", data.projection_matrices)
        file[f"data_projection_matrices_q_id_limits/{_DATASET}"] = data.q_id_limits
        _write_list(file, "data_low_resolution_intensity_coefficients", data.low_resolution_coefficients)
        if data.invariants is not None:
            _write_by_order(file, "deg_2_invariant", data.invariants)
        if data.invariant_masks is not None:
            _write_by_order(file, "deg_2_invariant_masks", data.invariant_masks)
            limits = np.repeat(data.q_id_limits[:, None, :], 2, axis=1)
            file[f"deg_2_invariant_q_id_limits/{_DATASET}"] = limits


def _real_if_real(array: NDArray) -> NDArray:
    return np.ascontiguousarray(array.real) if np.iscomplexobj(array) and not array.imag.any() else array


def _read_list(file: h5py.File, name: str) -> tuple[NDArray, ...]:
    if name not in file:
        return ()
    group = file[name]
    return tuple(_real_if_real(group[str(index)][()]) for index in range(len(group)))


def _read_optional(file: h5py.File, name: str) -> NDArray | None:
    return _real_if_real(file[f"{name}/{_DATASET}"][()]) if f"{name}/{_DATASET}" in file else None


def read_proj_data(path: Path, with_invariants: bool = True) -> InvariantData:
    """Read a proj_data.h5, of this package or of the reference program.

    `with_invariants=False` skips the large B_l and their masks. Raises `InputFileError` if the file or a field is missing.
    """
    try:
        with h5py.File(path, "r") as file:
            return InvariantData(
                dimensions=int(file["dimensions"][()]),
                wavelength=float(file["xray_wavelength"][()]),
                max_order=int(file["max_order"][()]),
                average_intensity=file["average_intensity"][()].real.astype(np.float64),
                q=file["data_radial_points"][()],
                delta=file["data_angular_points"][()],
                projection_matrices=_read_list(file, f"data_projection_matrices/{_DATASET}"),
                q_id_limits=file[f"data_projection_matrices_q_id_limits/{_DATASET}"][()],
                invariants=_read_optional(file, "deg_2_invariant") if with_invariants else None,
                invariant_masks=_read_optional(file, "deg_2_invariant_masks") if with_invariants else None,
                low_resolution_coefficients=_read_list(file, "data_low_resolution_intensity_coefficients"),
                n_particles=float(file["number_of_particles"][()]) if "number_of_particles" in file else 0,
            )
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read as HDF5 ({error}); run `extract` first or check the path") from error
    except KeyError as error:
        raise InputFileError(f"{path}: not a file of extracted invariants, {error.args[0]}") from error
