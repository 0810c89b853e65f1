"""Compressed store of the reduced frames (HDF5): photons, dead pixels, backgrounds, raw numbers.

Layout, version 1; B = frames of a block (attribute `block`), blocks follow each other, the last may be smaller
---------------------------------------------------------------------------------------------------------------
attributes : format, version, block, pixel_order (SHA-256 of the pixel indices that the photons are sorted by)
photons/dense i2[frames, pixels] : photons of the blocks that are stored so; the others take no space
photons/is_sparse bool[blocks]
photons/first i8[frames + 1], gap u4[m], count i2[m] : photons of the other blocks. Entries first[k] .. first[k + 1] are those of frame
    k; gap is the distance from the entry before it (the pixel itself for the first of a frame), which packs better than the pixel.
dead/first i8[frames + 1], pixel u4[k] : pixels that are dead in a frame; they are 0 in photons
background f8[frames, bins], raw_id i8[frames]

A block is stored sparsely when at most SPARSE of its pixels hold photons. Below that the sparse form is the smaller one, and it is read
several times faster. (Blosc with Zstandard: of the filters of hdf5plugin it had the smallest files at reading speeds above 1 GB/s.)
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
from numba import njit
from numpy.typing import NDArray

from fxs_hpc.emc.sparse_frames import DEAD, SparseFrames, joined
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.emc.frame_block import FrameBlock, reblocked

FORMAT = "fxs_hpc reduced frames"
VERSION = 1
SPARSE = 0.1
BLOCK_BYTES = 1 << 22
CHUNK_VALUES = 1 << 18
MAX_BLOCK = 32

_BITS = hdf5plugin.Blosc(cname="zstd", clevel=3, shuffle=hdf5plugin.Blosc.BITSHUFFLE)
_BYTES = hdf5plugin.Blosc(cname="zstd", clevel=3, shuffle=hdf5plugin.Blosc.SHUFFLE)


def pixel_order(index: NDArray) -> str:
    """What a store says about the order of its pixels: SHA-256 of the full-detector indices, in order."""
    return sha256(np.ascontiguousarray(index, "<i4").tobytes()).hexdigest()


def block_size(pixels: int) -> int:
    """Frames of a block: some MB of dense photons."""
    return max(1, min(MAX_BLOCK, BLOCK_BYTES // (2 * pixels)))


class StoredFrames:
    """Reduced frames in a store; any run of frames is read without the rest.

    Raises
    ------
    InputFileError
        The file is missing, no store, of a later version, or of other pixels or bins than expected (None: whatever it holds).
    """

    def __init__(self, path: Path, pixels: int | None = None, bins: int | None = None, order: str | None = None) -> None:
        self._path = path
        self._file = _opened(path)
        self._dense = self._file["photons/dense"]
        self.count, self.pixels = self._dense.shape
        self.bins = self._file["background"].shape[1]
        self.pixel_order = str(self._file.attrs["pixel_order"])
        self.block = int(self._file.attrs["block"])
        self._is_sparse = self._file["photons/is_sparse"][()]
        self._first = self._file["photons/first"][()]
        self._dead_first = self._file["dead/first"][()]
        self._check(pixels, bins, order)

    def _check(self, pixels: int | None, bins: int | None, order: str | None) -> None:
        for what, found, expected in (("pixels", self.pixels, pixels), ("radial bins", self.bins, bins)):
            if expected is not None and found != expected:
                remedy = "check config.ini and run reduce-data again"
                raise InputFileError(f"{self._path}: frames of {found} {what}, expected {expected}; {remedy}")
        if order is not None and self.pixel_order != order:
            raise InputFileError(f"{self._path}: made for other pixels than those of make-detector; run reduce-data again")

    @property
    def raw_id(self) -> NDArray[np.int64]:
        """Number of each frame among the raw ones, i8[count]."""
        return self._file["raw_id"][()]

    def read_photons(self, first: int, stop: int, pixels: int | None = None) -> NDArray[np.int16]:
        """i2[stop - first, pixels]; see `ReducedFrames`."""
        pixels = self.pixels if pixels is None else min(pixels, self.pixels)
        photons = np.zeros((max(0, min(stop, self.count) - first), pixels), np.int16)
        for sparse, low, high in self._runs(first, stop):
            target = photons[low - first : high - first]
            target[...] = self._entries(low, high, pixels).dense() if sparse else self._dense[low:high, :pixels]
        dead_first, dead = self._dead(first, first + len(photons), pixels)
        photons[np.repeat(np.arange(len(photons)), np.diff(dead_first)), dead] = DEAD
        return photons

    def read_sparse(self, first: int, stop: int, pixels: int | None = None) -> SparseFrames:
        """The same without empty pixels; see `ReducedFrames`."""
        pixels = self.pixels if pixels is None else min(pixels, self.pixels)
        parts = [
            self._entries(low, high, pixels) if sparse else SparseFrames.from_dense(self._dense[low:high, :pixels])
            for sparse, low, high in self._runs(first, stop)
        ]
        live = joined(parts) if parts else SparseFrames.from_dense(np.zeros((0, pixels), np.int16))
        dead_first, dead = self._dead(first, first + len(live), pixels)
        return SparseFrames(live.first, live.pixel, live.count, dead_first, dead, pixels)

    def read_background(self, first: int, stop: int) -> NDArray[np.float64]:
        """f8[stop - first, bins]; see `ReducedFrames`."""
        return self._file["background"][first:stop]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "StoredFrames":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _runs(self, first: int, stop: int) -> Iterable[tuple[bool, int, int]]:
        """The frames first .. stop - 1 cut into runs stored alike: (is sparse, low, high)."""
        low, stop = first, min(stop, self.count)
        while low < stop:
            kind, block = self._is_sparse[low // self.block], low // self.block + 1
            while block < len(self._is_sparse) and self._is_sparse[block] == kind and block * self.block < stop:
                block += 1
            high = min(stop, block * self.block)
            yield bool(kind), low, high
            low = high

    def _entries(self, low: int, high: int, pixels: int) -> SparseFrames:
        begin, end = self._first[low], self._first[high]
        gap, count = self._file["photons/gap"][begin:end], self._file["photons/count"][begin:end]
        first = self._first[low : high + 1] - begin
        none = np.zeros(high - low + 1, np.int64)
        return SparseFrames(first, _places(gap, first), count, none, np.empty(0, np.int32), self.pixels).prefix(pixels)

    def _dead(self, low: int, high: int, pixels: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        begin, end = self._dead_first[low], self._dead_first[high]
        dead = self._file["dead/pixel"][begin:end].astype(np.int32)
        kept = dead < pixels
        return np.concatenate([[0], np.cumsum(kept)])[self._dead_first[low : high + 1] - begin], dead[kept]


def write_store(path: Path, blocks: Iterable[FrameBlock], pixels: int, bins: int, order: str) -> int:
    """Write a store, whole or not at all, block after block; returns the number of frames.

    Parameters
    ----------
    blocks : iterable of FrameBlock
        Of any sizes.
    pixels, bins : int
        Of a frame.
    order : str
        `pixel_order` of the detector.
    """
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        _create(file, pixels, bins, order)
        for block in reblocked(blocks, block_size(pixels)):
            _append(file, block)
        return len(file["raw_id"])


def join_stores(path: Path, parts: Sequence[Path]) -> None:
    """Write the frames of `parts` in order as one store. Every part but the last must hold whole blocks; dense blocks are not unpacked."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for number, part in enumerate(parts):
            with _opened(part) as source:
                if not number:
                    _create(file, source["photons/dense"].shape[1], source["background"].shape[1], source.attrs["pixel_order"])
                _copy_frames(source, file)


def _opened(path: Path) -> h5py.File:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read as HDF5 ({error}); run reduce-data first") from error
    if file.attrs.get("format") != FORMAT or file.attrs["version"] > VERSION:
        found = f"format {file.attrs.get('format')!r}, version {file.attrs.get('version')}"
        file.close()
        raise InputFileError(f"{path}: {found}; expected {FORMAT!r}, version {VERSION} at most; run reduce-data with this version")
    return file


def _create(file: h5py.File, pixels: int, bins: int, order: str) -> None:
    block = block_size(pixels)
    file.attrs.update({"format": FORMAT, "version": VERSION, "block": block, "pixel_order": order})
    chunk = (block, max(1, min(pixels, CHUNK_VALUES // block)))
    file.create_dataset("photons/dense", (0, pixels), "<i2", maxshape=(None, pixels), chunks=chunk, **_BITS)
    file.create_dataset("background", (0, bins), "<f8", maxshape=(None, bins), chunks=(max(1, (1 << 15) // bins), bins), **_BYTES)
    for name, dtype, packing in (("photons/gap", "<u4", _BYTES), ("photons/count", "<i2", _BITS), ("dead/pixel", "<u4", _BYTES)):
        file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(CHUNK_VALUES // 4,), **packing)
    for name, dtype in (("photons/is_sparse", "?"), ("raw_id", "<i8"), ("photons/first", "<i8"), ("dead/first", "<i8")):
        file.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(1 << 13,), **_BYTES)
    _extend(file["photons/first"], np.zeros(1, np.int64))
    _extend(file["dead/first"], np.zeros(1, np.int64))


def _extend(dataset: h5py.Dataset, values: NDArray) -> None:
    end = len(dataset)
    dataset.resize(end + len(values), axis=0)
    dataset[end:] = values


def _append(file: h5py.File, block: FrameBlock) -> None:
    dense, size = file["photons/dense"], len(block.photons)
    dense.resize(len(dense) + size, axis=0)
    sparse = np.count_nonzero(block.photons > 0) <= SPARSE * block.photons.size
    first = np.zeros(size, np.int64)
    if sparse:
        frames = SparseFrames.from_dense(block.photons)
        _extend(file["photons/gap"], _gaps(frames))
        _extend(file["photons/count"], frames.count)
        first = frames.first[1:]
    else:
        dense[len(dense) - size :] = np.maximum(block.photons, 0)
    _extend(file["photons/is_sparse"], np.array([sparse]))
    _extend(file["photons/first"], file["photons/first"][-1] + first)
    frame, pixel = np.divmod(np.flatnonzero(block.photons < 0), block.photons.shape[1])
    _extend(file["dead/first"], file["dead/first"][-1] + np.cumsum(np.bincount(frame, minlength=size)))
    _extend(file["dead/pixel"], pixel)
    _extend(file["background"], block.background)
    _extend(file["raw_id"], block.raw_id)


def _copy_frames(source: h5py.File, target: h5py.File) -> None:
    dense, end = target["photons/dense"], len(target["photons/dense"])
    dense.resize(end + len(source["photons/dense"]), axis=0)
    for number in range(source["photons/dense"].id.get_num_chunks()):
        row, column = source["photons/dense"].id.get_chunk_info(number).chunk_offset
        mask, packed = source["photons/dense"].id.read_direct_chunk((row, column))
        dense.id.write_direct_chunk((end + row, column), packed, mask)
    for name in ("photons/first", "dead/first"):
        _extend(target[name], target[name][-1] + source[name][1:])
    for name in ("photons/gap", "photons/count", "dead/pixel"):
        for begin in range(0, len(source[name]), CHUNK_VALUES):
            _extend(target[name], source[name][begin : begin + CHUNK_VALUES])
    for name in ("photons/is_sparse", "background", "raw_id"):
        _extend(target[name], source[name][()])


def _gaps(frames: SparseFrames) -> NDArray[np.uint32]:
    gaps = np.diff(frames.pixel, prepend=np.int32(0))
    begins = frames.first[:-1][np.diff(frames.first) > 0]
    gaps[begins] = frames.pixel[begins]
    return gaps.astype(np.uint32)


@njit("i4[::1](u4[::1], i8[::1])", cache=True, nogil=True)
def _places(gap: NDArray, first: NDArray) -> NDArray:
    """Pixel of each entry from the gaps between them."""
    pixel = np.empty(len(gap), np.int32)
    for frame in range(len(first) - 1):
        place = 0
        for entry in range(first[frame], first[frame + 1]):
            place += gap[entry]
            pixel[entry] = place
    return pixel
