"""Lists of scattering patterns, and the images they name.

A list is a text file with one path a line (`./pattern_00.raw`), relative ones counted from the folder that the list lies in, behind links;
empty lines and lines that begin with # are left out. A `.raw` file is one image: little-endian float32, row by row. All else (HDF5,
NeXus, CXI, CBF, TIFF ..) is read by `fxs_hpc.files.frames`: a path may stand for many images (`run.cxi`), `path//number` for one of them.
In place of a list the file itself (`run.cxi`) will do.
"""

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.frames import EVENT, FrameSource, open_frames, split

RAW = (".raw", ".bin")
RAW_TYPE = np.dtype("<f4")
_NO_LIST = (".h5", ".hdf5", ".hdf", ".cxi", ".nxs", ".nx5", ".cbf", ".tif", ".tiff")


@dataclass(frozen=True)
class Patterns:
    """Scattering patterns in the order of their list.

    Parameters
    ----------
    names : paths, with `//number` behind those that hold several.
    shape : rows and columns of a raw image.
    """

    names: tuple[str, ...]
    shape: tuple[int, int]
    dataset: str | None = None
    adu_per_photon: float = 1.0

    def __len__(self) -> int:
        return len(self.names)

    def files(self) -> list[Path]:
        """The files, each once, in order."""
        return list(dict.fromkeys(Path(split(name)[0]) for name in self.names))


class PatternReader:
    """Reads the images of `patterns`; may be used by several threads."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._frames = FrameSource(patterns.names, patterns.dataset, patterns.adu_per_photon)
        self._lock = threading.Lock()

    def read(self, number: int) -> NDArray[np.float32]:
        """Image (rows, columns) f4; NaN where a frame says that a pixel is bad.

        Raises
        ------
        InputFileError
            The image cannot be read, or a raw file has another size.
        """
        path = Path(self._patterns.names[number])
        if path.suffix.lower() in RAW:
            return read_raw(path, self._patterns.shape)
        with self._lock:
            counts = self._frames.read(number)
        return np.where(counts < 0, np.float32(np.nan), counts.astype(np.float32))


def read_raw(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A raw image (rows, columns) f4.

    Raises
    ------
    InputFileError
        It is missing, or has another size.
    """
    try:
        values = np.fromfile(path, RAW_TYPE)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); correct the list of patterns") from None
    if values.size != shape[0] * shape[1]:
        raise InputFileError(
            f"{path}: holds {values.size} float32 values, image_dimensions {list(shape)} ask for {shape[0] * shape[1]}; correct them"
        )
    return values.reshape(shape).astype(np.float32, copy=False)


def write_raw(path: Path, image: NDArray) -> None:
    """Write an image as raw float32."""
    np.ascontiguousarray(image, RAW_TYPE).tofile(path)


def open_patterns(path: Path, shape: tuple[int, int], limit: int, dataset: str | None = None, adu_per_photon: float = 1.0) -> Patterns:
    """The first `limit` patterns of a list, or of a file that holds images itself.

    Raises
    ------
    InputFileError
        The list is empty, or a file of it is missing.
    """
    lines = [str(path)] if path.suffix.lower() in _NO_LIST else _lines(path)
    names: list[str] = []
    for line in lines:
        if len(names) >= limit:
            break
        name, number = split(line)
        where = name if line == str(path) else os.path.normpath(path.resolve().parent / name)
        if not Path(where).is_file():
            raise InputFileError(f"{path}: names {line}, and there is no file {where}; correct the list")
        if Path(where).suffix.lower() in RAW:
            names.append(where)
        else:
            names.extend(open_frames([where], dataset=dataset).names if number is None else [f"{where}{EVENT}{number}"])
    if not names:
        raise InputFileError(f"{path}: names no pattern; write one path a line")
    return Patterns(tuple(names[:limit]), shape, dataset, adu_per_photon)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputFileError(f"{path}: is no list of patterns (a text file with one path a line)") from None
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def read_image(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A single image, such as a mask or a background: raw float32, or the first frame of any other file."""
    if path.suffix.lower() in RAW:
        return read_raw(path, shape)
    return PatternReader(open_patterns(path, shape, 1)).read(0)


def digest(patterns: Patterns) -> str:
    """Hash of the names, sizes and times of change of all files: tells whether patterns are still those that were looked at."""
    hashed = hashlib.sha256("\n".join(patterns.names).encode())
    for path in patterns.files():
        status = path.stat()
        hashed.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return hashed.hexdigest()
