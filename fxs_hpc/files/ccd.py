"""ccd.h5: angular cross-correlations, in the layout of the reference program.

Fields
------
radial_points (N,) [1/A], angular_points (n_delta,) [rad], xray_wavelength () [A], number_of_particles ()
average_intensity (N,) : <I>(q); average_squared_intensity (N,) : <I^2>(q), optional, where I2I1 or I2I2 are there
cross_correlation/I1I1 (N, N, n_delta) f8 : C(q1, q2, Delta), stored in one piece so that any slab is read without unpacking
cross_correlation/I2I1, I2I2 : the same of the squared intensity at q1, or at both
deg_2_invariant/I1I1 (L+1, N, N) : B_l or B_n of a simulation. In 3D float64 (the reference stores complex numbers whose imaginary part is
    zero; B_l of a real intensity is real), in 2D complex128; odd orders, all zero, take no space.
dimensions () : of the object; left out where patterns were correlated, which serve both. Files of the reference have no such field: a
    simulation in 2D is known by 2L + 1 angular_points for 2L values
model/ : a simulated object: density (N, n_theta, n_phi), in 2D (N, n_phi), f4 (empty shells take no space), r [A], theta, phi [rad];
    attribute `shapes`, JSON that describes the exact object (see `fxs_hpc.fluctuation.shapes.to_json`)
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.fluctuation import plane_shapes, shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.shapes import Model

Blocks = Iterable[tuple[slice, NDArray]]

_PATTERNS = "num_images_processed"
"""What only correlations of patterns have."""
_SQUARED = "average_squared_intensity"


def _write_invariants(file: h5py.File, invariants: NDArray) -> None:
    data = file.create_dataset("deg_2_invariant/I1I1", invariants.shape, invariants.dtype, chunks=(1, *invariants.shape[1:]))
    for order, values in enumerate(invariants):
        if values.any():
            data[order] = values


def write_points(file: h5py.File, data: CrossCorrelation, intensity_unit: str) -> None:
    """Write the scalars and the points of `data`, and its mean intensity."""
    if data.dimensions is not None:
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
    if data.average_squared_intensity is not None:
        file[_SQUARED] = data.average_squared_intensity


def write_model(file: h5py.File, model: Model | PlaneModel) -> None:
    """Write the simulated object as the group `model`."""
    group = file.create_group("model")
    shape = model.density.shape
    density = group.create_dataset("density", shape, np.float32, chunks=(1, *shape[1:]), compression="gzip", compression_opts=1)
    for shell in np.flatnonzero(model.density.reshape(shape[0], -1).any(axis=1)):
        density[shell] = model.density[shell]
    for name, unit in (("r", "A"), ("theta", "rad"), ("phi", "rad")):
        if hasattr(model, name):
            group[name] = getattr(model, name)
            group[name].attrs["unit"] = unit
    group.attrs["shapes"] = shapes.to_json(model.shapes)


def write_ccd(path: Path, data: CrossCorrelation, blocks: Blocks | None = None, model: Model | PlaneModel | None = None) -> None:
    """Write `data` to `path`, whole or not at all.

    Parameters
    ----------
    blocks : (slice of q1, values) of I1I1, written as they come so that the correlation never lies in memory as a whole;
        None takes `data.correlation`.
    model : the simulated object.
    """
    n_q = len(data.q)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        write_points(file, data, f"(density A^{data.dimensions})^2 / (2 pi)^{data.dimensions}")
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


class _Fields:
    """The fields of a file, some of them under other names."""

    def __init__(self, file: h5py.File, names: Mapping[str, str]) -> None:
        self._file, self._names = file, names

    def __contains__(self, name: str) -> bool:
        return self._names.get(name, name) in self._file

    def __getitem__(self, name: str) -> h5py.Dataset:
        found = self._names.get(name, name)
        if found not in self._file:
            raise KeyError(f"it has no field {found}")
        return self._file[found]

    def correlations(self) -> dict[str, h5py.Dataset]:
        """Those of the group cross_correlation, and those that have other names."""
        inside = self._file.get("cross_correlation")
        found = dict(inside) if isinstance(inside, h5py.Group) else {}
        prefix = "cross_correlation/"
        renamed = {name.removeprefix(prefix): self[name] for name in self._names if name.startswith(prefix)}
        if not found and not renamed:
            raise KeyError("it has no group cross_correlation")
        return {**found, **renamed}


@contextmanager
def open_ccd(path: Path, names: Mapping[str, str] | None = None) -> Iterator[CrossCorrelation]:
    """A ccd.h5 of this package or of the reference program, with the large arrays left on disk as HDF5 datasets.

    `names` says what fields are called in a file that names them otherwise: {present name: name in the file}. Raises
    `InputFileError` if the file or a field is missing.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read as HDF5 ({error}); run `simulate_ccd` first or check the path") from error
    with file:
        try:
            data = _read(_Fields(file, names or {}))
        except KeyError as error:
            raise InputFileError(f"{path}: not a file of cross-correlations, {error.args[0]}") from error
        yield data


def _read(file: _Fields) -> CrossCorrelation:
    correlation = file.correlations()
    delta = _angles(file, correlation)
    return CrossCorrelation(
        dimensions=_dimensions(file, len(delta)),
        q=file["radial_points"][()],
        delta=delta,
        wavelength=float(file["xray_wavelength"][()]),
        average_intensity=np.asarray(file["average_intensity"][()].real, dtype=np.float64),
        correlation=correlation,
        invariants=file["deg_2_invariant/I1I1"] if "deg_2_invariant/I1I1" in file else None,
        n_particles=float(file["number_of_particles"][()]) if "number_of_particles" in file else 0,
        measured=_PATTERNS in file,
        average_squared_intensity=file[_SQUARED][()] if _SQUARED in file else None,
    )


def _angles(file: _Fields, correlation: Mapping[str, h5py.Dataset]) -> NDArray[np.float64]:
    """The angles of the values: the reference program writes 2L + 1 of them for 2L values in 2D."""
    angles = np.asarray(file["angular_points"][()], np.float64)
    values = correlation.get("I1I1")
    count = len(angles) if values is None or values.ndim != 3 else values.shape[2]
    return 2 * np.pi * np.arange(count) / count if count == len(angles) - 1 else angles


def _dimensions(file: _Fields, n_delta: int) -> int | None:
    if "dimensions" in file:
        return int(file["dimensions"][()])
    if _PATTERNS in file:
        return None
    return 2 if n_delta == len(file["angular_points"]) - 1 else 3


def read_ccd(path: Path) -> CrossCorrelation:
    """Read a whole ccd.h5 into memory; see `open_ccd` for large ones."""
    with open_ccd(path) as data:
        values = {name: values[()] for name, values in data.correlation.items()}
        return replace(data, correlation=values, invariants=None if data.invariants is None else data.invariants[()])


def read_any_model(path: Path) -> Model | PlaneModel | None:
    """The simulated object stored in a ccd.h5, or None where there is none (measured data, files of the reference)."""
    try:
        with h5py.File(path, "r") as file:
            if "model" not in file:
                return None
            group = file["model"]
            r, phi, density, text = group["r"][()], group["phi"][()], group["density"][()], group.attrs["shapes"]
            if density.ndim == 2:
                return PlaneModel(plane_shapes.from_json(text), r, phi, density)
            return Model(shapes.from_json(text), r, group["theta"][()], phi, density)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read as HDF5 ({error})") from error


def read_model(path: Path) -> Model | None:
    """The simulated object in space stored in a ccd.h5, or None. Raises `InputFileError` if it is one of the plane."""
    model = read_any_model(path)
    if isinstance(model, PlaneModel):
        raise InputFileError(f"{path}: holds an object of the plane, one in space is wanted; use dimensions: 2")
    return model


def read_plane_model(path: Path) -> PlaneModel | None:
    """The simulated object of the plane stored in a ccd.h5, or None. Raises `InputFileError` if it is one in space."""
    model = read_any_model(path)
    if isinstance(model, Model):
        raise InputFileError(f"{path}: holds an object in space, one of the plane is wanted; use dimensions: 3")
    return model
