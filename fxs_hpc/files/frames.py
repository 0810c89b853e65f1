"""Raw frames of any supported kind, as one numbered list.

A frame has a name: the path of its file, with ``//number`` behind it where the file holds several (HDF5).
"""

import glob
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files import frame_image
from fxs_hpc.files.frame_hdf5 import SIGNATURE, Hdf5Frames

EVENT = "//"
OPEN_FILES = 8
_DIGITS = re.compile(r"(\d+)")
IMAGES = (".tif", ".tiff", ".edf", ".img", ".mccd", ".gz", ".bz2")
HDF5 = (".h5", ".hdf5", ".hdf", ".cxi", ".nxs", ".nx5")


class FrameSource:
    """The raw frames in order.

    Attributes
    ----------
    names : tuple of str
        ``path`` or ``path//number``.

    Parameters
    ----------
    dataset : str, optional
        HDF5 path of the frames, where it cannot be found out.
    adu_per_photon : float
        Divides the values of the detector.
    """

    def __init__(self, names: Sequence[str], dataset: str | None = None, adu_per_photon: float = 1.0) -> None:
        self.names = tuple(names)
        self._dataset = dataset
        self._adu_per_photon = adu_per_photon
        self._open: OrderedDict[str, Hdf5Frames] = OrderedDict()

    def __len__(self) -> int:
        return len(self.names)

    def read(self, number: int) -> NDArray[np.int32]:
        """Counts int32 (rows, columns) of a frame, negative = bad pixel.

        Raises
        ------
        InputFileError
            It cannot be read; names the file and the reason.
        """
        path, event = split(self.names[number])
        if event is None:
            return frame_image.read(path, self._adu_per_photon)
        return self.container(number).read(event, self._adu_per_photon)

    def container(self, number: int) -> Hdf5Frames:
        """The HDF5 file that frame `number` lies in."""
        path, event = split(self.names[number])
        if event is None:
            raise InputFileError(f"{path}: is no HDF5 file")
        if path not in self._open:
            if len(self._open) >= OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            self._open[path] = Hdf5Frames(path, self._dataset)
        self._open.move_to_end(path)
        return self._open[path]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": OrderedDict()}


def split(name: str) -> tuple[str, int | None]:
    """Path and number of a frame's name."""
    path, mark, event = name.rpartition(EVENT)
    return (path, int(event)) if mark and event.isdigit() else (name, None)


def open_frames(
    spec: Path | str | Sequence[str], base: Path = Path(), dataset: str | None = None, adu_per_photon: float = 1.0
) -> FrameSource:
    """The frames that `spec` means.

    Parameters
    ----------
    spec : a glob, a file of frames, a text file with a path (or ``path//number``) a line, or a sequence of such paths
        Files found by a glob are in the order of their names, numbers in them by their value. HDF5 files stand for all their frames; a
        data file that a master among them links to is not counted twice.
    base : Path
        Where relative paths count from.

    Raises
    ------
    InputFileError
        Nothing is there, or a file of several frames cannot be opened.
    """
    paths = _paths(spec, base) if isinstance(spec, (str, Path)) else [_based(path, base) for path in spec]
    return FrameSource(tuple(_expanded(paths, dataset)), dataset, adu_per_photon)


def _natural(path: str) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in _DIGITS.split(path) if part]


def _paths(spec: Path | str, base: Path) -> list[str]:
    path = base / spec
    if path.is_file():
        return _listed(path, base) if _is_text(path) else [str(path)]
    if path.is_dir():
        raise InputFileError(f"frames = {spec}: is a folder; give a pattern such as {spec}/*.cbf")
    found = sorted(glob.glob(str(path), recursive=True), key=_natural)
    if not found:
        raise InputFileError(f"frames = {spec}: there are no such files; give a pattern, a list of files or an HDF5 file")
    return found


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(512)
    return not start.startswith((SIGNATURE, frame_image.CBF)) and b"\0" not in start and path.suffix.lower() not in IMAGES


def _listed(path: Path, base: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except UnicodeDecodeError:
        return [str(path)]
    listed = [_based(line, base) for line in lines if line and not line.startswith("#")]
    if not listed:
        raise InputFileError(f"{path}: the list of frames is empty")
    return listed


def _based(name: str, base: Path) -> str:
    """`name` counted from `base`; CrystFEL's lists have a space before the number."""
    path, event = split(name)
    return str(base / path.rstrip()) if event is None else f"{base / path.rstrip()}{EVENT}{event}"


def is_hdf5(path: Path | str) -> bool:
    """Whether `path` begins as HDF5 files do."""
    try:
        with open(path, "rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def _expanded(paths: Sequence[str], dataset: str | None) -> Iterator[str]:
    """Names of all frames; a container that cannot be opened among others stands for one frame, which fails when it is read."""
    counts: dict[str, int] = {}
    linked: set[Path] = set()
    for path in paths:
        if Path(path).suffix.lower() in HDF5 and is_hdf5(path):
            try:
                frames = Hdf5Frames(path, dataset)
            except InputFileError:
                if len(paths) == 1:
                    raise
                continue
            counts[path] = len(frames)
            linked.update(frames.linked_files())
            frames.close()
    for path in paths:
        if path not in counts:
            yield path
        elif Path(path).resolve() not in linked:
            yield from (f"{path}{EVENT}{event}" for event in range(counts[path]))
