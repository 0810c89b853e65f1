"""Time and memory of `correlate` at the size of the tutorial: patterns of 512 x 512, 256 rings of 1024 angles.

    python benchmarks/correlate.py [--patterns 200] [--threads 1] [--masks static|varying] [--normalisation all_patterns|each_pattern]
                                   [--ranks N] [--keep DIR]

Patterns are Poisson noise (the time does not depend on what they show) under a static mask; `varying` adds bad pixels at other places in
each. The stage runs as the command line runs it, in a process of its own; a small case before warms the compiled kernels. "parts" are
measured in one thread afterwards.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

SHAPE = (512, 512)
TUTORIAL = {
    "structure_name": "benchmark",
    "image_dimensions": list(SHAPE),
    "pixel_size": 200.0,
    "sample_distance": 800.0,
    "wavelength": 1.23984,
    "detector_origin": [255.2, 255.5],
    "phi_range": [0.0, 2 * np.pi, 1024, "exact"],
    "use_binary_mask": True,
    "IO": {"files": {"ccd": {"options": {"save_pictures": False}}}},
}


def write_patterns(home: Path, count: int, varying: bool) -> None:
    """`count` patterns; 50 different images, since the time does not depend on them."""
    folder = home / "data/fxs/input_files"
    folder.mkdir(parents=True)
    rows, columns = np.indices(SHAPE)
    mask = np.hypot(rows - 255.2, columns - 255.5) > 8
    mask[250:254] = False
    mask.astype("<f4").tofile(folder / "mask.raw")
    for number in range(min(count, 50)):
        random = np.random.default_rng(number)
        image = random.poisson(1.0, SHAPE).astype("<f4")
        if varying:
            image[random.integers(0, 512, 20), random.integers(0, 512, 20)] = np.nan
        image.tofile(folder / f"pattern_{number}.raw")
    (folder / "patterns_list.txt").write_text("".join(f"./pattern_{number % 50}.raw\n" for number in range(count)))


def run(home: Path, settings: dict, ranks: int) -> tuple[float, float, float]:
    """Wall s, CPU s (of all ranks), largest memory of a process in GB."""
    path = home / "benchmark.yaml"
    path.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "fxs_hpc", "fxs", "correlate", str(path), "--config", str(home / "config.ini")]
    if ranks > 1:
        launcher = [str(Path(sys.executable).with_name("mpirun")), "-np", str(ranks), "--oversubscribe"]
        command = [*launcher, *(["--allow-run-as-root"] if os.geteuid() == 0 else []), *command]
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - wall, cpu, after.ru_maxrss / 1e6


def parts(home: Path, settings: dict) -> None:
    """Time of each part of the work on a batch, in one thread."""
    from threadpoolctl import threadpool_limits

    from fxs_hpc.config.settings import build
    from fxs_hpc.files.pattern_lists import PatternReader, open_patterns
    from fxs_hpc.fluctuation import pattern_sums
    from fxs_hpc.fluctuation.patterns import Treatment, treated
    from fxs_hpc.fluctuation.polar_interpolation import filled
    from fxs_hpc.fluctuation.splines import spline_coefficients
    from fxs_hpc.stages.fxs.pattern_job import correlator, grid

    model, _ = build("correlate", settings)
    folder = home / "data/fxs/input_files"
    usable = np.fromfile(folder / "mask.raw", "<f4").reshape(SHAPE) > 0
    treatment = Treatment(grid(model), model.interpolation_order, usable)
    patterns = open_patterns(folder / "patterns_list.txt", SHAPE, 32)
    reader, adder = PatternReader(patterns), correlator(model, treatment)
    table = pattern_sums.FrameTable.empty(len(patterns), None)
    n_phi, n_q = treatment.polar_mask.shape
    sums = pattern_sums.Sums.zero(n_phi, n_q, n_q, SHAPE, table)
    image = reader.read(0)
    polar = [(number, treated(reader.read(number), treatment)) for number in range(len(patterns))]
    with threadpool_limits(1):
        for name, function, each in (
            ("read", lambda: reader.read(0), 1),
            ("fill masked pixels", lambda: filled(image.astype(float), usable), 1),
            ("spline prefilter", lambda: spline_coefficients(image, 2), 1),
            ("prefilter, interpolate", lambda: treatment.interpolator.values(image), 1),
            ("treat a pattern", lambda: treated(image, treatment), 1),
            ("FFT", lambda: adder.spectrum(polar[0][1].values), 1),
            ("add a batch of 32", lambda: adder.add(sums, polar, 1), len(polar)),
        ):
            function()
            begin = time.process_time()
            for _ in range(4):
                function()
            print(f"  {name:24s} {(time.process_time() - begin) / 4 / each * 1e3:7.2f} ms a pattern")


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patterns", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--masks", choices=("static", "varying"), default="static")
    parser.add_argument("--normalisation", choices=("all_patterns", "each_pattern"), default="all_patterns")
    parser.add_argument("--keep", type=Path, help="folder that is kept")
    given = parser.parse_args()
    home = given.keep or Path(tempfile.mkdtemp())
    settings = TUTORIAL | {"n_processes": given.threads, "masks": {"normalisation": given.normalisation}}
    try:
        home.mkdir(exist_ok=True)
        (home / "config.ini").write_text("home_dir = .\n")
        write_patterns(home, given.patterns, given.masks == "varying")
        base = run(home, settings | {"max_n_patterns": 1}, given.ranks)
        wall, cpu, memory = run(home, settings, given.ranks)
        print(f"{given.patterns} patterns, {given.ranks} ranks of {given.threads} threads, {given.masks} masks, {given.normalisation}")
        print(f"  wall {wall:.1f} s, CPU {cpu:.1f} s, {memory:.2f} GB a process")
        print(f"  start and output of that: {base[0]:.1f} s, CPU {base[1]:.1f} s")
        print(f"  {(cpu - base[1]) / (given.patterns - 1) * 1e3:.1f} ms CPU a pattern, {cpu / given.patterns * 1e3:.1f} ms with all")
        parts(home, settings)
    finally:
        if given.keep is None:
            shutil.rmtree(home)


if __name__ == "__main__":
    main()
