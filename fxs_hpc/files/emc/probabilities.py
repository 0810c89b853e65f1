"""high_p-<part>.dat: the probable rotations of each frame.

Text: number of frames of this part, an empty line, then two lines for each frame: how many rotations, and ``rotation probability`` in
turns, most probable first. Parts are consecutive frames of the reduced order, cut as the reference program cuts them for `nproc` ranks.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.probabilities import Assignment
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text


class Probable(NamedTuple):
    """Rotations int32[n] and probabilities float64[n] of one frame, most probable first."""

    rotation: NDArray[np.int32]
    probability: NDArray[np.float64]


def write(path: Path, assignment: Assignment) -> None:
    """Write one part; the rotations of `assignment` are numbers among all samples."""
    lines = [str(len(assignment.first) - 1), ""]
    rotations, probabilities = assignment.rotation.tolist(), assignment.probability.tolist()
    for low, high in zip(assignment.first[:-1].tolist(), assignment.first[1:].tolist()):
        lines.append(str(high - low))
        lines.append(
            "".join(f"{rotation} {probability:.6f} " for rotation, probability in zip(rotations[low:high], probabilities[low:high]))
        )
    write_text(path, "\n".join(lines) + "\n")


def read(path: Path) -> list[Probable]:
    """One part.

    Raises
    ------
    InputFileError
        The file is missing, cut off, or holds something else.
    """
    try:
        lines = Path(path).read_text().split("\n")
    except OSError as error:
        raise InputFileError(f"{path}: probabilities cannot be read ({error.strerror})") from None
    try:
        count = int(lines[0])
        return [_probable(int(lines[2 + 2 * frame]), lines[3 + 2 * frame].split()) for frame in range(count)]
    except (ValueError, IndexError) as error:
        raise InputFileError(f"{path}: no file of probabilities, or cut off ({error})") from None


def _probable(count: int, words: Sequence[str]) -> Probable:
    if len(words) != 2 * count:
        raise ValueError(f"{len(words)} words where {count} rotations with their probabilities are announced")
    return Probable(np.array(words[::2], np.int32), np.array(words[1::2], float))


def read_all(folder: Path, frames: int | None = None) -> list[Probable]:
    """All frames of a folder, whatever number of parts they are in.

    Raises
    ------
    InputFileError
        There are none, one of the parts is missing, or their number of frames is not `frames`.
    """
    found = {int(match[1]): path for path in Path(folder).glob("high_p-*.dat") if (match := re.fullmatch(r"high_p-(\d+)\.dat", path.name))}
    if not found or sorted(found) != list(range(len(found))):
        raise InputFileError(f"{folder}: expected high_p-0.dat, high_p-1.dat, ..., found {sorted(path.name for path in found.values())}")
    probable = [frame for part in range(len(found)) for frame in read(found[part])]
    if frames is not None and len(probable) != frames:
        raise InputFileError(f"{folder}: probabilities of {len(probable)} frames, expected {frames}")
    return probable
