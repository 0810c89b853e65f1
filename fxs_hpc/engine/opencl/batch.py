"""A batch of reconstructions on a device, in space or in the plane."""

from fxs_hpc.engine.interface import Constraints, Geometry, PlaneGeometry, Precision
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.plane import PlaneBoard
from fxs_hpc.engine.opencl.plane_steps import PlaneSteps
from fxs_hpc.engine.opencl.sphere import SphereBoard
from fxs_hpc.engine.opencl.sphere_steps import SphereSteps
from fxs_hpc.engine.opencl.steps import Steps


def steps_of(device: Device, geometry: Geometry | PlaneGeometry, constraints: Constraints, precision: Precision, members: int) -> Steps:
    """The operations of a step for `members` reconstructions of one problem, with all memory and kernels that they need."""
    if isinstance(geometry, PlaneGeometry):
        return PlaneSteps(PlaneBoard(device.handle, geometry, constraints, precision, members, device.double))
    return SphereSteps(SphereBoard(device.handle, geometry, constraints, precision, members, device.double))
