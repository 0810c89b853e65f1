"""orientations.h5: orientations off the grid, frame by frame, and the model that they were refined against.

HDF5. Group `frames`, n reduced frames in their order (recovered ones behind them):
    raw_id i8[n]                    number among the raw frames
    quaternion f8[n, 4]             unit quaternion q, scalar first; q* v q is in the crystal what v is in the laboratory
    rotation f8[n, 3, 3]            the same as a matrix, laboratory to crystal
    phi f8[n]                       scale factor, mean 1 over the accepted frames; 0: no orientation
    log_phi f8[n]                   its logarithm, as the refinement keeps it
    strain f8[n, 3]                 relative change of the lengths of a*, b*, c*
    log_variance f8[n]              logarithm of the frame's s^2 over the common one
    log_likelihood f8[n]            above "background only"; -inf: no orientation
    covariance f8[n, 8, 8]          inverse Fisher information of rotation (rad, about the axes of the laboratory), log phi, strain, width
    rotation_error f8[n]            square root of the trace of its rotation part, degrees
    bright, unexplained i4[n]       pixels that the background does not explain, and those of them that no peak explains either
    accepted bool[n]                whether the frame counts in the intensities
    recovered bool[n]               whether it was found by the search alone
Group `second`, where two lattices were looked for: the same of the second lattice, with `frame` i8[k], its place in `frames`,
    and first_log_likelihood f8[k], what the first lattice gains above background and second lattice.
Group `model`: hkl i4[u, 3] (one of each set of equivalents), height, sigma, photon_sigma f8[u], multiplicity i8[u];
    attributes reference_width, width (1/Angstrom), mosaicity (rad), radial, shift_x, shift_y (distances), log_distance.
Attributes `round`: number of the round; `settings`: JSON of what a run must share with this one to continue it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing

NAME = "orientations.h5"
UNITS = {"rotation_error": "deg", "covariance": "rad^2"}
MODEL_COLUMNS = ("hkl", "height", "sigma", "photon_sigma", "multiplicity")


@dataclass(frozen=True)
class Orientations:
    """What the file holds.

    Attributes
    ----------
    number : int
        Of the round.
    frames, second : mapping of arrays
        See above; `second` may be empty.
    model : mapping of arrays
    shape : mapping of float
        The attributes of `model`.
    settings : str
    """

    number: int
    frames: Mapping[str, NDArray]
    second: Mapping[str, NDArray]
    model: Mapping[str, NDArray]
    shape: Mapping[str, float]
    settings: str


def write(path: Path, orientations: Orientations) -> None:
    """Write the file, whole or not at all."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["round"] = orientations.number
        file.attrs["settings"] = orientations.settings
        for name in ("frames", "second", "model"):
            columns: Mapping[str, NDArray] = getattr(orientations, name)
            if columns:
                group = file.create_group(name)
                for key, values in columns.items():
                    group[key] = values
                    if key in UNITS:
                        group[key].attrs["unit"] = UNITS[key]
        file["model"].attrs.update(orientations.shape)


def read(path: Path) -> Orientations:
    """Read the file.

    Raises
    ------
    InputFileError
        It is missing or holds something else.
    """
    try:
        with h5py.File(path) as file:
            groups: dict[str, dict[str, Any]] = {
                name: {key: data[()] for key, data in file[name].items()} if name in file else {} for name in ("frames", "second", "model")
            }
            missing = [key for key in MODEL_COLUMNS if key not in groups["model"]]
            if missing or "quaternion" not in groups["frames"]:
                raise InputFileError(f"{path}: no file of orientations: {', '.join(missing) or 'frames/quaternion'} is missing")
            shape = {key: float(value) for key, value in file["model"].attrs.items()}
            number, settings = int(file.attrs["round"]), str(file.attrs["settings"])
            return Orientations(number, groups["frames"], groups["second"], groups["model"], shape, settings)
    except (OSError, KeyError) as error:
        raise InputFileError(f"{path}: cannot be read as a file of orientations ({error})") from error
