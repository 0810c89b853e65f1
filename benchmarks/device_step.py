"""Milliseconds per phasing step on an OpenCL device, beside the device's own matrix product rate and bandwidth.

For each size and precision: HIO and ER step of a real density and HIO step of a complex one, wall milliseconds for each
reconstruction of the batch (medians). `products` and `memory` are the times that the floating point operations of the HIO step would
take at the rate of 64 products of 256 x 256 matrices in one launch of the step's own kernel, and that its bytes would take at the
rate of copying on the device, divided by the time taken. On a CPU these rates and shares are by CPU seconds of all threads, which do
not depend on the load of the machine, and the step's CPU milliseconds stand beside those of the NumPy engine on one core, interleaved.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pyopencl as cl

from fxs_hpc.engine.interface import Update
from fxs_hpc.engine.layout import unfold
from fxs_hpc.engine.numpy_engine import NumpyEngine
from fxs_hpc.engine.opencl import choice, devices
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.engine import OpenClEngine
from fxs_hpc.engine.opencl.members import Member
from fxs_hpc.engine.opencl.products import Launch, launch
from fxs_hpc.engine.opencl.sphere import SphereBoard
from fxs_hpc.engine.opencl.sphere_steps import SphereSteps

_SQUARE, _PRODUCTS = 256, 64
_COPIED = 1 << 28


def device_called(wanted: str) -> Device:
    """The device that `reconstruct` would take, with the reason."""
    found = choice.choose(wanted, True, devices.devices()[0], os.environ)
    if found.device is None:
        raise SystemExit("; ".join(("no OpenCL device to measure", *found.reasons)))
    print(found.reasons[-1])
    return found.device


def clock(device: Device) -> Callable[[], float]:
    """What times are measured by: of a CPU the time of all threads."""
    return time.process_time if device.kind == "CPU" else time.perf_counter


def bandwidth(device: Device) -> float:
    """GB/s of copying from one buffer to another, bytes read and written counted."""
    context = cl.Context([device.handle])
    queue = cl.CommandQueue(context)
    source, target = (cl.Buffer(context, cl.mem_flags.READ_WRITE, _COPIED) for _ in range(2))
    cl.enqueue_fill_buffer(queue, source, np.zeros(1, np.uint8), 0, _COPIED)
    times, now = [], clock(device)
    for _ in range(5):
        queue.finish()
        start = now()
        for _ in range(4):
            cl.enqueue_copy(queue, target, source)
        queue.finish()
        times.append((now() - start) / 4)
    return 2e-9 * _COPIED / min(times)


def product_rate(board: SphereBoard, device: Device) -> float:
    """GFLOP/s of the product kernel."""
    host = np.ones((3, _PRODUCTS, _SQUARE, _SQUARE), board.arithmetic.real)
    board.reserve("square", host.nbytes)
    board.write("square", 0, host)

    class Everywhere:
        def find(self, view: np.ndarray) -> tuple[str, int]:
            return "square", (view.ctypes.data - host.ctypes.data) // host.itemsize

    def square() -> Launch:
        return launch([(host[0, i], host[1, i], host[2, i]) for i in range(_PRODUCTS)], Everywhere(), board.shape.tiling)  # type: ignore[arg-type]

    board.matrices.square = square  # type: ignore[attr-defined]
    board.set_members([(0, 0, 0, 0)])
    times, now = [], clock(device)
    for _ in range(4):
        board.queue.finish()
        start = now()
        board.multiply("square", 1)
        board.queue.finish()
        times.append(now() - start)
    return 2e-9 * _PRODUCTS * _SQUARE**3 / min(times)


def step_bytes(board: SphereBoard) -> float:
    """Gigabytes that the kernels of one HIO step read and write, each array once for each kernel that uses it."""
    sizes, real = board.layout.sizes.real, board.arithmetic.real.itemsize
    numbers = 5 * sizes["amplitude"] + 8 * sizes["analysed"] + 8 * sizes["amplitude_coefficients"]
    numbers += 4 * sizes["intensity_analysed"] + 7 * sizes["intensity"]
    shared = board.buffers["constants"].size + board.table_bytes
    return 1e-9 * (board.members * (numbers * real + board.layout.voxels) + shared)


def filled(device: Device, cpu: NumpyEngine, precision: str, batch: int) -> tuple[SphereSteps, list[Member]]:
    """A batch of the reconstruction that `cpu` holds."""
    board = SphereBoard(device.handle, cpu._geometry, cpu._constraints, precision, batch, device.double)  # type: ignore[arg-type]
    steps = SphereSteps(board)
    engines = [OpenClEngine(steps, number) for number in range(batch)]
    for engine in engines:
        engine.restore(cpu.snapshots(), unfold(cpu._initial, cpu._n).astype(bool))
    return steps, [engine._member for engine in engines]


def interleaved(actions: Sequence[Callable[[], object]], repeats: int) -> list[tuple[float, float]]:
    """Median wall and CPU milliseconds of each action."""
    series: list[list[tuple[float, float]]] = [[] for _ in actions]
    for action in actions:
        action()
    for _ in range(repeats):
        for action, times in zip(actions, series, strict=True):
            marks = [(time.perf_counter(), time.process_time())]
            action()
            marks.append((time.perf_counter(), time.process_time()))
            times += [(1e3 * (b[0] - a[0]), 1e3 * (b[1] - a[1])) for a, b in pairwise(marks)]
    return [(float(np.median([wall for wall, _ in times])), float(np.median([used for _, used in times]))) for times in series]


def compare(chosen: argparse.Namespace, engine: Callable[..., NumpyEngine], operations: Callable[..., float]) -> None:
    """Print the table."""
    device = device_called(chosen.device)
    speed = bandwidth(device)
    seconds = "CPU s" if device.kind == "CPU" else "s"
    print(f"copying on the device: {speed:.0f} GB/{seconds}; load of the machine: {os.getloadavg()[0]:.1f}")
    beside = "  CPU ms: device NumPy ratio" if device.kind == "CPU" else ""
    print(f"  N    L  precision  batch  product GFLOP/s  HIO ms  ER ms  complex HIO ms  steps/s  products  memory{beside}")
    for size in chosen.sizes:
        n, order = (int(number) for number in size.split(","))
        for precision in chosen.precision:
            for batch in chosen.batch:
                _one_size(chosen.repeats, batch, device, speed, n, order, precision, engine, operations)


def _one_size(repeats, batch, device, speed, n, order, precision, engine, operations) -> None:  # type: ignore[no-untyped-def]
    cpu, full = engine(n, order, precision, False), engine(n, order, precision, True)
    (real, members), (both, two) = (filled(device, made, precision, batch) for made in (cpu, full))
    hio, er = Update("HIO", 0.5), Update("ER")
    actions: list[Callable[[], object]] = [lambda: real.step(members, hio), lambda: both.step(two, hio)]
    if device.kind == "CPU":
        actions.append(lambda: cpu.step(hio))
    times = interleaved(actions, repeats)
    relaxing = interleaved([lambda: real.step(members, er)], repeats)[0]
    rate, each = product_rate(real.board, device), times[0][0] / batch
    counted = times[0][device.kind == "CPU"] / batch
    products, memory = operations(cpu, n, order) / rate, step_bytes(real.board) / batch / speed
    line = f"{n:4d} {order:4d}  {precision:9s}  {batch:5d}  {rate:15.0f}  {each:6.2f} {relaxing[0] / batch:6.2f}"
    line += f"  {times[1][0] / batch:14.2f}  {1e3 / each:7.0f}  {1e3 * products / counted:8.0%}  {1e3 * memory / counted:6.0%}"
    if device.kind == "CPU":
        line += f"  {counted:14.1f} {times[2][1]:5.1f} {counted / times[2][1]:5.2f}"
    print(line, flush=True)
