"""mpi_datafile and mpi_bgfile of the reference program: photons i2[frames][pixels] and backgrounds f8[frames][bins], nothing else.

Little-endian, without header. Pixels in the order of rec-vectors.bin; -1 is a pixel that is dead in that frame. Backgrounds in photons
for each pixel of polar = 1; -1 is a radial bin that cannot be used.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.sparse_frames import SparseFrames
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.emc.frame_block import FrameBlock

PHOTONS = np.dtype("<i2")
BACKGROUND = np.dtype("<f8")


def _table(path: Path, dtype: np.dtype, columns: int, what: str) -> NDArray:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputFileError(f"{path}: {what} cannot be read ({error.strerror}); run reduce-data first") from error
    rows, rest = divmod(size, dtype.itemsize * columns)
    if rest or not rows:
        raise InputFileError(
            f"{path}: {size} bytes are no whole number of frames of {columns} values of {dtype.itemsize} bytes; "
            "it belongs to another geometry or qlen, or was not written to its end: run reduce-data again"
        )
    return np.memmap(path, dtype, mode="r", shape=(rows, columns))


class DenseFrames:
    """Reduced frames in the files of the reference program.

    Parameters
    ----------
    photons, background : Path
        mpi_datafile, mpi_bgfile. They are mapped into memory: a read touches what it returns and nothing more.
    pixels, bins : int
        Values of a frame in each (NPIX of rec-vectors.bin, qlen): the files do not say.

    Raises
    ------
    InputFileError
        A file is missing, its size does not fit, or the two hold different numbers of frames.
    """

    def __init__(self, photons: Path, background: Path, pixels: int, bins: int) -> None:
        self._photons = _table(photons, PHOTONS, pixels, "photons of the reduced frames")
        self._background = _table(background, BACKGROUND, bins, "backgrounds of the reduced frames")
        self.count, self.pixels = self._photons.shape
        self.bins = bins
        if len(self._background) != self.count:
            raise InputFileError(
                f"{background}: {len(self._background)} backgrounds of {bins} bins, but {self.count} frames of {pixels} pixels "
                f"in {photons}; check qlen and run reduce-data again"
            )

    def read_photons(self, first: int, stop: int, pixels: int | None = None) -> NDArray[np.int16]:
        """i2[stop - first, pixels]; see `ReducedFrames`."""
        return np.array(self._photons[first:stop, :pixels], np.int16, order="C")

    def read_sparse(self, first: int, stop: int, pixels: int | None = None) -> SparseFrames:
        """The same without empty pixels; see `ReducedFrames`."""
        return SparseFrames.from_dense(self.read_photons(first, stop, pixels))

    def read_background(self, first: int, stop: int) -> NDArray[np.float64]:
        """f8[stop - first, bins]; see `ReducedFrames`."""
        return np.array(self._background[first:stop], np.float64, order="C")


def write_part(photons: Path, background: Path, first: int, pixels: int, bins: int, blocks: Iterable[FrameBlock]) -> None:
    """Write frames from number `first` on into files that exist, in place: several ranks may write parts of one file at a time."""
    with open(photons, "r+b") as data, open(background, "r+b") as radial:
        data.seek(first * pixels * PHOTONS.itemsize)
        radial.seek(first * bins * BACKGROUND.itemsize)
        for block in blocks:
            data.write(np.ascontiguousarray(block.photons, PHOTONS).data)
            radial.write(np.ascontiguousarray(block.background, BACKGROUND).data)


def write_dense(photons: Path, background: Path, blocks: Iterable[FrameBlock]) -> int:
    """Write both files, whole or not at all, block after block; returns the number of frames."""
    count = 0
    with replacing(photons) as one, replacing(background) as other, open(one, "wb") as data, open(other, "wb") as radial:
        for block in blocks:
            data.write(np.ascontiguousarray(block.photons, PHOTONS).data)
            radial.write(np.ascontiguousarray(block.background, BACKGROUND).data)
            count += len(block.photons)
    return count
