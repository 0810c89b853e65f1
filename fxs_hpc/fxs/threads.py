"""Independent pieces of work over threads: NumPy, BLAS and LAPACK release the interpreter lock.

Whole pieces on single-threaded BLAS scale better, and suffer less from a busy machine, than threads inside every BLAS call.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def over(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """`function` of every item, in order, on `workers` threads. The first exception is raised."""
    if workers <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))
