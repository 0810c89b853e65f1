"""Milliseconds per phasing step on one core, beside the machine's own matrix product rate.

    python benchmarks/phasing_step.py [--sizes 64,31 128,63 256,127] [--precision single double] [--parts] [--repeats 9]
    python benchmarks/phasing_step.py --backend opencl [--device auto] [--batch 1 16] ...      (see benchmarks/device_step.py)
    python benchmarks/phasing_step.py --dimensions 2 ...                                       (see benchmarks/plane_step.py)

For each size (shells N, order L of amplitude and data) and precision: HIO and ER step of a real density, HIO step of a complex one, on an
alias-free grid. `roofline` is the time that the floating point operations of the HIO step would take at the measured matrix product
rate of that precision (matrix products and FFTs counted, pointwise work not), divided by the time taken. CPU seconds of one thread,
medians of interleaved repeats.
"""

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import plane_step
from device_step import compare
from threadpoolctl import threadpool_info

from fxs_hpc.engine import azimuth, ball_fields, numpy_engine, update
from fxs_hpc.engine.interface import Constraints, Geometry, Update
from fxs_hpc.engine.numpy_engine import NumpyEngine
from fxs_hpc.engine.polar import multiply
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid

RADIUS = 250.0
TYPES = {"single": np.float32, "double": np.float64}


def product_rate(dtype: type, size: int = 768) -> float:
    """GFLOP/s of a square matrix product on one thread."""
    a = np.random.default_rng(0).random((size, size)).astype(dtype)
    out = np.empty_like(a)
    times = []
    for _ in range(7):
        start = time.process_time()
        np.matmul(a, a, out=out)
        times.append(time.process_time() - start)
    return 2e-9 * size**3 / min(times)


def engine(n: int, order: int, precision: str, complex_density: bool) -> NumpyEngine:
    """An engine with invariants of a plausible spectrum (26 significant columns) and a random density in a ball."""
    radial = RadialGrid(n, 0.3224 * n / 128)
    angular = AngularGrid.alias_free(order, order)
    rng = np.random.default_rng(0)
    matrices = {}
    for l in range(1, order + 1):
        columns = min(n, 2 * l + 1, 26) if l % 2 == 0 else 0
        if columns or complex_density:
            matrices[l] = rng.standard_normal((n, columns)) * np.exp(-0.3 * np.arange(columns))
    known = {l: np.ones(n, bool) for l in range(order + 1)}
    constraint = ReciprocalConstraint(matrices, np.ones(n), known, radial.q)
    limits = Constraints(constraint, lower=0.0, largest_imag=2.0)
    made = NumpyEngine(Geometry(radial, angular, order, complex_density), limits, precision)
    inside = np.broadcast_to(radial.r[:, None, None] < RADIUS, (n, angular.n_theta, angular.n_phi))
    density = (1 + rng.random(inside.shape)) * inside
    made.load(density + 0.1j * rng.random(inside.shape) * inside if complex_density else density, inside, inside)
    return made


def operations(made: NumpyEngine, n: int, order: int) -> float:
    """GFLOP of one HIO step: matrix products (counted while they run) and FFTs along phi (5/2 n log2 n per real line)."""
    counted = 0.0
    original, users = multiply, (numpy_engine, ball_fields)

    def counting(products: list) -> None:
        nonlocal counted
        counted += sum(2.0 * a.shape[-2] * a.shape[-1] * b.shape[-1] for a, b, _ in products)
        original(products)

    for user in users:
        user.multiply = counting
    made.step(Update("HIO", 0.5))
    for user in users:
        user.multiply = original
    angular = AngularGrid.alias_free(order, order)
    lines = 10 * angular.n_theta / 2 * n
    projection = sum(8.0 * n * (2 * l + 1) * min(2 * l + 1, 26) for l in range(2, order + 1, 2))
    return 1e-9 * (counted + lines * 2.5 * angular.n_phi * np.log2(angular.n_phi) + projection)


def timed(actions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median CPU milliseconds of each action, repeats interleaved."""
    times: list[list[float]] = [[] for _ in actions]
    for action in actions:
        action()
    for _ in range(repeats):
        for action, series in zip(actions, times, strict=True):
            start = time.process_time()
            action()
            series.append(1e3 * (time.process_time() - start))
    return [float(np.median(series)) for series in times]


def parts(made: NumpyEngine, repeats: int) -> dict[str, float]:
    """CPU milliseconds of an HIO step by part."""
    spent: dict[str, float] = {}

    def around(name: str, function: Callable) -> Callable:
        def wrapper(*args: object) -> object:
            start = time.process_time()
            value = function(*args)
            spent[name] = spent.get(name, 0.0) + 1e3 * (time.process_time() - start)
            return value

        return wrapper

    def kernel(name: str, factory: Callable) -> Callable:
        return lambda *args: around(name, factory(*args))

    names = {"analyse_density": "FFT of the density", "intensity": "FFT, |F|^2, FFT", "modulus": "FFT, modulus, FFT"}
    saved = {name: getattr(azimuth, name) for name in names}
    saved_update, saved_multiply, projection = update.real_update, multiply, made._procrustes.change
    for name, label in names.items():
        setattr(azimuth, name, kernel(label, saved[name]))
    update.real_update = kernel("FFT, constraints, update", saved_update)
    numpy_engine.multiply = ball_fields.multiply = around("Legendre and Hankel products", saved_multiply)
    made._procrustes.change = around("Procrustes projection", projection)
    for _ in range(repeats):
        made.step(Update("HIO", 0.5))
    for name, function in saved.items():
        setattr(azimuth, name, function)
    update.real_update, made._procrustes.change = saved_update, projection
    numpy_engine.multiply = ball_fields.multiply = saved_multiply
    return {name: value / repeats for name, value in spent.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["64,31", "128,63", "256,127"])
    parser.add_argument("--precision", nargs="+", default=["single", "double"], choices=list(TYPES))
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--backend", choices=["numpy", "opencl"], default="numpy")
    parser.add_argument("--device", default="auto", help="as GPU.device in the settings")
    parser.add_argument("--batch", type=int, nargs="+", default=[1], help="reconstructions side by side on the device")
    parser.add_argument("--dimensions", type=int, choices=[2, 3], default=3)
    chosen = parser.parse_args()
    if chosen.dimensions == 2:
        plane_step.report(chosen)
        return
    if chosen.backend == "opencl":
        compare(chosen, engine, operations)
        return
    blas = next((info for info in threadpool_info() if info["user_api"] == "blas"), {})
    rates = {name: product_rate(TYPES[name]) for name in chosen.precision}
    print(f"BLAS {blas.get('internal_api')} {blas.get('version')}, core type {blas.get('architecture')}")
    print("matrix product, one thread: " + ", ".join(f"{rate:.0f} GFLOP/s {name}" for name, rate in rates.items()))
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    print("  N    L  grid      precision  HIO ms  ER ms  complex HIO ms  GFLOP  roofline")
    for size in chosen.sizes:
        n, order = (int(number) for number in size.split(","))
        grid = AngularGrid.alias_free(order, order)
        for precision in chosen.precision:
            real, relaxing, both = engine(n, order, precision, False), engine(n, order, precision, False), engine(n, order, precision, True)
            work = operations(real, n, order)
            hio, er, full = timed(
                [lambda e=e, m=m: e.step(Update(m, 0.5)) for e, m in ((real, "HIO"), (relaxing, "ER"), (both, "HIO"))], chosen.repeats
            )
            share = 1e3 * work / rates[precision] / hio
            print(
                f"{n:4d} {order:4d}  {grid.n_theta:3d}x{grid.n_phi:3d}   {precision:7s}  {hio:7.1f} {er:6.1f}  {full:14.1f}  {work:5.2f}"
                f"  {share:6.0%}",
                flush=True,
            )
            if chosen.parts:
                for name, value in parts(real, chosen.repeats).items():
                    print(f"        {value:6.2f} ms  {name}")


if __name__ == "__main__":
    main()
