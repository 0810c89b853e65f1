"""CPU time of the orientation search on the reference run's 900 frames, beside that of trying every sample on every peak.

    python benchmarks/orient_peak.py [--num-div 17 34 70] [--exhaustive 12] [--reference ../shared/data]

For each sampling: seconds for the tree of samples (once per run and node), for the search in all frames, and for the whole stage with
reading and writing; candidates; memory of the tree. `exhaustive` is the definition in a compiled loop that leaves a sample as soon as it
is a candidate, on every n-th frame (`--exhaustive n`), scaled to all: what the reference program does. CPU seconds of one thread, compiled
kernels warmed up; the reference program takes 15 s at num_div 17.
"""

import argparse
import contextlib
import io
import lzma
import os
import tarfile
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numba
import numpy as np

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.emc import quaternions, sample_tree
from fxs_hpc.emc.orientation_search import Rule, search
from fxs_hpc.files.emc import quaternions as quaternion_file
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc import inputs, orient_peak
from fxs_hpc.stages.emc.context import Context

ROTATIONS = 1_000_000
"""At most so many are tried; the time is scaled to all."""


def unpacked(source: Path, home: Path) -> None:
    """What orient-peak reads, from the reference run."""
    for name in ("make-background/lists.tar.xz", "Data/run1/outlier.tar.xz"):
        with tarfile.open(source / name) as archive:
            archive.extractall(home, filter="data")
    for path in (home / "make-background").glob("*list.dat"):
        path.write_text(path.read_text().replace("@WORK@", str(home)))
    (home / "make-detector").mkdir()
    for name in ("make-detector/rec-vectors.bin", "make-detector/rec2pix-map.bin"):
        (home / name).write_bytes(lzma.decompress((source / f"{name}.xz").read_bytes()))
    (home / "config.ini").write_text((source / "config.ini").read_text().replace("@WORK@", str(home)))
    (home / "aux").mkdir()
    (home / "aux/basis-vec.dat").write_bytes((source / "aux/basis-vec.dat").read_bytes())


def context(home: Path, num_div: int) -> Context:
    """A run with another sampling."""
    run = ini.with_emc_keys(ini.load(home / "config.ini"), {"quat_file": f"aux/c-quaternion{num_div}.bin"})
    return Context(EmcConfig(run), Alone(), 1, lambda line: None, "")


@numba.njit(nogil=True, error_model="numpy")
def exhaustive(matrices, peaks, to_hkl, reciprocal, tolerance, inner, outer, least):  # type: ignore[no-untyped-def]
    """Number of candidates, by trying all rotations float64[N, 3, 3]."""
    count = 0
    seen = np.empty((least + 1, 3))
    h, g, x = np.empty(3), np.empty(3), np.empty(3)
    for r in range(matrices.shape[0]):
        different = 0
        for p in range(peaks.shape[0]):
            for k in range(3):
                x[k] = matrices[r, k, 0] * peaks[p, 0] + matrices[r, k, 1] * peaks[p, 1] + matrices[r, k, 2] * peaks[p, 2]
            for k in range(3):
                h[k] = np.rint(to_hkl[k, 0] * x[0] + to_hkl[k, 1] * x[1] + to_hkl[k, 2] * x[2])
            distance = square = 0.0
            for k in range(3):
                g[k] = reciprocal[k, 0] * h[0] + reciprocal[k, 1] * h[1] + reciprocal[k, 2] * h[2]
                distance += (x[k] - g[k]) ** 2
                square += g[k] ** 2
            if distance > tolerance or square < inner or square > outer:
                continue
            known = False
            for s in range(different):
                known = known or (seen[s, 0] == h[0] and seen[s, 1] == h[1] and seen[s, 2] == h[2])
            if not known:
                seen[different] = h
                different += 1
                if different == least:
                    count += 1
                    break
    return count


def exhaustive_time(frames: list[np.ndarray], rule: Rule, matrices: np.ndarray) -> tuple[float, int]:
    """CPU seconds and candidates."""
    lattice = rule.grid.lattice
    start, count = time.process_time(), 0
    for peaks in frames:
        limits = rule.grid.tolerance**2, rule.inner**2, rule.outer**2, rule.least
        count += exhaustive(matrices, peaks, np.ascontiguousarray(lattice.basis.T), lattice.reciprocal, *limits)
    return time.process_time() - start, count


def search_time(frames: list[np.ndarray], find: orient_peak.FrameSearch) -> tuple[float, int]:
    """CPU seconds and candidates."""
    start = time.process_time()
    count = sum(len(found.rotation) for found in search(frames, find.rule, find.points, find.samples, find.tree))
    return time.process_time() - start, count


def measure(home: Path, num_div: int, every: int) -> None:
    """Print one line."""
    path = home / f"aux/c-quaternion{num_div}.bin"
    quaternion_file.write(path, quaternions.sample_count(num_div), quaternions.blocks(num_div))
    here = context(home, num_div)
    find = orient_peak.frame_search(here)
    frames = [find.peaks_of(name) for name in inputs.lists(here).peak]
    frames = [peaks for peaks in frames if find.keys.min_num_peak <= len(peaks) <= find.keys.max_num_peak]
    some, part = frames[::every], -(-len(find.samples) // ROTATIONS)
    trying, expected = exhaustive_time(some, find.rule, quaternions.rotation_matrices(np.array(find.samples[::part, :4])))
    first, found = search_time(some, find)
    assert part > 1 or found == expected, f"{found} candidates, expected {expected}"
    searching, candidates = search_time(frames, find)
    memory = sample_tree.memory(len(find.samples)) / 1e6
    start = time.process_time()
    sample_tree.fill(find.tree, find.samples)
    growing = time.process_time() - start
    del find
    start = time.process_time()
    orient_peak.run(here)
    whole = time.process_time() - start
    estimate = trying * part * sum(map(len, frames)) / sum(map(len, some))
    print(
        f"{num_div:7d} {quaternions.sample_count(num_div):10d} {growing:9.2f} {searching:9.2f} {whole:9.2f} {estimate:13.1f} "
        f"{candidates:11d} {memory:8.0f} {trying * part / first:9.0f}",
        flush=True,
    )


def main() -> None:
    """Measure each sampling."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-div", type=int, nargs="+", default=[17, 34, 70])
    parser.add_argument("--exhaustive", type=int, default=12)
    parser.add_argument("--reference", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        unpacked(arguments.reference / "emc", home)
        with contextlib.redirect_stdout(io.StringIO()):
            measure(home, 3, arguments.exhaustive)
        print("num_div  rotations    tree s  search s   stage s  exhaustive s  candidates  tree MB  times as fast")
        for num_div in arguments.num_div:
            measure(home, num_div, arguments.exhaustive)


if __name__ == "__main__":
    main()
