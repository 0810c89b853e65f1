"""Independent pieces of work over threads: NumPy, BLAS, LAPACK and the compiled kernels release the interpreter lock.

Whole pieces on single-threaded BLAS scale better, and suffer less from a busy machine, than threads inside every BLAS call. And no
thread pool of OpenMP is left behind, with which a process must not be forked.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def pieces(count: int, workers: int) -> list[tuple[int, int]]:
    """0 .. count cut into (first, stop), several for every worker so that uneven ones even out."""
    number = max(1, min(count, 8 * workers if workers > 1 else 1))
    edges = [count * index // number for index in range(number + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def over(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """`function` of every item, in order, on `workers` threads. The first exception is raised."""
    if workers <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))
