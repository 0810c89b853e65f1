"""CPU seconds of the flags of low-res-emc, part by part, on one and more ranks; memory of a rank; scaling.

    python benchmarks/emc_iteration.py DIR [--iterations 12] [--ranks 1 2]

DIR is a working directory in which low-res-emc can start (the reference data unpacked, for instance, with c-quaternion17.bin made by
make-quaternion). Results go to a folder of their own inside the system's temporary folder. One thread per rank. Times are CPU times
(`time.process_time`) of the ranks, so that a loaded machine tells the same; waiting for others inside MPI counts as CPU time and is shown
as `communicate`. The first run of a machine compiles the kernels: run twice.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

REFERENCE = 0.92
"""CPU seconds per flag and rank of the reference program, two ranks, on its data set."""


def worker(home: Path, results: Path, iterations: int) -> None:
    """One rank: runs the iterations and prints its times as one line of JSON."""
    from fxs_hpc.config import ini
    from fxs_hpc.config.emc.keys import EmcConfig
    from fxs_hpc.parallel.communicator import communicator
    from fxs_hpc.stages.emc import emc_inputs, low_res_emc
    from fxs_hpc.stages.emc.context import Context
    from fxs_hpc.stages.emc.emc_engine import Engine
    from fxs_hpc.stages.emc.emc_loop import Goal, Loop
    from fxs_hpc.stages.emc.emc_run import FlagKeeper, RunFiles, _begun, _rule
    from fxs_hpc.stages.emc.flags import LOW_RES
    from fxs_hpc.stages.emc.stopping import Stopping
    from fxs_hpc.stages.emc.stopwatch import Stopwatch

    ranks = communicator()
    run = ini.load(home / "config.ini")
    run = replace(run, emc={**run.emc, "prob_dir": str(results)})
    context = Context(EmcConfig(run), ranks, 1, lambda line: None, "benchmark")
    baseline = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    task = emc_inputs.task(context, low_res_emc.search_files(context))
    watch = Stopwatch(time.process_time)
    engine = Engine(task, ranks, 1, watch)
    state = _begun(context, task, engine, lambda made, of: low_res_emc.start(context, made, of))
    setup = time.process_time() - begin
    keeper = FlagKeeper(context, RunFiles(results, results), task, {}, drawing=np.inf)
    flags: list[dict[str, float]] = []
    last = time.process_time()

    def keep(result):  # type: ignore[no-untyped-def]
        nonlocal last
        keeper.keep(result)
        record = result.state.history[-1]
        now = time.process_time()
        flags.append({"total": now - last, "evaluated": record.evaluated, "returned": record.returned, **record.parts})
        last = now

    loop = Loop(engine, task, ranks, watch, LOW_RES, keep, context.say)
    with Stopping(ranks, None) as stopping:
        loop.run(state, Goal(iterations, _rule(context)), stopping)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = ranks.gather(
        {"setup": setup, "flags": flags, "baseline_mb": baseline / 1e3, "rss_mb": memory / 1e3, "anonymous_mb": anonymous()}
    )
    if ranks.rank == 0:
        print("RESULT", json.dumps(lines))


def anonymous() -> float:
    """MB of private memory now; mapped files and shared windows do not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("RssAnon"))


def measured(home: Path, ranks: int, iterations: int) -> list[dict]:
    """The times of all ranks."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, str(home), "--worker", folder, "--iterations", str(iterations)]
        if ranks > 1:
            beside = Path(sys.executable).with_name("mpirun")
            command = [str(beside if beside.exists() else "mpirun"), "--oversubscribe", "-np", str(ranks), *command]
        environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    if line is None:
        raise SystemExit(done.stderr)
    return json.loads(line.removeprefix("RESULT"))


def report(ranks: int, of_ranks: list[dict]) -> float:
    """Print the times of one number of ranks; returns the work of the slowest rank, without waiting."""
    parts = ("read", "search", "maximise", "symmetrise", "deviate", "communicate", "write")
    means = {part: np.mean([flag.get(part, 0.0) for rank in of_ranks for flag in rank["flags"]]) for part in parts}
    total = np.array([[flag["total"] for flag in rank["flags"]] for rank in of_ranks])
    waiting = np.array([[flag.get("communicate", 0.0) for flag in rank["flags"]] for rank in of_ranks])
    mean, work = total.mean(), (total - waiting).mean()
    print(f"{ranks} rank(s): {mean:.4f} CPU s per flag and rank, {REFERENCE / mean:.1f} times less than {REFERENCE}")
    print(f"   {work:.4f} without waiting for others ({REFERENCE / work:.1f} times less); first flag {total[:, 0].mean():.3f}")
    print("   " + ", ".join(f"{part} {seconds:.4f}" for part, seconds in means.items()))
    print(
        f"   setup {np.mean([rank['setup'] for rank in of_ranks]):.2f} s; peak RSS {max(rank['rss_mb'] for rank in of_ranks):.0f} MB, "
        f"{max(rank['rss_mb'] - rank['baseline_mb'] for rank in of_ranks):.0f} MB of it after the imports, private "
        f"{max(rank['anonymous_mb'] for rank in of_ranks):.0f} MB; given-up candidates that came back: "
        f"{sum(flag['returned'] for flag in of_ranks[0]['flags'])}"
    )
    return float((total - waiting).sum(axis=1).max())


def main() -> None:
    """Measure each number of ranks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--worker", type=Path)
    given = parser.parse_args()
    if given.worker:
        worker(given.home, given.worker, given.iterations)
        return
    work = {ranks: report(ranks, measured(given.home, ranks, given.iterations)) for ranks in given.ranks}
    first = given.ranks[0]
    for ranks in given.ranks[1:]:
        print(f"{first} -> {ranks} ranks: {work[first] / work[ranks]:.2f} times less work for the slowest rank (without waiting)")


if __name__ == "__main__":
    main()
