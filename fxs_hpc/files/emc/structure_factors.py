"""Intensities of reflections from files that other programs write."""

from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import InputFileError

_INTENSITY, _AMPLITUDE, _PAIR = "J", "F", "K"


def read(path: Path) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Reflections i4[n, 3] and intensities f8[n].

    Parameters
    ----------
    path : Path
        `.mtz` (the first column of intensities, else of amplitudes, which are squared), or text with lines `h k l I ...`: CrystFEL's .hkl
        and its like; lines that hold something else are left out.

    Raises
    ------
    InputFileError
        The file is missing or holds no reflections.
    """
    try:
        hkl, intensity = _mtz(path) if path.suffix.lower() == ".mtz" else _text(path)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror or error}); give an .mtz file or lines `h k l I`") from None
    except (RuntimeError, ValueError) as error:
        raise InputFileError(f"{path}: no file of reflections ({error}); give an .mtz file or lines `h k l I`") from None
    known = np.isfinite(intensity)
    if not known.any():
        raise InputFileError(
            f"{path}: no reflections with intensities; give an .mtz file with intensities or amplitudes, or lines `h k l I`"
        )
    return hkl[known], intensity[known]


def _mtz(path: Path) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    mtz = gemmi.read_mtz_file(str(path))
    for kind, power in ((_INTENSITY, 1), (_PAIR, 1), (_AMPLITUDE, 2)):
        columns = mtz.columns_with_type(kind)
        if len(columns):
            return mtz.make_miller_array().astype(np.int32), np.asarray(columns[0].array, np.float64) ** power
    raise ValueError("it has no column of intensities or amplitudes")


def _text(path: Path) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    rows = [row for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if (row := _row(line.split()))]
    return np.array([row[0] for row in rows], np.int32).reshape(-1, 3), np.array([row[1] for row in rows], float)


def _row(words: list[str]) -> tuple[list[int], float] | None:
    try:
        return [int(word) for word in words[:3]], float(words[3])
    except (ValueError, IndexError):
        return None
