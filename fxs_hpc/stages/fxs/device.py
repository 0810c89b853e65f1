"""The OpenCL device of a reconstruct run: chosen, explained, and filled with as many reconstructions as it holds."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fxs_hpc.config.reconstruct import PhasingGpu
from fxs_hpc.engine.interface import Constraints, Geometry, PlaneGeometry, Precision
from fxs_hpc.engine.opencl import choice
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.memory import need
from fxs_hpc.engine.opencl.prober import Prober
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.errors import SettingsError


@dataclass(frozen=True)
class Selected:
    """What a run uses.

    Parameters
    ----------
    device : None: the CPU, by compiled code.
    precision : of the fields; single where double was asked for but is missing and single is allowed.
    lines : what was chosen and why; why : the last reason.
    """

    device: Device | None
    precision: Precision
    lines: tuple[str, ...] = ()
    why: str = ""


def select(
    settings: PhasingGpu, precision: Precision, environment: Mapping[str, str] = os.environ, ask: Callable[[], Prober] = Prober
) -> Selected:
    """Device for this process; `ask` makes what lists and tries the devices, in a process of its own.

    Raises
    ------
    SettingsError
        A device is required, and there is none to use.
    """
    if not settings.use:
        return Selected(None, precision, why="GPU.use: False")
    with ask() as prober:
        found, remarks = prober.devices()
        chosen = choice.choose(settings.device, precision == "double", found, environment, prober.probe)
        if chosen.device is None and precision == "double" and settings.allow_single:
            single = choice.choose(settings.device, False, found, environment, prober.probe)
            if single.device is not None:
                line = f"{single.device.title} has no double precision: single is used (GPU.allow_single)"
                return Selected(single.device, "single", (*single.reasons, line), line)
    if chosen.device is not None:
        return Selected(chosen.device, precision, chosen.reasons, chosen.reasons[-1])
    why = "; ".join((*remarks, *chosen.reasons)) or "there is no OpenCL device"
    if precision == "double" and "no double precision" in why:
        why += "; set precision = single in config.ini, or GPU.allow_single: True"
    if settings.required:
        raise SettingsError(f"GPU.required: no OpenCL device can be used: {why}")
    return Selected(None, precision, (f"no GPU is used, the CPU does the work: {why}",), why)


@dataclass(frozen=True)
class Batch:
    """How many reconstructions run side by side on a device, and the bytes they take there."""

    members: int
    memory: int


def batch(
    settings: PhasingGpu, device: Device, geometry: Geometry | PlaneGeometry, constraints: Constraints, precision: Precision, wanted: int
) -> Batch:
    """As many reconstructions as were asked for, fit, and help.

    Raises
    ------
    SettingsError
        Not even one fits, or fewer than asked for.
    """
    needed = need(geometry, constraints, precision, device.double)
    limit = None if settings.batch == "auto" else settings.batch
    members = needed.members(device.kind, device.memory, device.largest_buffer, wanted, limit)
    if members == 0 or (limit is not None and members < min(limit, wanted)):
        raise SettingsError(
            f"GPU.batch: {limit or 1} reconstruction{'s' if (limit or 1) > 1 else ''} need {needed.of(limit or 1) / 2**30:.2f} GiB, "
            f"{device.title} has {device.memory / 2**30:.2f} GiB (buffers of at most {device.largest_buffer / 2**30:.2f} GiB); "
            f"{'lower GPU.batch' if members else 'set GPU.use: False, or lower grid.n_radial_points'}"
        )
    return Batch(members, needed.of(members))


def plan(settings: PhasingGpu, geometry: Geometry | PlaneGeometry, used_order: int, precision: Precision) -> tuple[str, ...]:
    """What to say of the device before a run: the memory that reconstructions would need there."""
    if not settings.use:
        return ()
    shells = geometry.radial.n_points
    columns = {l: 1 if isinstance(geometry, PlaneGeometry) else min(shells, 2 * l + 1) for l in range(1, used_order + 1)}
    most = {l: np.empty((shells, count)) for l, count in columns.items() if l % 2 == 0 or geometry.complex_density}
    constraints = Constraints(ReciprocalConstraint(most, None, {}, geometry.radial.q))
    needed = need(geometry, constraints, precision, double=True)
    each, shared = needed.each / 2**20, needed.shared / 2**20
    return (f"on a GPU, if one is used: {each:.0f} MiB for each reconstruction, {shared:.0f} MiB for all of them",)
