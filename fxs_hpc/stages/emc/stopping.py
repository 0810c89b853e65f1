"""When an iterating stage has to stop: a signal, or the end of its time."""

import os
import signal
import time
from types import FrameType

import numpy as np

from fxs_hpc.parallel.communicator import Communicator

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
RESERVE = 1.5
"""A flag may take this many times as long as the longest so far."""
AFTERWARDS = 10.0
"""Seconds kept for the end of the program."""


class Stopping:
    """Watches signals and the clock; use it as a context.

    Parameters
    ----------
    ranks : Communicator
        All ranks stop together.
    time_limit : float or None
        Seconds from now; the end of the SLURM job counts besides.
    """

    def __init__(self, ranks: Communicator, time_limit: float | None) -> None:
        self._ranks = ranks
        self._signal = 0
        now = time.time()
        ends = [now + time_limit] if time_limit is not None else []
        if os.environ.get("SLURM_JOB_END_TIME", "").isdigit():
            ends.append(float(os.environ["SLURM_JOB_END_TIME"]))
        self._end = min(ends, default=None)
        self._last, self._longest = now, 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Stopping":
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def reason(self) -> str:
        """Why to stop now, after a flag; empty = go on. The same on all ranks."""
        now = time.time()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        late = self._end is not None and now + RESERVE * self._longest + AFTERWARDS > self._end
        signals, lates = self._ranks.sum(np.array([self._signal != 0, late], np.int64)).tolist()
        if signals:
            return f"a signal came ({signal.Signals(self._signal).name})" if self._signal else "a signal came to another rank"
        return "the time is nearly over" if lates else ""
