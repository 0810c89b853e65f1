"""How many cores the numerical libraries use inside one stage."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def limited(threads: int) -> Iterator[int]:
    """Let BLAS use one thread while whole pieces of work are shared out over `threads` (`fxs_hpc.harmonics.threads`).

    Yields the number of threads for those pieces.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield max(1, threads)
