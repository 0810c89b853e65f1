"""Live progress of several reconstructions: bars on a terminal, one plain line per iteration block in a log."""

import sys
import time
from collections.abc import Callable

from tqdm import tqdm

from fxs_hpc.stages.duration import duration
from fxs_hpc.stages.fxs.phasing_worker import Report


def _outcome(report: Report, planned: int) -> str:
    """That a reconstruction is done, and whether a stopping rule ended it before the `planned` steps."""
    return "done" if report.steps >= planned else f"ended before step {planned} by main_loop.error"


class Lines:
    """One line whenever a reconstruction has ended an iteration of a block."""

    def __init__(self, say: Callable[[str], None], count: int, steps_total: int) -> None:
        self._say, self._total, self._planned = say, count * steps_total, steps_total
        self._steps: dict[int, int] = {}
        self._first: dict[int, int] = {}
        self._start: float | None = None

    def show(self, report: Report) -> None:
        """Take a report in."""
        self._start = self._start or time.monotonic()
        self._first.setdefault(report.reconstruction, report.steps)
        self._steps[report.reconstruction] = report.steps
        if report.failure:
            self._say(f"  P{report.reconstruction}: failed: {report.failure}")
        elif report.finished or report.ended_iteration:
            where = _outcome(report, self._planned) if report.finished else f"{report.block} Loop:{report.iteration} ended"
            self._say(
                f"  P{report.reconstruction}: {where}  step {report.steps} of {report.steps_total}  error {report.error:.3e}  "
                f"best {report.best_error:.3e}{self._time_left()}"
            )

    def _time_left(self) -> str:
        made = sum(self._steps.values()) - sum(self._first.values())
        rest = self._total - sum(self._steps.values())
        elapsed = time.monotonic() - (self._start or 0)
        return f"  about {duration(rest * elapsed / made)} left" if made > 0 and rest > 0 else ""

    def close(self) -> None:
        """Nothing to end."""


class Bars:
    """One bar for each running reconstruction and one for all."""

    def __init__(self, count: int, steps_total: int) -> None:
        self._steps: dict[int, int] = {}
        self._bars: dict[int, tqdm] = {}
        self._free: list[int] = []
        self._planned = steps_total
        self._all = tqdm(total=count * steps_total, desc="  all", unit="step", position=0, leave=False, smoothing=0.05)

    def show(self, report: Report) -> None:
        """Take a report in."""
        number = report.reconstruction
        if report.failure:
            tqdm.write(f"  P{number}: failed: {report.failure}")
        elif report.finished:
            tqdm.write(f"  P{number}: error {report.error:.3e}, best {report.best_error:.3e}, {_outcome(report, self._planned)}")
        else:
            bar = self._bar(report)
            bar.set_postfix_str(f"{report.block} Loop:{report.iteration} {report.method} error {report.error:.2e}", refresh=False)
            bar.update(report.steps - bar.n)
        self._all.update(report.steps - self._steps.get(number, 0))
        self._steps[number] = report.steps
        if (report.finished or report.failure) and number in self._bars:
            bar = self._bars.pop(number)
            self._free.append(abs(bar.pos))
            bar.close()

    def _bar(self, report: Report) -> tqdm:
        if report.reconstruction not in self._bars:
            position = self._free.pop() if self._free else len(self._bars) + 1
            self._bars[report.reconstruction] = tqdm(
                total=report.steps_total,
                initial=report.steps,
                desc=f"  P{report.reconstruction}",
                unit="step",
                position=position,
                leave=False,
            )
        return self._bars[report.reconstruction]

    def close(self) -> None:
        """Take the bars away."""
        for bar in [*self._bars.values(), self._all]:
            bar.close()


def display(say: Callable[[str], None], count: int, steps_total: int) -> Lines | Bars:
    """Bars where standard error is a terminal, else lines."""
    return Bars(count, steps_total) if sys.stderr.isatty() else Lines(say, count, steps_total)
