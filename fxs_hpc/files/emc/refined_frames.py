"""Table of all frames after refine-orientations, one line for each, as CSV and as HDF5: the same columns (`COLUMNS`) in both.

HDF5: one dataset of n values for each column, with the attributes `unit` and `meaning`. CSV: a head with the names of the columns, then
the lines; numbers with 7 digits, empty where there is none.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.files.atomic import replacing

CSV_NAME, HDF5_NAME = "frames.csv", "frames.h5"
ACCEPTED, TWO_LATTICES, OTHER, BLANK, UNEXPLAINED = "accepted", "two lattices", "other orientation", "blank", "unexplained"
"""Verdicts: it counts in the intensities; it does not, but two lattices explain it, or the second one without the first, whose orientation
was wrong (both only where a second one was looked for); nothing shows a crystal; its orientation leaves bright pixels unexplained (another
crystal, a wrong orientation, or something that is no crystal)."""


class Column(NamedTuple):
    """Unit and meaning of a column."""

    unit: str
    meaning: str


COLUMNS = {
    "frame": Column("1", "number among the reduced frames; recovered ones follow behind them"),
    "raw_id": Column("1", "number among the raw frames"),
    "verdict": Column("", "accepted, two lattices, other orientation, blank or unexplained"),
    "recovered": Column("1", "1: reduce-data had left it out, the search found it"),
    "phi": Column("1", "scale factor; 1 is the mean of the accepted frames"),
    "phi_error": Column("1", "standard error of phi"),
    "error_x": Column("deg", "standard error of the orientation about x of the laboratory"),
    "error_y": Column("deg", "the same about y"),
    "error_z": Column("deg", "the same about z"),
    "error": Column("deg", "root of the sum of the squares of these three"),
    "log_likelihood": Column("1", "above background only"),
    "bright": Column("1", "pixels that the background does not explain"),
    "unexplained": Column("1", "those of them that no peak explains either"),
    "misfit": Column("1", "unexplained / bright"),
    "strain_a": Column("1", "relative change of the length of a*"),
    "strain_b": Column("1", "relative change of the length of b*"),
    "strain_c": Column("1", "relative change of the length of c*"),
    "width_ratio": Column("1", "width of its peaks over the common one"),
    "q0": Column("1", "unit quaternion q, scalar first; q* v q is in the crystal what v is in the laboratory"),
    "q1": Column("1", "its x"),
    "q2": Column("1", "its y"),
    "q3": Column("1", "its z"),
    "second_phi": Column("1", "scale factor of a second lattice; none: none was found or looked for"),
    "second_error": Column("deg", "standard error of the orientation of the second lattice"),
    "second_log_likelihood": Column("1", "of the second lattice, above background and first lattice"),
    "first_log_likelihood": Column("1", "of the first lattice, above background and second lattice"),
}


def write(folder: Path, table: Mapping[str, NDArray]) -> None:
    """Write frames.csv and frames.h5 into `folder`.

    Parameters
    ----------
    table : mapping
        All of `COLUMNS`, n values each; nan: none.

    Raises
    ------
    DataError
        A column is missing, or one is there that has no description.
    """
    if set(table) != set(COLUMNS):
        raise DataError(f"the table of frames has other columns than described: {sorted(set(table) ^ set(COLUMNS))}")
    with replacing(folder / CSV_NAME) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(zip(*(_words(table[name]) for name in COLUMNS), strict=True))
    with replacing(folder / HDF5_NAME) as temporary, h5py.File(temporary, "w") as file:
        for name, column in COLUMNS.items():
            values = table[name]
            file[name] = values.astype("S") if values.dtype.kind == "U" else values
            file[name].attrs.update(column._asdict())


def _words(values: NDArray) -> list[str]:
    if values.dtype.kind == "f":
        return ["" if np.isnan(value) else f"{value:.7g}" for value in values.tolist()]
    return [str(int(value)) if values.dtype.kind == "b" else str(value) for value in values.tolist()]
