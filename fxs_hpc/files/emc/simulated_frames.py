"""Frames as detectors write them: CBF files, or HDF5 files in the manner of NeXus with a master file."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from fabio.cbfimage import CbfImage
from numpy.typing import NDArray

from fxs_hpc.files.atomic import replacing

MASTER = "sim_master.h5"


def cbf_path(folder: Path, frame: int) -> Path:
    """Path of one CBF frame."""
    return folder / f"sim_{frame:05d}.cbf"


def write_cbf(folder: Path, frame: int, counts: NDArray[np.int32]) -> None:
    """Write one frame i4[rows, columns] with byte-offset compression."""
    CbfImage(data=counts).write(str(cbf_path(folder, frame)))


def data_path(folder: Path, number: int) -> Path:
    """Path of one HDF5 data file; numbers count from 1."""
    return folder / f"sim_data_{number:06d}.h5"


def write_data(folder: Path, number: int, shape: tuple[int, int, int], frames: Iterable[NDArray[np.int32]]) -> None:
    """Write the frames i4[rows, columns] of one data file, `shape` = (frames, rows, columns), whole or not at all."""
    with replacing(data_path(folder, number)) as temporary, h5py.File(temporary, "w") as file:
        group = file.create_group("entry/data")
        file["entry"].attrs["NX_class"], group.attrs["NX_class"] = "NXentry", "NXdata"
        data = group.create_dataset("data", shape, "<i4", chunks=(1, *shape[1:]), **hdf5plugin.Bitshuffle(cname="lz4"))
        for place, counts in enumerate(frames):
            data[place] = counts


def write_master(folder: Path, files: int, description: Mapping[str, tuple[Any, str]]) -> None:
    """Write the master file, which links the data files.

    Parameters
    ----------
    description : mapping
        Path below entry/instrument -> (value, unit).
    """
    with replacing(folder / MASTER) as temporary, h5py.File(temporary, "w") as file:
        group = file.create_group("entry/data")
        file["entry"].attrs["NX_class"], group.attrs["NX_class"] = "NXentry", "NXdata"
        for number in range(1, files + 1):
            group[f"data_{number:06d}"] = h5py.ExternalLink(data_path(folder, number).name, "/entry/data/data")
        for name, (value, unit) in description.items():
            file[f"entry/instrument/{name}"] = value
            if unit:
                file[f"entry/instrument/{name}"].attrs["units"] = unit
