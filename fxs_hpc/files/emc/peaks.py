"""peak-<tag>.dat: the peaks of one frame.

Text, two lines for each patch: its number of pixels, then ``pixel count pixel count ...`` with full detector indices (row * columns +
column) and photons. A frame without peaks has an empty file.
"""

from pathlib import Path

import numpy as np

from fxs_hpc.emc.peaks import PeakPatches
from fxs_hpc.errors import InputFileError


def text(patches: PeakPatches) -> str:
    """What the file holds."""
    pairs = [f"{pixel} {count}" for pixel, count in zip(patches.pixel.tolist(), patches.count.tolist(), strict=True)]
    first = patches.first.tolist()
    return "".join(f"{stop - start}\n{' '.join(pairs[start:stop])} \n" for start, stop in zip(first[:-1], first[1:]))


def read(path: Path | str) -> PeakPatches:
    """Read the patches of one frame.

    Raises
    ------
    InputFileError
        The file is missing or cut off.
    """
    try:
        with open(path, "rb") as file:
            numbers = np.array(file.read().split(), np.int64)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}); run `fxs-hpc emc make-background`") from None
    except ValueError:
        raise InputFileError(f"{path}: expected whole numbers only; run `fxs-hpc emc make-background` again") from None
    return _patches(path, numbers)


def _patches(path: Path | str, numbers: np.ndarray) -> PeakPatches:
    starts, sizes, at = [], [], 0
    while at < len(numbers):
        size = int(numbers[at])
        starts.append(at)
        sizes.append(size)
        at += 1 + 2 * size
        if size < 1 or at > len(numbers):
            raise InputFileError(
                f"{path}: patch {len(starts)} should have {size} pixels, but the file ends before; run `fxs-hpc emc make-background` again"
            )
    pairs = np.delete(numbers, starts).reshape(-1, 2).astype(np.int32)
    first = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    return PeakPatches(np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]), first.astype(np.int64))
