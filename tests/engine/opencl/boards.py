"""Engines on a device for the problems of the engine tests, in the form for a CPU and in that for a GPU."""

from typing import Literal

import numpy as np
from problems import Problem

from fxs_hpc.engine.interface import Precision
from fxs_hpc.engine.opencl.board import Arithmetic
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.engine import OpenClEngine
from fxs_hpc.engine.opencl.program import Shape, graphics_shape, processor_shape
from fxs_hpc.engine.opencl.sphere import SphereBoard
from fxs_hpc.engine.opencl.sphere_steps import SphereSteps

Form = Literal["processor", "graphics"]


def shape(form: Form, precision: Precision, n_phi: int, double: bool = True) -> Shape:
    """A GPU's work groups here have few items, so that a CPU that imitates them is not too slow."""
    arithmetic = Arithmetic.of(precision, double)
    if form == "processor":
        return processor_shape(arithmetic.real, arithmetic.acc)
    return graphics_shape(arithmetic.real, n_phi, 48 * 1024, 32)


def board(
    device: Device, case: Problem, precision: Precision = "double", members: int = 1, form: Form = "processor", double: bool = True
) -> SphereBoard:
    """Memory and kernels for a problem."""
    cut = shape(form, precision, case.geometry.angular.n_phi, double)
    return SphereBoard(device.handle, case.geometry, case.constraints, precision, members, double, cut)


def engine(device: Device, case: Problem, precision: Precision = "double", form: Form = "processor", double: bool = True) -> OpenClEngine:
    """Loaded with the start."""
    made = OpenClEngine(SphereSteps(board(device, case, precision, 1, form, double)))
    made.load(case.density, case.support, case.initial_support)
    return made


def transfer(case: Problem) -> np.ndarray:
    """A low-pass for shrink-wrap."""
    return np.exp(-((30 * case.geometry.radial.q) ** 2))
