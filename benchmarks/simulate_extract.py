"""Time and memory of `simulate_ccd` and `extract` at tutorial size (six tetrahedra, N = 512, L = 128, extracted to l = 69).

    python benchmarks/simulate_extract.py [--settings tutorial] [--threads 2] [--method back_substitution] [--no-pictures] [--keep DIR]

Both stages run as the command line runs them, each in a process of its own; compiled kernels are warmed on a small case first.
"""

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from pathlib import Path

from threadpoolctl import threadpool_info

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import load
from fxs_hpc.stages.fxs import extract, simulate_ccd
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

STAGES = {"simulate_ccd": simulate_ccd, "extract": extract}
SMALL = {"grid.n_radial_points": 16, "grid.max_order": 8, "grid.max_q": 0.03}


def measure(command: str, name: str, home: Path, threads: int, changes: dict, answer: multiprocessing.Queue) -> None:
    """Run one stage and put (wall s, CPU s, peak GB, plan) on `answer`."""
    settings = load(command, name, home, changes).model
    context = Context(
        Workspace.of(home, settings), RunConfig(home), threads, "double", False, home / name, lambda line: None, "benchmark"
    )
    plan = STAGES[command].plan(settings, context)
    wall, cpu = time.perf_counter(), time.process_time()
    STAGES[command].run(settings, context)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    answer.put((time.perf_counter() - wall, time.process_time() - cpu, peak, plan.memory / 1e9, plan.disk / 1e9))


def in_a_process(*arguments: object) -> tuple[float, ...]:
    """`measure` in a fresh process, so that the peak memory is that of one stage."""
    start = multiprocessing.get_context("spawn")
    answer = start.Queue()
    process = start.Process(target=measure, args=(*arguments, answer))
    process.start()
    result = answer.get()
    process.join()
    return result


def main() -> None:
    """Parse the command line, run, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", default="tutorial")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--method", default="back_substitution", help="solver of extract")
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--keep", type=Path, help="working directory that is kept")
    given = parser.parse_args()
    home = given.keep or Path(tempfile.mkdtemp())
    solver = {"cross_correlation.datasets.I1I1.bl_extraction_method": given.method}
    if given.no_pictures:
        options = "IO.files.invariants.options"
        solver |= {f"{options}.plot_first_invariants": False, f"{options}.plot_first_invariants_from_proj_matrices": False}
    for command, changes in (("simulate_ccd", SMALL), ("extract", solver)):
        in_a_process(command, given.settings, home / "small", given.threads, changes)
    blas = next((info for info in threadpool_info() if info["user_api"] == "blas"), {})
    print(f"{given.settings}, {given.threads} threads, BLAS {blas.get('internal_api')} {blas.get('architecture')}")
    print(f"{'stage':14s} {'wall s':>7s} {'CPU s':>7s} {'peak GB':>8s} {'planned GB':>11s} {'disk GB':>8s}")
    for command, changes in (("simulate_ccd", {}), ("extract", solver)):
        wall, cpu, peak, memory, disk = in_a_process(command, given.settings, home, given.threads, changes)
        print(f"{command:14s} {wall:7.1f} {cpu:7.1f} {peak:8.2f} {memory:11.2f} {disk:8.2f}")
    shutil.rmtree(home / "small")
    if given.keep is None:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
