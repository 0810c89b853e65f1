"""The frames that EMC reads, whatever file they lie in."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.sparse_frames import SparseFrames
from fxs_hpc.files.emc.dense_frames import DenseFrames
from fxs_hpc.files.emc.frame_store import StoredFrames

STORE_SUFFIX = ".h5"


class ReducedFrames(Protocol):
    """Photons and radial backgrounds of the reduced frames, read in runs of frames."""

    count: int
    """Frames."""
    pixels: int
    """Pixels of a frame."""
    bins: int
    """Radial bins of a background."""

    def read_photons(self, first: int, stop: int, pixels: int | None = None) -> NDArray[np.int16]:
        """Photons i2[stop - first, pixels] of frames first .. stop - 1 in the first `pixels` pixels (None: all); -1 where dead."""
        ...

    def read_sparse(self, first: int, stop: int, pixels: int | None = None) -> SparseFrames:
        """The same without the pixels that hold none."""
        ...

    def read_background(self, first: int, stop: int) -> NDArray[np.float64]:
        """Backgrounds f8[stop - first, bins], photons per pixel of polar = 1; -1 in unusable bins."""
        ...


def is_store(path: Path) -> bool:
    """Whether `path` names a compressed store of this package and not the dense file of the reference program."""
    return path.suffix == STORE_SUFFIX


def open_reduced(photons: Path, background: Path, pixels: int, bins: int, order: str | None = None) -> ReducedFrames:
    """The reduced frames of a working directory.

    Parameters
    ----------
    photons, background : Path
        mpi_datafile and mpi_bgfile of config.ini. A photon file that ends in `.h5` is a store and holds the backgrounds as well.
    pixels, bins : int
        Usable pixels of the detector and qlen, as the stage expects them.
    order : str, optional
        `pixel_order` of the detector: a store made with another one is refused.

    Raises
    ------
    InputFileError
        Names the file, what it holds and what is expected.
    """
    return StoredFrames(photons, pixels, bins, order) if is_store(photons) else DenseFrames(photons, background, pixels, bins)
