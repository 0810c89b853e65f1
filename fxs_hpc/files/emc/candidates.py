"""Candidate rotations: prob_orien-<tag>.dat of each raw frame, prob-orien.bin of the reduced frames, num_prob_orien.dat.

prob_orien-<tag>.dat : text, the number of candidates, then one rotation number (from 0, ascending) per line. There is no file without
    candidates.
explained-<tag>.dat : beside it, not a file of the reference program: the same with two numbers per line, rotation and the peaks it
    explains, after a first line with the number of candidates and the number of peaks looked at.
prob-orien.bin : for each reduced frame int32 count, int32[count] rotation numbers.
num_prob_orien.dat : candidates of each raw frame, one per line.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing, write_text

INT = np.dtype("<i4")
SEARCH_AGAIN = "run `fxs-hpc emc orient-peak` again"
REDUCE_AGAIN = "run `fxs-hpc emc reduce-data` again"


class Explained(NamedTuple):
    """Candidates of one frame.

    Attributes
    ----------
    rotation : int32[n]
        Ascending.
    peaks : int32[n]
        Peaks of the frame that each explains.
    of_peaks : int
        Peaks that were looked at.
    """

    rotation: NDArray[np.int32]
    peaks: NDArray[np.int32]
    of_peaks: int


def explained_path(path: Path | str) -> str:
    """The file of explained peaks that belongs to a prob_orien file."""
    folder, slash, name = str(path).rpartition("/")
    name = name.replace("prob_orien", "explained") if "prob_orien" in name else f"explained-{name}"
    return f"{folder}{slash}{name}"


def write_frame(path: Path | str, found: Explained) -> None:
    """Write the two files of one frame; where it has no candidates there are none.

    What an earlier run left there is removed first: file systems wait for the disk when a file takes the place of another, and there are
    two for each raw frame. Each appears whole or not at all, and is left to the system to bring to disk.
    """
    beside = explained_path(path)
    for old in (path, beside):
        with suppress(FileNotFoundError):
            os.unlink(old)
    rotations = found.rotation.tolist()
    if rotations:
        lines = map("%d %d".__mod__, zip(rotations, found.peaks.tolist()))
        _put(beside, "\n".join([f"{len(rotations)} {found.of_peaks}", *lines, ""]))
        _put(path, "\n".join(map(str, [len(rotations), *rotations, ""])))


def read_frame(path: Path) -> NDArray[np.int32]:
    """Candidates of one raw frame, none where there is no file; int32[n].

    Raises
    ------
    InputFileError
        The number of rotations is not the one announced in the first line.
    """
    numbers = _numbers(Path(path))
    if numbers is None:
        return np.empty(0, np.int32)
    if len(numbers) != numbers[:1].sum() + 1:
        raise InputFileError(f"{path}: {max(0, len(numbers) - 1)} rotations, but the first line says {numbers[:1].sum()}; {SEARCH_AGAIN}")
    return numbers[1:].astype(np.int32)


def read_explained(path: Path) -> Explained:
    """What `write_frame` recorded beside `path`: candidates of one raw frame with the peaks each explains.

    Raises
    ------
    InputFileError
        There are candidates, but the file beside them is missing or belongs to others.
    """
    rotation = read_frame(path)
    beside = explained_path(path)
    if not len(rotation):
        return Explained(rotation, rotation, 0)
    numbers = _numbers(Path(beside))
    if numbers is None:
        raise InputFileError(f"{beside}: missing; the reference program does not write it, {SEARCH_AGAIN}")
    pairs = numbers[2:].reshape(-1, 2) if len(numbers) == 2 + 2 * len(rotation) else None
    if pairs is None or not np.array_equal(pairs[:, 0], rotation):
        raise InputFileError(f"{beside}: lists other rotations than {path}; {SEARCH_AGAIN}")
    return Explained(rotation, pairs[:, 1].astype(np.int32), int(numbers[1]))


def write_counts(path: Path, counts: Sequence[int] | NDArray) -> None:
    """Write num_prob_orien.dat."""
    write_text(path, "".join(f"{int(count)}\n" for count in counts))


def read_counts(path: Path) -> NDArray[np.int64]:
    """Candidates of each raw frame, int64[n]."""
    numbers = _numbers(Path(path))
    if numbers is None:
        raise InputFileError(f"{path}: missing; {SEARCH_AGAIN}")
    return numbers


def write(path: Path, candidates: Candidates) -> None:
    """Write prob-orien.bin."""
    flat = np.insert(candidates.rotation, candidates.first[:-1], candidates.counts)
    with replacing(path) as temporary:
        flat.astype(INT).tofile(temporary)


def read(path: Path, frames: int | None = None, rotations: int | None = None) -> Candidates:
    """Read prob-orien.bin.

    Parameters
    ----------
    frames : int, optional
        Number of reduced frames there must be.
    rotations : int, optional
        Number of rotation samples that the candidates must be of.

    Raises
    ------
    InputFileError
        The file is missing, cut off, or of other frames or rotations.
    """
    try:
        flat = np.fromfile(path, INT)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); {REDUCE_AGAIN}") from None
    at = _headers(flat)
    if at[-1] != len(flat):
        raise InputFileError(
            f"{path}: the list of frame {len(at) - 2} does not fit the file; it is cut off or no list of candidates; {REDUCE_AGAIN}"
        )
    heads = at[:-1]
    rotation = np.delete(flat, heads)
    if frames is not None and len(heads) != frames:
        raise InputFileError(f"{path}: candidates of {len(heads)} frames, expected {frames}; {REDUCE_AGAIN}")
    if rotations is not None and len(rotation) and not 0 <= rotation.min() <= rotation.max() < rotations:
        raise InputFileError(
            f"{path}: rotation {rotation.max()}, but quat_file has {rotations}: it was made with another sampling; {REDUCE_AGAIN}"
        )
    return Candidates(at - np.arange(len(at)), rotation)


def _numbers(path: Path) -> NDArray[np.int64] | None:
    """All whole numbers of a text file; None where there is no file."""
    try:
        return np.array(path.read_bytes().split(), np.int64)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputFileError(f"{path}: expected whole numbers only; {SEARCH_AGAIN}") from None


def _put(path: Path | str, text: str) -> None:
    folder, slash, name = str(path).rpartition("/")
    temporary = f"{folder}{slash}.{name}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


@numba.njit(cache=True, nogil=True)
def _headers(flat):  # type: ignore[no-untyped-def]
    """Where each list has its count, and where the last one ends (another place than the end of `flat` if lists do not fit)."""
    found = np.empty(flat.shape[0] + 1, np.int64)
    lists = 0
    at = 0
    while 0 <= at < flat.shape[0]:
        found[lists] = at
        lists += 1
        if flat[at] < 0:
            at = -1
            break
        at += 1 + flat[at]
    found[lists] = at
    return found[: lists + 1]
