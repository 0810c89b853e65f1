"""How many cores the numerical libraries use inside one stage."""

from collections.abc import Iterator
from contextlib import contextmanager

import numba
from threadpoolctl import threadpool_limits


@contextmanager
def limited(threads: int) -> Iterator[int]:
    """Let BLAS and numba use at most `threads` threads (and no more than they were started with); yields the number."""
    number = max(1, min(threads, numba.config.NUMBA_NUM_THREADS))
    before = numba.get_num_threads()
    numba.set_num_threads(number)
    try:
        with threadpool_limits(limits=number):
            yield number
    finally:
        numba.set_num_threads(before)
