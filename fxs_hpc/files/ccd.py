"""ccd.h5: angular cross-correlations, in the layout of the reference program.

Fields
------
radial_points (N,) [1/A], angular_points (n_delta,) [rad], xray_wavelength () [A], number_of_particles ()
average_intensity (N,) : <I>(q)
cross_correlation/I1I1 (N, N, n_delta) f8 : C(q1, q2, Delta), stored in one piece so that any slab is read without unpacking
deg_2_invariant/I1I1 (L+1, N, N) f8 : B_l of a simulation. The reference stores complex numbers whose imaginary part is zero
    (B_l of a real intensity is real); float64 halves the space, and odd orders, all zero, take none.
model/ : a simulated object: density (N, n_theta, n_phi) f4 (empty shells take no space), r [A], theta, phi [rad];
    attribute `shapes`, JSON that describes the exact object (see `fxs_hpc.fluctuation.shapes.to_json`)
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation

Blocks = Iterable[tuple[slice, NDArray]]


def _write_invariants(file: h5py.File, invariants: NDArray) -> None:
    data = file.create_dataset("deg_2_invariant/I1I1", invariants.shape, invariants.dtype, chunks=(1, *invariants.shape[1:]))
    for order, values in enumerate(invariants):
        if values.any():
            data[order] = values


def write_points(file: h5py.File, data: CrossCorrelation, intensity_unit: str) -> None:
    """Write the scalars and the points of `data`, and its mean intensity."""
    file["dimensions"] = data.dimensions
    for name, value, unit in (
        ("radial_points", data.q, "1/A"),
        ("angular_points", data.delta, "rad"),
        ("xray_wavelength", data.wavelength, "A"),
        ("average_intensity", data.average_intensity, intensity_unit),
    ):
        file[name] = value
        file[name].attrs["unit"] = unit
    file["number_of_particles"] = data.n_particles


def write_model(file: h5py.File, model: shapes.Model) -> None:
    """Write the simulated object as the group `model`."""
    group = file.create_group("model")
    shape = model.density.shape
    density = group.create_dataset("density", shape, np.float32, chunks=(1, *shape[1:]), compression="gzip", compression_opts=1)
    for shell in np.flatnonzero(model.density.any(axis=(1, 2))):
        density[shell] = model.density[shell]
    for name, unit in (("r", "A"), ("theta", "rad"), ("phi", "rad")):
        group[name] = getattr(model, name)
        group[name].attrs["unit"] = unit
    group.attrs["shapes"] = shapes.to_json(model.shapes)


def write_ccd(path: Path, data: CrossCorrelation, blocks: Blocks | None = None, model: shapes.Model | None = None) -> None:
    """Write `data` to `path`, whole or not at all.

    Parameters
    ----------
    blocks : (slice of q1, values) of I1I1, written as they come so that the correlation never lies in memory as a whole;
        None takes `data.correlation`.
    model : the simulated object.
    """
    n_q = len(data.q)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_points(file, data, "(density A^3)^2 / (2 pi)^3")
        for name, values in data.correlation.items():
            file[f"cross_correlation/{name}"] = values
        if blocks is not None:
            target = file.create_dataset("cross_correlation/I1I1", (n_q, n_q, len(data.delta)), np.float64)
            for rows, values in blocks:
                target[rows] = values
        if data.invariants is not None:
            _write_invariants(file, data.invariants)
        if model is not None:
            write_model(file, model)


@contextmanager
def open_ccd(path: Path) -> Iterator[CrossCorrelation]:
    """A ccd.h5 of this package or of the reference program, with the large arrays left on disk as HDF5 datasets.

    Raises `InputFileError` if the file or a field is missing.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read as HDF5 ({error}); run `simulate_ccd` first or check the path") from error
    with file:
        try:
            data = CrossCorrelation(
                dimensions=int(file["dimensions"][()]) if "dimensions" in file else 3,
                q=file["radial_points"][()],
                delta=file["angular_points"][()],
                wavelength=float(file["xray_wavelength"][()]),
                average_intensity=np.asarray(file["average_intensity"][()].real, dtype=np.float64),
                correlation=dict(file["cross_correlation"]),
                invariants=file["deg_2_invariant/I1I1"] if "deg_2_invariant/I1I1" in file else None,
                n_particles=float(file["number_of_particles"][()]) if "number_of_particles" in file else 0,
            )
        except KeyError as error:
            raise InputFileError(f"{path}: not a file of cross-correlations, {error.args[0]}") from error
        yield data


def read_ccd(path: Path) -> CrossCorrelation:
    """Read a whole ccd.h5 into memory; see `open_ccd` for large ones."""
    with open_ccd(path) as data:
        return CrossCorrelation(
            data.dimensions,
            data.q,
            data.delta,
            data.wavelength,
            data.average_intensity,
            {name: values[()] for name, values in data.correlation.items()},
            None if data.invariants is None else data.invariants[()],
            data.n_particles,
        )


def read_model(path: Path) -> shapes.Model | None:
    """The simulated object stored in a ccd.h5, or None where there is none (measured data, files of the reference)."""
    try:
        with h5py.File(path, "r") as file:
            if "model" not in file:
                return None
            group = file["model"]
            arrays = [group[name][()] for name in ("r", "theta", "phi", "density")]
            return shapes.Model(shapes.from_json(group.attrs["shapes"]), *arrays)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read as HDF5 ({error})") from error
