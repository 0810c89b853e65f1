"""Where the time of a stage goes, by Python's own profiler."""

import cProfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def profiled(path: Path | None) -> Iterator[None]:
    """Write a profile of what this thread does to `path`, for `python -m pstats`; None measures nothing."""
    if path is None:
        yield
        return
    profiler = cProfile.Profile()
    with profiler:
        yield
    profiler.dump_stats(path)
