"""Frames in files of one image each, as fabio knows them: TIFF, EDF, CBF of unusual kinds, Mar, ADSC, ..."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files import frame_cbf
from fxs_hpc.files.frame_counts import photon_counts

CBF = b"###CBF"


def read(path: Path | str, adu_per_photon: float = 1.0) -> NDArray[np.int32]:
    """Counts int32 (rows, columns), negative = bad.

    Raises
    ------
    InputFileError
        The file is missing, damaged, of an unknown kind, or holds several images.
    """
    try:
        counts = frame_cbf.read(path) if str(path).endswith(".cbf") else None
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror})") from None
    return photon_counts(_by_fabio(path) if counts is None else counts, adu_per_photon)


def _by_fabio(path: Path | str) -> NDArray:
    import fabio  # takes a tenth of a second, and most frames do not need it

    try:
        image = fabio.open(str(path))
    except Exception as error:  # fabio raises whatever its readers meet in a damaged file
        raise InputFileError(f"{path}: cannot be read as an image ({error or type(error).__name__})") from None
    if image.nframes > 1:
        raise InputFileError(f"{path}: {image.nframes} images in one file; put them in an HDF5 file, or in one file each")
    if image.data is None or image.data.ndim != 2:
        raise InputFileError(f"{path}: is no image")
    return image.data
