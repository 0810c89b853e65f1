"""Engines on a device for the problems of the plane, in the form for a CPU and in that for a GPU."""

import numpy as np
from boards import Form
from plane_problems import PlaneProblem

from fxs_hpc.engine.interface import Precision
from fxs_hpc.engine.opencl.board import Arithmetic
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.engine import OpenClEngine
from fxs_hpc.engine.opencl.plane import PlaneBoard
from fxs_hpc.engine.opencl.plane_steps import PlaneSteps
from fxs_hpc.engine.opencl.program import plane_graphics_shape, processor_shape


def board(
    device: Device, case: PlaneProblem, precision: Precision = "double", members: int = 1, form: Form = "processor", double: bool = True
) -> PlaneBoard:
    """Memory and kernels for a problem."""
    types = Arithmetic.of(precision, double)
    cut = processor_shape(types.real, types.acc) if form == "processor" else plane_graphics_shape(types.real, 32)
    return PlaneBoard(device.handle, case.geometry, case.constraints, precision, members, double, cut)


def engine(device: Device, case: PlaneProblem, precision: Precision = "double", form: Form = "processor") -> OpenClEngine:
    """Loaded with the start, the second of two members."""
    made = OpenClEngine(PlaneSteps(board(device, case, precision, 2, form)), 1)
    made.load(case.density, case.support, case.initial_support)
    return made


def transfer(case: PlaneProblem) -> np.ndarray:
    """A low-pass for shrink-wrap."""
    return np.exp(-((30 * case.geometry.radial.q) ** 2))
