"""Reconstructions over worker processes: as many at a time as cores and memory bear, each number in whichever process is free."""

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.queues import Queue
from pathlib import Path

from fxs_hpc.errors import FxsError
from fxs_hpc.stages.phasing_problem import Problem
from fxs_hpc.stages.phasing_worker import Report, reconstruct


def _failed(number: int, message: str) -> Report:
    return Report(number, 0, 1, "", 0, "", float("nan"), float("nan"), failure=message)


def _one(problem: Problem, number: int, folder: Path, mark: str, report: Callable[[Report], None]) -> None:
    try:
        reconstruct(problem, number, folder, mark, report)
    except FxsError as error:
        report(_failed(number, str(error)))


def _serve(problem: Problem, numbers: Queue, reports: Queue, folder: Path, mark: str) -> None:
    """Body of a worker process: take numbers until there are none."""
    with suppress(KeyboardInterrupt):
        while (number := numbers.get()) is not None:
            _one(problem, number, folder, mark, reports.put)


def run_all(
    problem: Problem, numbers: Sequence[int], processes: int, folder: Path, mark: str, show: Callable[[Report], None]
) -> dict[int, str]:
    """Run the reconstructions `numbers`; returns number -> message of those that failed.

    With one process everything happens in this one. A worker that dies takes only the reconstruction it was at with it; what that
    one had done is in its checkpoint.
    """
    failures: dict[int, str] = {}

    def take(report: Report) -> None:
        if report.failure:
            failures[report.reconstruction] = report.failure
        show(report)

    if processes == 1:
        for number in numbers:
            _one(problem, number, folder, mark, take)
        return failures
    _run_pool(problem, numbers, processes, folder, mark, take)
    return failures


def _run_pool(
    problem: Problem, numbers: Sequence[int], processes: int, folder: Path, mark: str, take: Callable[[Report], None]
) -> None:
    context = multiprocessing.get_context("spawn")
    todo, reports = context.Queue(), context.Queue()
    for number in [*numbers, *[None] * processes]:
        todo.put(number)
    workers = [context.Process(target=_serve, args=(problem, todo, reports, folder, mark), daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    open_numbers = set(numbers)
    try:
        while open_numbers:
            try:
                report = reports.get(timeout=1.0)
            except queue.Empty:
                if not any(worker.is_alive() for worker in workers):
                    break
                continue
            take(report)
            if report.finished or report.failure:
                open_numbers.discard(report.reconstruction)
    finally:
        for worker in workers:
            worker.join(timeout=2.0) if not open_numbers else worker.terminate()
    codes = sorted({worker.exitcode for worker in workers if worker.exitcode})
    for number in sorted(open_numbers):
        take(_failed(number, f"its process died (exit status {', '.join(map(str, codes))}); --resume continues it"))
