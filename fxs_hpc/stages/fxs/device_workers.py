"""Reconstructions on an OpenCL device: one thread for each of a batch, all in step, each number in whichever place is free."""

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from fxs_hpc.engine.interface import Engine
from fxs_hpc.engine.opencl.devices import Device, opened
from fxs_hpc.errors import FxsError, NumericalError
from fxs_hpc.stages.fxs.phasing_problem import Problem
from fxs_hpc.stages.fxs.phasing_worker import Report, failed, reconstruct

Numbers = queue.SimpleQueue[int]
Reports = queue.SimpleQueue[Report | BaseException | None]


class _StoppedError(Exception):
    """Nobody listens to reports any more."""


def run_on_device(
    problem: Problem, device: Device, members: int, numbers: Sequence[int], folder: Path, mark: str, show: Callable[[Report], None]
) -> dict[int, Report]:
    """Run the reconstructions `numbers`, `members` at a time; returns number -> report of those that failed.

    Raises
    ------
    NumericalError
        The device failed: its memory is in use by others, or its driver gave up.
    """
    import pyopencl as cl

    try:
        return _run(problem, device, members, numbers, folder, mark, show)
    except cl.Error as error:
        raise NumericalError(
            f"OpenCL device {device.title} failed: {error}. If others use its memory, lower GPU.batch or wait; GPU.use: False computes on "
            "the CPU; --resume continues from the checkpoints"
        ) from error


def _run(
    problem: Problem, device: Device, members: int, numbers: Sequence[int], folder: Path, mark: str, show: Callable[[Report], None]
) -> dict[int, Report]:
    # What needs pyopencl is loaded only where there is a device.
    from fxs_hpc.engine.opencl.batch import steps_of
    from fxs_hpc.engine.opencl.engine import OpenClEngine
    from fxs_hpc.engine.opencl.lockstep import Lockstep

    steps = steps_of(opened(device), problem.geometry, problem.constraints, problem.precision, members)
    together = Lockstep(members)
    todo: Numbers = queue.SimpleQueue()
    for number in numbers:
        todo.put(number)
    reports: Reports = queue.SimpleQueue()
    stopping = threading.Event()

    def report(made: Report) -> None:
        if stopping.is_set():
            raise _StoppedError
        reports.put(made)

    def serve(place: int) -> None:
        try:
            with suppress(queue.Empty, _StoppedError):
                while True:
                    number = todo.get_nowait()
                    # A new engine knows nothing of what the one before limited or scaled.
                    _one(OpenClEngine(steps, place, together), problem, number, folder, mark, report)
        except BaseException as error:  # raised again by the main thread
            reports.put(error)
        finally:
            together.leave()
            reports.put(None)

    threads = [threading.Thread(target=serve, args=(place,), daemon=True, name=f"reconstruction {place}") for place in range(members)]
    for thread in threads:
        thread.start()
    try:
        return _heard(reports, members, show)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def _one(engine: Engine, problem: Problem, number: int, folder: Path, mark: str, report: Callable[[Report], None]) -> None:
    try:
        reconstruct(problem, number, folder, mark, report, engine)
    except FxsError as error:
        report(failed(number, str(error)))


def _heard(reports: Reports, running: int, show: Callable[[Report], None]) -> dict[int, Report]:
    failures: dict[int, Report] = {}
    while running:
        report = reports.get()
        if report is None:
            running -= 1
        elif isinstance(report, BaseException):
            raise report
        else:
            if report.failure:
                failures[report.reconstruction] = report
            show(report)
    return failures
