"""Masks: pixels that must not be used.

Written: make-detector/MASK.bin (int32[rows * columns], row-major) and aux/mask.dat (the same, a number a line); 0 = good, 1 = masked. Read
besides: arrays in HDF5, NumPy and image files, in which everything but 0 is masked. The reference's Python writes MASK.bin as int64;
such files are recognised by their size.
"""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files import frame_image
from fxs_hpc.files.atomic import replacing, write_text
from fxs_hpc.files.frame_hdf5 import CXI_MASKS, NEXUS_MASKS
from fxs_hpc.files.frames import is_hdf5

PLACES = (*NEXUS_MASKS, *CXI_MASKS, "/mask", "/data/mask", "/data/data")
"""Where a mask is looked for in HDF5 files."""
BRIGHTEST = 32767
"""Pixels above this in the frame that a mask is made of are masked: reduced data are int16."""


def write(binary: Path, text: Path, mask: NDArray[np.bool_]) -> None:
    """Write MASK.bin and mask.dat."""
    numbers = mask.ravel().astype("<i4")
    with replacing(binary) as temporary:
        numbers.tofile(temporary)
    write_text(text, "\n".join(map(str, numbers.tolist())) + "\n")


def read(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask bool (rows, columns) of any of the formats; True = masked.

    Raises
    ------
    InputFileError
        The file is missing, of an unknown format or of another size.
    """
    try:
        values = _values(path, shape[0] * shape[1])
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: cannot be read as a mask ({error})") from None
    if values.size != shape[0] * shape[1]:
        raise InputFileError(f"{path}: {values.size} values, but the detector has {shape[0]} x {shape[1]} = {shape[0] * shape[1]} pixels")
    return values.reshape(shape) != 0


def _values(path: Path, count: int) -> NDArray:
    if is_hdf5(path):
        return _of_hdf5(path)
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".bin":
        return np.fromfile(path, "<i8" if path.stat().st_size == 8 * count else "<i4")
    if path.suffix in (".dat", ".txt"):
        return np.array(path.read_text().split(), float)
    return frame_image.read(path)


def _of_hdf5(path: Path) -> NDArray:
    with h5py.File(path, "r") as file:
        names = [name for name in PLACES if name in file]
        if not names:
            raise InputFileError(f"{path}: no mask in it: looked for {', '.join(PLACES)}")
        return np.asarray(file[names[0]][()])


def of_frame(frame: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of one frame that are marked bad or overflow."""
    return (frame < 0) | (frame > BRIGHTEST)
