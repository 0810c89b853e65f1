"""Reconstructions over worker processes: as many at a time as cores and memory bear, each number in whichever process is free."""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

from fxs_hpc.errors import FxsError
from fxs_hpc.stages.fxs.phasing_problem import Problem
from fxs_hpc.stages.fxs.phasing_worker import Report, failed, reconstruct


def _one(problem: Problem, number: int, folder: Path, mark: str, report: Callable[[Report], None]) -> None:
    try:
        reconstruct(problem, number, folder, mark, report)
    except FxsError as error:
        report(failed(number, str(error)))


def _serve(problem: Problem, channel: Connection, folder: Path, mark: str) -> None:
    """Body of a worker process: take numbers until there are none, or nobody is there any more to report to."""
    with suppress(KeyboardInterrupt, EOFError, ConnectionError):
        while (number := channel.recv()) is not None:
            _one(problem, number, folder, mark, channel.send)


def run_all(
    problem: Problem, processes: int, numbers: Sequence[int], folder: Path, mark: str, show: Callable[[Report], None]
) -> dict[int, Report]:
    """Run the reconstructions `numbers`; returns number -> report of those that failed.

    With one process everything happens in this one. A worker that dies takes only the reconstruction it was at with it; what that
    one had done is in its checkpoint.
    """
    failures: dict[int, Report] = {}

    def take(report: Report) -> None:
        if report.failure:
            failures[report.reconstruction] = report
        show(report)

    if processes == 1:
        for number in numbers:
            _one(problem, number, folder, mark, take)
        return failures
    _run_pool(problem, numbers, processes, folder, mark, take)
    return failures


@dataclass
class _Worker:
    """A process, the line to it that nobody else uses, and the reconstruction it is at (None: told to end)."""

    process: BaseProcess
    channel: Connection
    number: int | None = None

    def give(self, number: int | None) -> None:
        self.number = number
        # A worker that is gone is noticed at the end of its line.
        with suppress(ConnectionError):
            self.channel.send(number)

    def how_it_died(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        memory = "; the system does that when memory runs out" if code == -signal.SIGKILL else ""
        return f"its process died ({how}{memory}); --resume continues it"


@contextmanager
def _without_main_script() -> Iterator[None]:
    """Processes started meanwhile do not run the script again from which reconstruct was called: it need not guard its lines."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _started(problem: Problem, folder: Path, mark: str) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(problem, there, folder, mark), daemon=True)
    with _without_main_script():
        process.start()
    there.close()
    return _Worker(process, here)


def _run_pool(
    problem: Problem, numbers: Sequence[int], processes: int, folder: Path, mark: str, take: Callable[[Report], None]
) -> None:
    todo = iter(numbers)
    workers = {worker.channel: worker for worker in (_started(problem, folder, mark) for _ in range(processes))}
    everybody = list(workers.values())
    try:
        for worker in everybody:
            worker.give(next(todo, None))
        while workers:
            for channel in wait(list(workers)):
                if not _heard(workers[channel], todo, take):  # type: ignore[index]
                    del workers[channel]  # type: ignore[arg-type]
    finally:
        for worker in everybody:
            worker.process.terminate()
    for number in todo:
        take(failed(number, "no process was left for it; --resume does it", died=True))


def _heard(worker: _Worker, todo: Iterator[int], take: Callable[[Report], None]) -> bool:
    """Pass on one report of a worker and give it new work where it is done; returns whether there will be more."""
    try:
        report = worker.channel.recv()
    except (EOFError, ConnectionError):
        if worker.number is not None:
            take(failed(worker.number, worker.how_it_died(), died=True))
        return False
    take(report)
    if report.finished or report.failure:
        worker.give(next(todo, None))
    return True
