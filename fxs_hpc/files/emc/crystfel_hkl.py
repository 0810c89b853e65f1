"""Merged intensities as CrystFEL's reflection list, version 2.0.

Text. A header (`CrystFEL reflection list version 2.0`, `Symmetry: POINT_GROUP`, the column heads), one line for each reflection: h, k, l,
I, phase (none: `-`), sigma(I), number of measurements; then `End of reflections`.
"""

from pathlib import Path

import numpy as np

from fxs_hpc.emc.merging import Merged
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing

FIRST = "CrystFEL reflection list version 2.0"
LAST = "End of reflections"


def write(path: Path, merged: Merged, point_group: str) -> None:
    """Write merged intensities; `point_group` in CrystFEL's spelling, for example 4/mmm."""
    rows = zip(merged.hkl.tolist(), merged.intensity.tolist(), merged.sigma.tolist(), merged.multiplicity.tolist(), strict=True)
    with replacing(path) as temporary, temporary.open("w") as stream:
        stream.write(f"{FIRST}\nSymmetry: {point_group}\n   h    k    l              I    phase       sigma(I)   nmeas\n")
        for (h, k, l), intensity, sigma, count in rows:
            stream.write(f"{h:4d} {k:4d} {l:4d} {intensity:14.7g} {'-':>8} {sigma:14.7g} {count:7d}\n")
        stream.write(f"{LAST}\n")


def read(path: Path) -> Merged:
    """Read a reflection list.

    Raises
    ------
    InputFileError
        The file is missing, is no reflection list of version 2.0, or is cut off.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputFileError(f"{path}: cannot be read ({error})") from None
    if not lines or lines[0].strip() != FIRST:
        raise InputFileError(f"{path}: does not begin with {FIRST!r}; export it with CrystFEL 0.6 or newer")
    if LAST not in lines:
        raise InputFileError(f"{path}: the line {LAST!r} is missing: the file is cut off")
    try:
        rows = [line.split() for line in lines[3 : lines.index(LAST)]]
        hkl = np.array([[int(word) for word in row[:3]] for row in rows], np.int32).reshape(-1, 3)
        values, sigmas = (np.array([float(row[column]) for row in rows]) for column in (3, 5))
        counts = np.array([int(row[6]) for row in rows], np.int64)
    except (ValueError, IndexError) as error:
        raise InputFileError(f"{path}: a line holds something else than h k l I phase sigma(I) nmeas ({error})") from None
    return Merged(hkl, values, sigmas, counts)
