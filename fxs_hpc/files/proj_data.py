"""proj_data.h5: the invariants that `extract` found, in the layout of the reference program.

Fields
------
dimensions, max_order, number_of_particles (0: unknown), xray_wavelength [A], data_min_q [1/A] : scalars
average_intensity, data_radial_points [1/A] : (N,); data_angular_points [rad] : (n_delta,)
data_projection_matrices/I1I1/<l> : (N, min(N, 2l+1)) f8 (c16 where the invariants are complex); in two dimensions (N,) c16
data_projection_matrices_q_id_limits/I1I1 : (L+1, 2) i8, rows [low, high)
data_low_resolution_intensity_coefficients/<l> : the first orders of the above
deg_2_invariant/I1I1 (L+1, N, N), deg_2_invariant_masks/I1I1 bool, deg_2_invariant_q_id_limits/I1I1 (L+1, 2, 2) i8 : optional
data_projection_matrix_error_estimates/I1I1 (L+1, N, N) f8 : two dimensions only, |B_n - v_n v_n^+| / |B_n|, -1 where B_n = 0; optional
I2I1, I2I2 beside I1I1, where they were extracted (no projection matrices of I2I1)
unknown_transforms/I2I1/<l> : W_l of `fxs_hpc.fluctuation.data_sets`, with them
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.fluctuation.data_sets import DataSet, SquaredIntensity
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.fluctuation.projection_matrices import relative_errors

_DATASET = "I1I1"


def _write_list(parent: h5py.Group, name: str, arrays: Sequence[NDArray]) -> None:
    group = parent.create_group(name)
    group.attrs["type"] = "tuple"
    for index, array in enumerate(arrays):
        group[str(index)] = array


def _write_by_order(file: h5py.File, name: str, array: NDArray, fill: float = 0) -> None:
    """One chunk per order; orders that are `fill` throughout take no space."""
    data = file.create_dataset(name, array.shape, array.dtype, chunks=(1, *array.shape[1:]), fillvalue=fill or None)
    for order, values in enumerate(array):
        if (values != fill).any():
            data[order] = values


def _as_stored(matrices: Sequence[NDArray], dimensions: int) -> list[NDArray]:
    return [matrix[:, 0] if dimensions == 2 else matrix for matrix in matrices]


def _write_data_set(file: h5py.File, name: str, data: DataSet, dimensions: int) -> None:
    if data.projection_matrices:
        _write_list(file, f"data_projection_matrices/{name}", _as_stored(data.projection_matrices, dimensions))
        file[f"data_projection_matrices_q_id_limits/{name}"] = data.q_id_limits
    if data.invariants is not None:
        _write_by_order(file, f"deg_2_invariant/{name}", data.invariants)
        if dimensions == 2 and data.projection_matrices:
            errors = relative_errors(data.invariants, data.projection_matrices)
            _write_by_order(file, f"data_projection_matrix_error_estimates/{name}", errors, fill=-1)
    if data.masks is not None:
        _write_by_order(file, f"deg_2_invariant_masks/{name}", data.masks)
        file[f"deg_2_invariant_q_id_limits/{name}"] = np.repeat(data.q_id_limits[:, None, :], 2, axis=1)


def _write_points(file: h5py.File, data: InvariantData) -> None:
    for name, value, unit in (
        ("xray_wavelength", data.wavelength, "A"),
        ("data_radial_points", data.q, "1/A"),
        ("data_min_q", data.q[0], "1/A"),
        ("data_angular_points", data.delta, "rad"),
    ):
        file[name] = value
        file[name].attrs["unit"] = unit


def write_proj_data(path: Path, data: InvariantData, squared: SquaredIntensity | None = None) -> None:
    """Write `data`, and what was found about the squared intensity, to `path`, whole or not at all."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["dimensions"] = data.dimensions
        file["max_order"] = data.max_order
        file["number_of_particles"] = data.n_particles
        file["average_intensity"] = data.average_intensity
        _write_points(file, data)
        main = DataSet(data.q_id_limits, data.invariants, data.invariant_masks, data.projection_matrices)
        _write_data_set(file, _DATASET, main, data.dimensions)
        coarse = _as_stored(data.low_resolution_coefficients, data.dimensions)
        _write_list(file, "data_low_resolution_intensity_coefficients", coarse)
        if squared is not None:
            for name, part in squared.data_sets.items():
                _write_data_set(file, name, part, data.dimensions)
            _write_list(file, "unknown_transforms/I2I1", squared.transforms)


def _real_if_real(array: NDArray) -> NDArray:
    return np.ascontiguousarray(array.real) if np.iscomplexobj(array) and not array.imag.any() else array


def _as_used(array: NDArray, dimensions: int) -> NDArray:
    """In the plane everything is complex; in space what is real is kept so."""
    return np.asarray(array, np.complex128) if dimensions == 2 else _real_if_real(array)


def _read_list(file: h5py.File, name: str, dimensions: int) -> tuple[NDArray, ...]:
    if name not in file:
        return ()
    group = file[name]
    arrays = [_as_used(group[str(index)][()], dimensions) for index in range(len(group))]
    return tuple(array.reshape(-1, 1) if dimensions == 2 else array for array in arrays)


def _read_optional(file: h5py.File, name: str) -> NDArray | None:
    return file[f"{name}/{_DATASET}"][()] if f"{name}/{_DATASET}" in file else None


def _read_invariants(file: h5py.File, dimensions: int) -> NDArray | None:
    found = _read_optional(file, "deg_2_invariant")
    return None if found is None else _as_used(found, dimensions)


def read_proj_data(path: Path, with_invariants: bool = True) -> InvariantData:
    """Read a proj_data.h5, of this package or of the reference program.

    In two dimensions the vectors v_n come as (N, 1) complex. `with_invariants=False` skips the large B_l and their masks.
    Raises `InputFileError` if the file or a field is missing.
    """
    try:
        with h5py.File(path, "r") as file:
            dimensions = int(file["dimensions"][()])
            return InvariantData(
                dimensions=dimensions,
                wavelength=float(file["xray_wavelength"][()]),
                max_order=int(file["max_order"][()]),
                average_intensity=file["average_intensity"][()].real.astype(np.float64),
                q=file["data_radial_points"][()],
                delta=file["data_angular_points"][()],
                projection_matrices=_read_list(file, f"data_projection_matrices/{_DATASET}", dimensions),
                q_id_limits=file[f"data_projection_matrices_q_id_limits/{_DATASET}"][()],
                invariants=_read_invariants(file, dimensions) if with_invariants else None,
                invariant_masks=_read_optional(file, "deg_2_invariant_masks") if with_invariants else None,
                low_resolution_coefficients=_read_list(file, "data_low_resolution_intensity_coefficients", dimensions),
                n_particles=float(file["number_of_particles"][()]) if "number_of_particles" in file else 0,
            )
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read as HDF5 ({error}); run `extract` first or check the path") from error
    except KeyError as error:
        raise InputFileError(f"{path}: not a file of extracted invariants, {error.args[0]}") from error
