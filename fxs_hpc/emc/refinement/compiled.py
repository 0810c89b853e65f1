"""Options of the compiled kernels of this package."""

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

COMPILE: dict[str, Any] = {"error_model": "numpy", "nogil": True}
"""Options of every kernel; no fast mathematics, so that the bits do not depend on how a loop was compiled."""

INLINE: dict[str, Any] = {**COMPILE, "forceinline": True}
"""Options of the pieces of kernels: all inlined, so that compiling processes and those that load from disk run the same code."""


def revision(files: Iterable[str]) -> int:
    """Number of the content of source files. A kernel closes over that of the files whose pieces it uses, so that compiled code kept on
    disk is not used after one of them has changed."""
    number = 0
    for name in files:
        number = zlib.crc32(Path(name).read_bytes(), number)
    return number
