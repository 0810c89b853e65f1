"""A stage in a process of its own: signals are passed on, so that it stops as cleanly as it can."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

TIME_IS_UP = (signal.SIGUSR1, signal.SIGUSR2)
"""What SLURM is asked to send before the wall time ends, or sends before it takes the nodes away."""
TERMINATE = signal.SIGTERM


@dataclass
class Outcome:
    """How a process ended: its exit status, and the signals that came meanwhile."""

    code: int = 0
    signals: list[int] = field(default_factory=list)

    @property
    def time_was_up(self) -> bool:
        """Whether it was asked to stop because its time was over."""
        return any(number in TIME_IS_UP for number in self.signals)

    @property
    def ended_from_outside(self) -> bool:
        """Whether it was told to end, whatever it was at."""
        return TERMINATE in self.signals


def run(words: Sequence[str], environment: Mapping[str, str], gentle: int = TERMINATE) -> Outcome:
    """Run a command to its end, its output being that of this process.

    Parameters
    ----------
    gentle : int
        The signal that asks it to stop when the time is up.
    """
    outcome = Outcome()
    process: subprocess.Popen[Any] | None = None

    def pass_on(number: int, frame: FrameType | None) -> None:
        outcome.signals.append(number)
        if process is not None and process.poll() is None:
            process.send_signal(gentle if number in TIME_IS_UP else number)

    def heard(number: int, frame: FrameType | None) -> None:
        # A terminal sends it to the child as well.
        outcome.signals.append(number)

    handlers = {number: pass_on for number in (*TIME_IS_UP, signal.SIGTERM)} | {signal.SIGINT: heard}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        process = subprocess.Popen(list(words), env=dict(environment))
        if outcome.signals:
            process.terminate()
        outcome.code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return outcome
