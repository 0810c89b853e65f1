"""Decorators of compiled functions."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile: kept on disk, runs beside other threads, divides by zero as NumPy does."""
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)  # type: ignore[return-value]


def piece(function: Function) -> Function:
    """Compile a piece of kernels: inlined, so that a process that compiles a kernel and one that loads it run the same instructions."""
    return numba.njit(forceinline=True, nogil=True, error_model="numpy")(function)  # type: ignore[return-value]
