"""Files as detectors write them, small and with known counts: each class makes one kind of file in a folder.

`counts` is int32 (frames, rows, columns); negative counts are pixels that the detector marks bad, each in its own way.
"""

from dataclasses import dataclass
from pathlib import Path

import fabio
import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray


def example(frames: int = 7, shape: tuple[int, int] = (23, 31), seed: int = 0) -> NDArray[np.int32]:
    """Counts with some of every size, and the same two pixels bad in all frames."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(2.0, (frames, *shape)).astype(np.int32)
    counts[:, 3, 4:9] += rng.integers(100, 30_000, (frames, 5)).astype(np.int32)
    counts[:, 10, 11] = counts[:, 17, 2] = -1
    return counts


@dataclass
class Pilatus:
    """One CBF per frame; bad pixels are negative, module gaps -1 and dead ones -2."""

    folder: Path
    counts: NDArray[np.int32]

    def write(self, names: str = "shot_{:05d}.cbf") -> list[Path]:
        paths = [self.folder / names.format(number) for number in range(len(self.counts))]
        for path, frame in zip(paths, self.counts):
            path.parent.mkdir(parents=True, exist_ok=True)
            fabio.cbfimage.CbfImage(data=frame).write(str(path))
        return paths


@dataclass
class Eiger:
    """A NeXus master that links to data files of `per_file` frames, bitshuffle/LZ4; bad pixels are 2^32 - 1 and in pixel_mask."""

    folder: Path
    counts: NDArray[np.int32]
    per_file: int = 3

    def write(self, prefix: str = "run7") -> Path:
        master = self.folder / f"{prefix}_master.h5"
        bad = self.counts[0] < 0
        with h5py.File(master, "w") as file:
            detector = file.create_group("/entry/instrument/detector")
            mask = np.zeros(bad.shape, np.uint32)
            mask[bad] = [1, 8][: bad.sum()]
            detector["detectorSpecific/pixel_mask"] = mask
            detector["detectorSpecific/nimages"] = len(self.counts)
            detector["detectorSpecific/ntrigger"] = 1
            detector["detector_distance"] = 0.12
            data = file.create_group("/entry/data")
            for part, start in enumerate(range(0, len(self.counts), self.per_file), start=1):
                name = f"{prefix}_data_{part:06d}.h5"
                self._data(self.folder / name, self.counts[start : start + self.per_file])
                data[f"data_{part:06d}"] = h5py.ExternalLink(name, "/entry/data/data")
        return master

    def _data(self, path: Path, counts: NDArray[np.int32]) -> None:
        values = np.where(counts < 0, 2**32 - 1, counts).astype(np.uint32)
        with h5py.File(path, "w") as file:
            file.create_dataset("/entry/data/data", data=values, chunks=(1, *values.shape[1:]), **hdf5plugin.Bitshuffle(cname="lz4"))


@dataclass
class Jungfrau:
    """Calibrated energies in keV (float32) of two modules, (frame, module, row, column); bad pixels are NaN. Noise of 0.3 photons."""

    folder: Path
    counts: NDArray[np.int32]
    keV: float = 12.4

    def write(self, name: str = "jungfrau.h5") -> Path:
        rng = np.random.default_rng(1)
        values = np.where(self.counts < 0, np.nan, self.counts + rng.uniform(-0.3, 0.3, self.counts.shape)) * self.keV
        frames, rows, columns = values.shape
        with h5py.File(self.folder / name, "w") as file:
            modules = values.astype(np.float32).reshape(frames, 2, rows // 2, columns)
            file.create_dataset("/entry/instrument/detector/data", data=modules, chunks=(1, 2, rows // 2, columns), **hdf5plugin.LZ4())
        return self.folder / name


@dataclass
class Cxi:
    """CXI: int16 counts and a mask for each frame; bit 0x20 (part of a peak mask) is no fault, bit 8 is."""

    folder: Path
    counts: NDArray[np.int32]

    def write(self, name: str = "hits.cxi") -> Path:
        mask = np.where(self.counts < 0, 8, 0).astype(np.uint32)
        mask[self.counts > 50] |= 0x20
        with h5py.File(self.folder / name, "w") as file:
            file["/entry_1/data_1/data"] = np.maximum(self.counts, 0).astype(np.int16)
            file["/entry_1/data_1/mask"] = mask
        return self.folder / name


@dataclass
class Tiff:
    """One TIFF per frame, int32, bad pixels negative."""

    folder: Path
    counts: NDArray[np.int32]

    def write(self, names: str = "image_{}.tif") -> list[Path]:
        paths = [self.folder / names.format(number) for number in range(len(self.counts))]
        for path, frame in zip(paths, self.counts):
            fabio.tifimage.TifImage(data=frame).write(str(path))
        return paths
