"""Decorators of compiled functions."""

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile: kept on disk, runs beside other threads, divides by zero as NumPy does."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[return-value]


def reordered(function: Function) -> Function:
    """A `kernel` whose sums may be taken in another order and divisions become products: for loops that are vectors otherwise not."""
    made = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
    return made(function)  # type: ignore[return-value]


def piece(function: Function) -> Function:
    """Compile a piece of kernels: inlined, so that a process that compiles a kernel and one that loads it run the same instructions."""
    return numba.njit(forceinline=True, nogil=True, error_model="numpy")(function)  # type: ignore[return-value]


def revision(files: Iterable[str]) -> int:
    """Number of the content of source files. A kernel closes over that of the files whose pieces it uses, so that compiled code kept on
    disk is not used after one of them has changed."""
    number = 0
    for name in files:
        number = zlib.crc32(Path(name).read_bytes(), number)
    return number
