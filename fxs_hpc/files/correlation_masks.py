"""Masks of correlations: which values of C(q1, q2, Delta) are valid, from a file.

.npy : the array; .npz : its field `mask`; .h5, .hdf5 : the dataset `cross_correlation_mask/<data set>`, else `mask`. Boolean, or numbers
that are zero where C is invalid.
"""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError

KINDS = (".npy", ".npz", ".h5", ".hdf5")


def read_mask(path: Path, data_set: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask in `path` of a correlation of `shape` (N, N, n_delta), True where it is valid.

    Raises
    ------
    InputFileError
        The file is missing or of another kind, holds no mask, or one that does not fit.
    """
    if not path.is_file():
        raise InputFileError(f"{path}: no such file; correct cc_mask.direct.path of {data_set}")
    if path.suffix not in KINDS:
        raise InputFileError(f"{path}: no mask is read from {path.suffix or 'a file without suffix'}; use one of {', '.join(KINDS)}")
    try:
        values = _hdf5(path, data_set) if path.suffix in (".h5", ".hdf5") else _numpy(path)
    except (KeyError, OSError, ValueError) as error:
        raise InputFileError(f"{path}: holds no mask ({error})") from None
    try:
        return np.broadcast_to(values != 0, shape)
    except ValueError:
        raise InputFileError(f"{path}: the mask has shape {values.shape}, the correlation {data_set} has {shape}") from None


def _numpy(path: Path) -> NDArray:
    found = np.load(path, allow_pickle=False)
    return np.asarray(found if isinstance(found, np.ndarray) else found["mask"])


def _hdf5(path: Path, data_set: str) -> NDArray:
    with h5py.File(path) as file:
        name = f"cross_correlation_mask/{data_set}"
        return np.asarray(file[name if name in file else "mask"][()])
