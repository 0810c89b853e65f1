"""Times of the parts of a piece of work."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the seconds of each part.

    Parameters
    ----------
    clock : callable
        Seconds; `time.process_time` counts those of the processor.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Time what happens inside."""
        start = self._clock()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + self._clock() - start

    def taken(self) -> dict[str, float]:
        """The seconds so far; the watch starts again from zero."""
        seconds, self.seconds = self.seconds, {}
        return seconds
