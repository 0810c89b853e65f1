"""Frames in HDF5: NeXus masters of Eiger and Jungfrau with their data files, CXI, and plain arrays; compressed as hdf5plugin knows.

Where the frames lie is found out from the layouts below, in this order, or said by `dataset`. Frames are (frame, row, column), one frame
(row, column), or several panels (frame, panel, row, column), which count as rows one below the other.

* Eiger master: ``/entry/data/data_000001``, ... in order of their names, most of them links into other files. A data file that is missing
  takes its frames with it and no others: they are counted, and named when they are asked for.
* NeXus: ``/entry/data/data``. CXI: ``/entry_1/data_1/data``, ``/entry_1/instrument_1/detector_1/data``. Others: the largest array.

A pixel mask (NeXus ``pixel_mask``, non-zero = bad; CXI ``mask``, with its bits for what is merely noteworthy left out; one for all frames
or one for each) makes its pixels bad.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the compression filters)
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.frame_counts import BAD, photon_counts

SIGNATURE = b"\x89HDF\r\n\x1a\n"
GROUPS = ("/entry/data", "/entry/instrument/detector")
DATASETS = (
    "/entry/data/data",
    "/entry_1/data_1/data",
    "/entry_1/instrument_1/detector_1/data",
    "/entry_1/image_1/data",
    "/entry/instrument/detector/data",
    "/data/data",
    "/data",
)
NEXUS_MASKS = ("/entry/instrument/detector/pixel_mask", "/entry/instrument/detector/detectorSpecific/pixel_mask")
CXI_MASKS = ("/entry_1/data_1/mask", "/entry_1/instrument_1/detector_1/mask")
CXI_HARMLESS = 0x20 | 0x800 | 0x2000 | 0x4000
"""In a peak mask, artifact corrected, peak, background corrected."""
COUNTS = ("/entry/instrument/detector/detectorSpecific/nimages", "/entry/instrument/detector/detectorSpecific/ntrigger")
_PART = re.compile(r"data_\d+")


def _missing(file: h5py.File, name: str) -> str:
    link = file.get(name, getlink=True)
    target = f"{link.filename} is missing or cannot be read" if isinstance(link, h5py.ExternalLink) else "cannot be read"
    return f"{file.filename}: {name}: {target}"


class Hdf5Frames:
    """The frames of one HDF5 file.

    Parameters
    ----------
    path : Path
    dataset : str, optional
        HDF5 path of the array of frames, or of a group with arrays data_000001, data_000002, ...

    Raises
    ------
    InputFileError
        No HDF5 file, or no frames in it, or several arrays that may be them.
    """

    def __init__(self, path: Path | str, dataset: str | None = None) -> None:
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise InputFileError(f"{path}: cannot be read as HDF5 ({error})") from None
        self._parts = tuple(self._find(dataset))
        self._first = self._edges()
        self._mask = self._find_mask()

    def __len__(self) -> int:
        return self._first[-1]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def linked_files(self) -> Iterator[Path]:
        """Files that the frames lie in, other than this one."""
        folder = Path(self._file.filename).resolve().parent
        for name in self._parts:
            link = self._file.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield (folder / link.filename).resolve()

    def read(self, event: int, adu_per_photon: float = 1.0) -> NDArray[np.int32]:
        """Counts int32 (rows, columns) of frame `event`, negative = bad.

        Raises
        ------
        InputFileError
            The frame, or the file that it lies in, is missing or damaged.
        """
        if not 0 <= event < len(self):
            raise InputFileError(f"{self._file.filename}: there is no frame {event}, only 0 .. {len(self) - 1}")
        part = bisect_right(self._first, event) - 1
        data = self._dataset(self._parts[part])
        if data is None:
            raise InputFileError(_missing(self._file, self._parts[part]))
        try:
            counts = photon_counts(data[event - self._first[part]] if data.ndim > 2 else data[()], adu_per_photon)
            return self._without_bad(counts, event)
        except (OSError, ValueError) as error:
            raise InputFileError(f"{self._file.filename}: {self._parts[part]}: frame {event} cannot be read ({error})") from None

    def value(self, name: str) -> float:
        """Mean of a dataset of numbers, for example a camera length."""
        data = self._dataset(name)
        if data is None:
            raise InputFileError(f"{self._file.filename}: there is no dataset {name}")
        return float(np.mean(data[()]))

    def array(self, name: str) -> NDArray:
        """A whole dataset."""
        data = self._dataset(name)
        if data is None:
            raise InputFileError(f"{self._file.filename}: there is no dataset {name}")
        return np.asarray(data[()])

    def static_mask(self) -> NDArray[np.bool_] | None:
        """Bad pixels (rows, columns) of all frames; None where the file says nothing."""
        return None if self._mask is None or self._mask.ndim == 3 else self._bad(self._mask)

    def _dataset(self, name: str) -> h5py.Dataset | None:
        try:
            data = self._file[name]
        except (KeyError, OSError):
            return None
        return data if isinstance(data, h5py.Dataset) else None

    def _find(self, dataset: str | None) -> list[str]:
        if dataset is not None:
            parts = self._members(dataset) or [dataset] * (self._file.get(dataset, getlink=True) is not None)
            if not parts:
                raise InputFileError(f"{self._file.filename}: there is no dataset {dataset}; check frame_dataset")
            return parts
        for group in GROUPS:
            if parts := self._members(group):
                return parts
        for name in DATASETS:
            if (data := self._dataset(name)) is not None and data.ndim >= 2:
                return [name]
        return [self._largest()]

    def _members(self, group: str) -> list[str]:
        node = self._file.get(group)
        names = sorted(name for name in node if _PART.fullmatch(name)) if isinstance(node, h5py.Group) else []
        return [f"{group}/{name}" for name in names]

    def _largest(self) -> str:
        found: list[tuple[int, str]] = []

        def visit(name: str, node: Any) -> None:
            if isinstance(node, h5py.Dataset) and node.ndim >= 2 and min(node.shape[-2:]) > 1 and node.dtype.kind in "uif":
                found.append((node.size, f"/{name}"))

        self._file.visititems(visit)
        found.sort(reverse=True)
        if not found:
            raise InputFileError(f"{self._file.filename}: there are no frames in it; check frames and frame_dataset")
        if len(found) > 1 and found[0][0] == found[1][0]:
            names = ", ".join(name for size, name in found if size == found[0][0])
            raise InputFileError(f"{self._file.filename}: several arrays may be the frames ({names}); say which: frame_dataset = ...")
        return found[0][1]

    def _edges(self) -> list[int]:
        """Number of the first frame of each part; missing parts have as many as the first one that is there."""
        sizes = [None if (data := self._dataset(name)) is None else len(data) if data.ndim > 2 else 1 for name in self._parts]
        usual = next((size for size in sizes if size), 1)
        edges = [0]
        for size in sizes:
            edges.append(edges[-1] + (usual if size is None else size))
        if sizes[-1] is None and (announced := self._announced()):
            edges[-1] = max(edges[-2] + 1, min(edges[-1], announced))
        return edges

    def _announced(self) -> int | None:
        numbers = [int(data[()]) for name in COUNTS if (data := self._dataset(name)) is not None and data.size == 1]
        return int(np.prod(numbers)) if numbers else None

    def _find_mask(self) -> NDArray | h5py.Dataset | None:
        for name in (*NEXUS_MASKS, *CXI_MASKS):
            mask = self._dataset(name)
            if mask is not None:
                self._harmless = CXI_HARMLESS if name in CXI_MASKS else 0
                per_frame = mask.ndim > 2 and len(mask) == len(self)
                return mask if per_frame else np.asarray(mask[()])
        return None

    def _bad(self, mask: NDArray) -> NDArray[np.bool_]:
        mask = mask.reshape(-1, mask.shape[-1])
        return mask & ~mask.dtype.type(self._harmless) != 0 if self._harmless else mask != 0

    def _without_bad(self, counts: NDArray[np.int32], event: int) -> NDArray[np.int32]:
        if self._mask is None:
            return counts
        bad = self._bad(self._mask[event] if isinstance(self._mask, h5py.Dataset) else self._mask)
        if bad.shape != counts.shape:
            raise ValueError(f"its pixel mask has {bad.shape[0]} x {bad.shape[1]} pixels, the frame {counts.shape[0]} x {counts.shape[1]}")
        counts[bad] = BAD
        return counts
