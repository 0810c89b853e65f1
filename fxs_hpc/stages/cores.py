"""What the machine has to give to one stage: cores for the numerical libraries, memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from threadpoolctl import threadpool_limits


@contextmanager
def limited(threads: int) -> Iterator[int]:
    """Let BLAS use one thread while whole pieces of work are shared out over `threads` (`fxs_hpc.parallel.threads`).

    Yields the number of threads for those pieces.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield max(1, threads)


def available_memory(source: Path = Path("/proc/meminfo")) -> int:
    """Bytes that can be had without swapping; file caches, which the system gives up on demand, count where it tells."""
    if source.exists():
        for line in source.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
