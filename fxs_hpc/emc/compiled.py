"""Decorators of compiled functions."""

import zlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher

Function = TypeVar("Function", bound=Callable[..., Any])


class _Cache(FunctionCache):
    """Compiled code of a kernel on disk, used again as long as the kernel's file and those with pieces beside it stay as they are.

    (numba alone looks at the kernel's own file, and would run pieces as they were when the kernel was compiled.)
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp(), _pieces(Path(function.__code__.co_filename).parent)
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)


@cache
def _pieces(folder: Path) -> int:
    """Number of the content of all files of a folder that define pieces."""
    marks = b"\n@piece\n", b"forceinline"
    return revision(str(path) for path in sorted(folder.glob("*.py")) if any(mark in path.read_bytes() for mark in marks))


def kernel(function: Function) -> Function:
    """Compile: kept on disk, runs beside other threads, divides by zero as NumPy does."""
    return _kept(numba.njit(nogil=True, error_model="numpy")(function), function)


def reordered(function: Function) -> Function:
    """A `kernel` whose sums may be taken in another order and divisions become products: for loops that are vectors otherwise not."""
    return _kept(numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})(function), function)


def _kept(made: Any, function: Function) -> Function:
    if isinstance(made, Dispatcher):  # not so where numba is told to compile nothing
        made._cache = _Cache(function)  # type: ignore[attr-defined]
    return made


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
