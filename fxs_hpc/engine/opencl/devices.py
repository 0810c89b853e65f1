"""OpenCL devices: which there are, which of them work, and how fast they are.

A platform that is installed need not work: drivers are left over, or know nothing of the processor they run on. So a device counts only
after a kernel was built and run on it.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fxs_hpc.errors import NumericalError

KINDS = ("GPU", "accelerator", "CPU")
"""Kinds of devices, the best first."""

_ITEMS, _ROUNDS, _CHAINS = 1 << 14, 512, 8

_PROBE = """
__kernel void probe(__global float* values, const float factor, const int rounds)
{
    const int i = get_global_id(0);
    float8 x[CHAINS];
    for (int chain = 0; chain < CHAINS; chain++)
        x[chain] = (float8)(values[i] + chain) + (float8)(0, 1, 2, 3, 4, 5, 6, 7);
    for (int round = 0; round < rounds; round++)
        #pragma unroll
        for (int chain = 0; chain < CHAINS; chain++)
            x[chain] = fma(x[chain], (float8)(factor), (float8)(1.0f));
    for (int chain = 1; chain < CHAINS; chain++)
        x[0] += x[chain];
    values[i] = x[0].s0 + x[0].s1 + x[0].s2 + x[0].s3 + x[0].s4 + x[0].s5 + x[0].s6 + x[0].s7;
}
"""


@dataclass(frozen=True)
class Device:
    """An OpenCL device.

    Parameters
    ----------
    index : place in the list of all devices.
    platform, version, name, vendor, driver : as they call themselves.
    kind : 'GPU', 'accelerator' or 'CPU'.
    memory, largest_buffer, local_memory : bytes.
    double : whether it computes in double precision.
    units : compute units.
    handle : the pyopencl device.
    """

    index: int
    platform: str
    version: str
    name: str
    vendor: str
    driver: str
    kind: str
    memory: int
    largest_buffer: int
    local_memory: int
    double: bool
    units: int
    handle: Any = field(default=None, repr=False, compare=False)

    @property
    def title(self) -> str:
        """Platform and name."""
        return f"{self.platform}: {self.name}"

    def describe(self) -> str:
        """One line for a listing."""
        double = "double precision" if self.double else "no double precision"
        return f"[{self.index}] {self.kind} {self.title}, {self.memory / 2**30:.1f} GiB, {self.units} units, {double}, driver {self.driver}"


@dataclass(frozen=True)
class Probe:
    """Outcome of building and running a kernel: single precision GFLOP/s, or why it did not work."""

    rate: float
    failure: str = ""


def devices() -> tuple[list[Device], list[str]]:
    """All devices of all platforms, and remarks on what could not be asked."""
    try:
        import pyopencl as cl
    except (ImportError, OSError) as error:
        return [], [f"pyopencl does not load ({error}); pip install pyopencl"]
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        return [], [f"no OpenCL platform: install the driver of the GPU, or on Debian pocl-opencl-icd for the CPU ({_first_line(error)})"]
    found: list[Device] = []
    remarks = []
    for platform in platforms:
        try:
            handles = platform.get_devices()
        except cl.Error as error:
            remarks.append(f"platform {platform.name.strip()} gives no devices ({_first_line(error)})")
            continue
        found += [_device(len(found) + i, platform, handle) for i, handle in enumerate(handles)]
    return found, remarks


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _device(index: int, platform: Any, handle: Any) -> Device:
    import pyopencl as cl

    kinds = ((cl.device_type.GPU, "GPU"), (cl.device_type.CPU, "CPU"))
    return Device(
        index,
        platform.name.strip(),
        platform.version.strip(),
        handle.name.strip(),
        handle.vendor.strip(),
        handle.driver_version.strip(),
        next((name for bit, name in kinds if handle.type & bit), "accelerator"),
        handle.global_mem_size,
        handle.max_mem_alloc_size,
        handle.local_mem_size,
        "cl_khr_fp64" in handle.extensions,
        handle.max_compute_units,
        handle,
    )


def probe(device: Device) -> Probe:
    """Build a kernel on `device`, run it twice, check what it computed, and time it."""
    try:
        return _measured(device.handle)
    except Exception as error:  # drivers fail in every conceivable way; none of them may end the program
        return Probe(0.0, _first_line(error))


def _measured(handle: Any) -> Probe:
    import pyopencl as cl

    context = cl.Context([handle])
    queue = cl.CommandQueue(context)
    kernel = cl.Kernel(cl.Program(context, _PROBE.replace("CHAINS", str(_CHAINS))).build(), "probe")
    start = np.linspace(0, 1, _ITEMS, dtype=np.float32)
    values, seconds = np.empty_like(start), 0.0
    for _ in range(2):
        buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=start)
        queue.finish()
        begun = time.perf_counter()
        kernel(queue, (_ITEMS,), None, buffer, np.float32(0.5), np.int32(_ROUNDS))
        queue.finish()
        seconds = time.perf_counter() - begun
        cl.enqueue_copy(queue, values, buffer)
    expected = 16.0 * _CHAINS  # eight fixed points of x / 2 + 1 in each chain
    if not np.allclose(values, expected, rtol=1e-6):
        return Probe(0.0, f"a test kernel gave {values[0]:g} instead of {expected:g}")
    return Probe(16e-9 * _CHAINS * _ITEMS * _ROUNDS / seconds)


def report(device: Device, tested: Probe) -> str:
    """One line on a device and how it fared in the test."""
    outcome = f"does not work: {tested.failure}" if tested.failure else f"works, {tested.rate:.0f} GFLOP/s in single precision"
    return f"{device.describe()}: {outcome}"


def opened(device: Device) -> Device:
    """The same device as this process sees it, with its handle.

    Raises
    ------
    NumericalError
        It is no longer there.
    """
    same = [found for found in devices()[0] if (found.index, found.title) == (device.index, device.title)]
    if not same:
        raise NumericalError(f"OpenCL device {device.title} was found, but does not answer any more; use GPU.use: False")
    return same[0]
