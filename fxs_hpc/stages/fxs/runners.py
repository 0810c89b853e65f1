"""What carries reconstructions out: an OpenCL device, or processes on the cores of the CPU."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.stages.fxs import computed_on, device
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.device_workers import run_on_device
from fxs_hpc.stages.fxs.phasing_problem import Problem
from fxs_hpc.stages.fxs.phasing_worker import Report
from fxs_hpc.stages.fxs.workers import run_all

Runner = Callable[[Sequence[int], Path, str, Callable[[Report], None]], dict[int, Report]]
"""Runs the reconstructions of these numbers into a folder, marks and reports them; returns those that failed."""


def runner(settings: Reconstruct, context: Context, problem: Problem, numbers: Sequence[int], folder: Path, processes: int) -> Runner:
    """A device that was chosen, or `processes` processes; says which and why, here and in the provenance of the run."""
    selected = device.select(settings.GPU, problem.precision)
    for line in selected.lines:
        context.say(f"  {line}")
    made, line = _made(settings, selected, problem, len(numbers), processes)
    for remark in (line, *computed_on.note(folder, selected, numbers)):
        context.say(f"  {remark}")
    return made


def _made(settings: Reconstruct, selected: device.Selected, problem: Problem, wanted: int, processes: int) -> tuple[Runner, str]:
    if selected.device is None:
        line = f"{wanted} reconstructions, {processes} at a time, one core (and one BLAS thread) each, on the CPU; P<n> is number n"
        return partial(run_all, problem, processes), line
    grids, problem = problem.geometry, replace(problem, precision=selected.precision)
    batch = device.batch(settings.GPU, selected.device, grids, problem.constraints, problem.precision, wanted)
    line = (
        f"{wanted} reconstructions, {batch.members} side by side on the device, {batch.memory / 2**30:.2f} GiB of its memory; "
        "P<n> is number n"
    )
    return partial(run_on_device, problem, selected.device, batch.members), line
