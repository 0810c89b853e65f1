"""How many cores the numerical libraries use inside one stage."""

from collections.abc import Iterator
from contextlib import contextmanager

import numba
from threadpoolctl import threadpool_limits


@contextmanager
def limited(threads: int) -> Iterator[int]:
    """Let numba use at most `threads` of its threads, and BLAS one: work is shared out in whole pieces (`fxs_hpc.fxs.threads`).

    Yields the number of threads for those pieces.
    """
    number = max(1, threads)
    before = numba.get_num_threads()
    numba.set_num_threads(min(number, before))
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield number
    finally:
        numba.set_num_threads(before)
