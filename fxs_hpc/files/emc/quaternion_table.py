"""reduced-quaternion-<coarse>-<fine>.dat: fine rotation samples near each coarse one in use.

Text: number of coarse samples, an empty line, then two lines for each: how many fine samples, and their numbers. Both samplings are
numbered among those in use.
"""

from pathlib import Path

import numpy as np

from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import replacing


def write(path: Path, table: Candidates) -> None:
    """Write a table; `table[k]` are the fine samples near coarse sample k."""
    with replacing(path) as temporary, temporary.open("w") as stream:
        stream.write(f"{len(table)}\n\n")
        for coarse in range(len(table)):
            fine = table[coarse].tolist()
            stream.write(f"{len(fine)}\n{''.join(f'{number} ' for number in fine)}\n")


def read(path: Path) -> Candidates:
    """Read a table.

    Raises
    ------
    InputFileError
        The file is missing, cut off, or holds something else.
    """
    try:
        lines = path.read_text().split("\n")
        rows = [np.array(lines[3 + 2 * coarse].split(), np.int32) for coarse in range(int(lines[0]))]
        counts = [int(lines[2 + 2 * coarse]) for coarse in range(len(rows))]
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); run setup-quat") from None
    except (ValueError, IndexError) as error:
        raise InputFileError(f"{path}: no table of fine samples, or cut off ({error}); run setup-quat again") from None
    if counts != [len(row) for row in rows]:
        raise InputFileError(f"{path}: a row has another length than the line above it says; run setup-quat again")
    return Candidates.of_lists(rows)
