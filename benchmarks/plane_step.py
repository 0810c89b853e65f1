"""Milliseconds per phasing step in the plane: `phasing_step.py --dimensions 2`.

HIO step of a real and of a complex density on alias-free grids, per reconstruction: of the CPU's engine in CPU milliseconds on one core;
with `--backend opencl` also of batches on a device, wall and (on a CPU) CPU milliseconds, interleaved with the former. `products` and
`memory` as in device_step.py, for the real density.
"""

import argparse
import os
from collections.abc import Callable

import numpy as np
from device_step import bandwidth, device_called, interleaved, product_rate

from fxs_hpc.engine.interface import Constraints, PlaneGeometry, Update
from fxs_hpc.engine.opencl.batch import steps_of
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.engine import OpenClEngine
from fxs_hpc.engine.opencl.members import Member
from fxs_hpc.engine.opencl.plane import PlaneBoard
from fxs_hpc.engine.opencl.steps import Steps
from fxs_hpc.engine.plane_engine import PlaneEngine
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid

RADIUS = 250.0
HIO = Update("HIO", 0.5)


def engine(n: int, order: int, precision: str, complex_density: bool) -> PlaneEngine:
    """An engine with invariants of noise and a random density in a disc."""
    radial, angular = RadialGrid(n, 0.3224 * n / 128, dimensions=2), CircleGrid.alias_free(order, order)
    rng = np.random.default_rng(0)
    orders = range(1, order + 1) if complex_density else range(2, order + 1, 2)
    vectors = {m: rng.standard_normal((n, 1)) + 1j * rng.standard_normal((n, 1)) for m in orders}
    known = {m: np.ones(n, bool) for m in range(order + 1)}
    constraint = ReciprocalConstraint(vectors, np.ones(n), known, radial.q, 2)
    geometry = PlaneGeometry(radial, angular, order, complex_density)
    made = PlaneEngine(geometry, Constraints(constraint, lower=0.0, largest_imag=2.0), precision)  # type: ignore[arg-type]
    inside = np.broadcast_to(radial.r[:, None] < RADIUS, geometry.shape)
    density = (1 + rng.random(inside.shape)) * inside
    made.load(density + 0.1j * rng.random(inside.shape) * inside if complex_density else density, inside, inside)
    return made


def filled(device: Device, cpu: PlaneEngine, precision: str, batch: int) -> tuple[Steps, list[Member]]:
    """A batch of the reconstruction that `cpu` holds."""
    steps = steps_of(device, cpu._geometry, cpu._constraints, precision, batch)  # type: ignore[arg-type]
    engines = [OpenClEngine(steps, number) for number in range(batch)]
    for made in engines:
        made.restore(cpu.snapshots(), cpu._initial.T)
    return steps, [made._member for made in engines]


def product_operations(board: PlaneBoard) -> float:
    """GFLOP of the matrix products of a step of all members, from the tables of those made so far."""
    names = ("analyse", "to_amplitude", "synthesise", "analyse_intensity", "synthesise_intensity", "to_density")
    listed = [getattr(board.matrices, key)(*given) for key, *given in board._tables if key in names]
    return 1e-9 * sum(
        2.0 * np.prod(one.tiles[:, 6:9].astype(float), axis=1).sum() * (1 if one.together else board.members) for one in listed
    )


def step_bytes(board: PlaneBoard) -> float:
    """Gigabytes that the kernels of one HIO step of all members read and write, each array once for each kernel that uses it."""
    sizes, real = board.layout.sizes.real, board.arithmetic.real.itemsize
    fields = 2 * board.layout.parts * board.layout.voxels
    numbers = fields + 8 * sizes["analysed"] + 8 * sizes["density_coefficients"] + 5 * sizes["intensity_analysed"] + 5 * sizes["intensity"]
    return 1e-9 * (board.members * (numbers * real + board.layout.voxels) + board.buffers["constants"].size + board.table_bytes)


def report(chosen: argparse.Namespace) -> None:
    """Print the table."""
    device = device_called(chosen.device) if chosen.backend == "opencl" else None
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    print("  N    L  n_phi  precision   CPU engine ms: real complex", end="")
    print("  batch  device ms: real complex  steps/s  CPU ms: real  ratio complex  ratio  launches  products  memory" if device else "")
    speed = bandwidth(device) if device else 0.0
    for size in chosen.sizes:
        n, order = (int(number) for number in size.split(","))
        for precision in chosen.precision:
            for batch in chosen.batch if device else [0]:
                _one(n, order, precision, batch, device, speed, chosen.repeats)


def _one(n: int, order: int, precision: str, batch: int, device: Device | None, speed: float, repeats: int) -> None:
    both = [engine(n, order, precision, complex_density) for complex_density in (False, True)]
    actions: list[Callable[[], object]] = [lambda made=made: made.step(HIO) for made in both]  # type: ignore[misc]
    groups = [filled(device, made, precision, batch) for made in both] if device else []
    actions += [lambda steps=steps, members=members: steps.step(members, HIO) for steps, members in groups]  # type: ignore[misc]
    times = interleaved(actions, repeats)
    line = f"{n:4d} {order:4d}  {both[0]._geometry.angular.n_phi:5d}  {precision:9s}  {times[0][1]:19.2f} {times[1][1]:7.2f}"
    if device:
        line += _on_device(device, groups[0], speed, batch, times)
    print(line, flush=True)


def launches(steps: Steps, members: list[Member]) -> int:
    """Kernels started for one HIO step."""
    before = steps.board.launches
    steps.step(members, HIO)
    return steps.board.launches - before


def _on_device(device: Device, group: tuple[Steps, list[Member]], speed: float, batch: int, times: list[tuple[float, float]]) -> str:
    board: PlaneBoard = group[0].board  # type: ignore[assignment]
    started = launches(*group)
    (wall, used), (wall_complex, used_complex) = times[2], times[3]
    spent = used if device.kind == "CPU" else wall
    products = 1e3 * product_operations(board) / product_rate(board, device) / spent
    memory = 1e3 * step_bytes(board) / speed / spent
    shares = [used / batch, used / batch / times[0][1], used_complex / batch, used_complex / batch / times[1][1]]
    line = f"  {batch:5d}  {wall / batch:15.3f} {wall_complex / batch:7.3f}  {1e3 * batch / wall:7.0f}"
    line += f"  {shares[0]:12.3f} {shares[1]:6.2f} {shares[2]:7.3f} {shares[3]:6.2f}"
    return line + f"  {started:8d}  {products:8.0%}  {memory:6.0%}"
