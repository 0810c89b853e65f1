"""make-background/frames.dat: what each raw frame held, one line each. It is written last: the results are complete when it is there.

Columns: raw number, 1 = read and 0 = could not be read, outliers, peaks, pixels in peaks, unusable radial bins. Lines with # are comments;
at the end of a line of a frame that could not be read stands why.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text

COLUMNS = ("read", "outliers", "peaks", "peak_pixels", "unusable_bins")


def write(path: Path, table: NDArray[np.int64], failures: Mapping[int, str], ring_rule: str) -> None:
    """Write `path`.

    Parameters
    ----------
    table : int64[frames, 5]
        The columns after the number.
    failures : raw number -> why it could not be read.
    """
    lines = [
        f"{number} {' '.join(map(str, row))}{f'  # {failures[number]}' if number in failures else ''}\n"
        for number, row in enumerate(table.tolist())
    ]
    write_text(path, f"# ring rule {ring_rule}\n# number {' '.join(COLUMNS)}\n" + "".join(lines))


def read(path: Path) -> NDArray[np.int64]:
    """int64[frames, 5].

    Raises
    ------
    InputFileError
        The file is missing: make-background has not come to its end.
    """
    try:
        return np.loadtxt(path, np.int64, ndmin=2)[:, 1:]
    except (OSError, ValueError, IndexError):
        raise InputFileError(f"{path} is missing or damaged: run `fxs-hpc emc make-background` to its end") from None
