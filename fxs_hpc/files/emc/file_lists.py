"""make-background/*list.dat: where each raw frame lies and where its results go.

Five text files with a path a line, all in the order of the raw frames: cbflist.dat, radiallist.dat, outlierlist.dat, peaklist.dat,
orienlist.dat. A frame in a file of several is ``path//number``. Relative paths count from the working directory.

The results of ``/raw/run1/sim_00007.cbf`` are Data/run1/radial-bg/{ave_bg-00007.bin, prob_orien-00007.dat} and
Data/run1/outlier/{outlier-00007.dat, peak-00007.dat}: the tag is what follows the last ``_``. Where that would give two frames one name,
the tag is the whole name of the file, and if need be two levels of folders tell them apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text
from fxs_hpc.files.frames import split

NAMES = {
    "frames": "cbflist.dat",
    "radial": "radiallist.dat",
    "outlier": "outlierlist.dat",
    "peak": "peaklist.dat",
    "orientation": "orienlist.dat",
}
AGAIN = 'run `fxs-hpc emc make-filelists "PATTERN"`'


@dataclass(frozen=True)
class FileLists:
    """Paths of each raw frame, in raw order.

    Attributes
    ----------
    frames, radial, outlier, peak, orientation : tuple of str
        Raw frame; its radial background, outliers, peaks, and candidate orientations.
    """

    frames: tuple[str, ...]
    radial: tuple[str, ...]
    outlier: tuple[str, ...]
    peak: tuple[str, ...]
    orientation: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)

    def folders(self) -> list[Path]:
        """Folders that results go to."""
        paths = {path.rpartition("/")[0] for path in (*self.radial, *self.outlier, *self.peak, *self.orientation)}
        return [Path(path) for path in sorted(paths)]


def write(folder: Path, lists: FileLists) -> None:
    """Write the five lists into `folder`."""
    for field in fields(lists):
        write_text(folder / NAMES[field.name], "".join(f"{path}\n" for path in getattr(lists, field.name)))


def exist(folder: Path) -> bool:
    """Whether there are lists in `folder`."""
    return (folder / NAMES["frames"]).exists()


def read(folder: Path, home: Path, count: int | None = None) -> FileLists:
    """The first `count` frames (None = all) of the lists in `folder`.

    Raises
    ------
    InputFileError
        A list is missing, the lists are not equally long, or shorter than `count`.
    """
    columns = {name: _read(folder / NAMES[name], home) for name in NAMES}
    lengths = {NAMES[name]: len(paths) for name, paths in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputFileError(f"{folder}: the lists are not equally long ({found} lines); {AGAIN} again")
    if count is not None and lengths[NAMES["frames"]] < count:
        raise InputFileError(
            f"{folder / NAMES['frames']}: {lengths[NAMES['frames']]} frames, but num_raw_data = {count}; correct that (auto = all), "
            f"or {AGAIN}"
        )
    return FileLists(**{name: tuple(paths[:count]) for name, paths in columns.items()})


def _read(path: Path, home: Path) -> list[str]:
    try:
        lines = path.read_text().split("\n")
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); {AGAIN}, or give `frames` in config.ini") from None
    return [line if line.startswith("/") else f"{home}/{line}" for line in map(str.strip, lines) if line]


def named(frames: Sequence[str], data: Path) -> FileLists:
    """Lists for raw frames of these names, with results below `data`.

    Raises
    ------
    InputFileError
        A frame is listed twice.
    """
    for place in (_short, _long, _deep):
        places = [place(name) for name in frames]
        if len(set(places)) == len(places):
            return _lists(frames, places, data)
    twice = next(name for name in frames if frames.count(name) > 1) if len(set(frames)) < len(frames) else frames[0]
    raise InputFileError(f"{twice}: this frame is listed twice, or another one has the same name in a folder of the same name; rename one")


def _lists(frames: Sequence[str], places: Sequence[tuple[str, str]], data: Path) -> FileLists:
    def paths(kind: str) -> tuple[str, ...]:
        return tuple(f"{data}/{folder}/{kind.format(tag)}" for folder, tag in places)

    return FileLists(
        tuple(frames),
        paths("radial-bg/ave_bg-{}.bin"),
        paths("outlier/outlier-{}.dat"),
        paths("outlier/peak-{}.dat"),
        paths("radial-bg/prob_orien-{}.dat"),
    )


def _place(name: str, tag: Callable[[str], str]) -> tuple[str, str]:
    path, event = split(name)
    folder, _, file = path.rpartition("/")
    stem = file.rpartition(".")[0] or file
    return folder.rpartition("/")[2], tag(stem) if event is None else f"{tag(stem)}-{event:05d}"


def _short(name: str) -> tuple[str, str]:
    return _place(name, lambda stem: stem.rpartition("_")[2])


def _long(name: str) -> tuple[str, str]:
    return _place(name, lambda stem: stem)


def _deep(name: str) -> tuple[str, str]:
    folder, tag = _long(name)
    above = split(name)[0].split("/")[-3:-2]
    return "-".join([*above, folder]), tag
