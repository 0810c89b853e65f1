"""How many shots do I need? Quality of the invariants over the number of patterns, for given photons in a pattern.

    python benchmarks/beam_time.py [--settings demo] [--photons 1e3 1e4 1e5] [--shots 250 1000 4000] [--particles 1] [--threads 2]

Settings in space (demo) or in the plane (2d_tutorial) will do. Patterns of `simulate_patterns SETTINGS` are correlated by
`correlate SETTINGS` and solved by `extract SETTINGS`; what comes out of the first n of them is compared with the exact invariants. To
plan an experiment of your own put settings of one name for the three commands into a working directory (`fxs-hpc init DIR`) and name
both here.

r(q): correlation of B_l(q, q') with the exact ones over l = 2, 4 .. and those q' near q that share no pixel with it.
l: up to which all orders have a correlation above 1/2 over all pairs that share no pixel.
resolution: 2 pi / q, q up to which r is above 1/2 and which the orders reach, q = l / radius of the object.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from scipy.interpolate import RectBivariateSpline

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import load
from fxs_hpc.files.ccd import read_any_model
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.files.simulated_patterns import read_truth
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.stages.fxs import correlate, extract, simulate_patterns
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

NEIGHBOURS = 3
"""Rings nearer than this share pixels: what photons do to their correlation is no signal."""
REACH = 8
"""Rings that count as near."""
LIMIT = 0.5
PICTURES = [f"IO.files.invariants.options.plot_first_invariants{which}" for which in ("", "_from_proj_matrices")]
HEAD = ("photons per particle", "patterns", "resolution [A]", "orders to l", "r of l = 2", "4", "8", "16", "24")
"""Columns of the table."""


def prepared(command: str, name: str, home: Path, threads: int, changes: dict) -> tuple:
    """Settings and surroundings of a command."""
    settings = load(command, name, home, changes).model
    workspace = Workspace.of(home, settings)
    return settings, Context(workspace, RunConfig(home), threads, "double", False, home / name, lambda line: None, "benchmark")


def exact_rows(truth: CrossCorrelation, q: np.ndarray, orders: range) -> np.ndarray:
    """Exact B_l or B_n (orders, n, n) at radii q."""

    def at_q(values: np.ndarray) -> np.ndarray:
        return RectBivariateSpline(truth.q, truth.q, values)(q, q)

    matrices = [truth.invariants[order] for order in orders]
    return np.stack([at_q(b.real) + 1j * at_q(b.imag) if np.iscomplexobj(b) else at_q(b) for b in matrices])


def correlations(found: np.ndarray, exact: np.ndarray, apart: np.ndarray, axis: tuple[int, ...]) -> np.ndarray:
    """Correlation of two sets of B_l over the given axes, pairs of rings that are apart."""
    a, b = found * apart, exact * apart
    return (a * b.conj()).real.sum(axis=axis) / np.sqrt((np.abs(a) ** 2).sum(axis=axis) * (np.abs(b) ** 2).sum(axis=axis))


def quality(data: InvariantData, truth: CrossCorrelation, radius: float) -> tuple[float, int, dict[int, float]]:
    """Resolution in A, highest order, correlation of some orders."""
    orders = range(2, min(data.max_order, len(truth.invariants) - 1) + 1, 2)
    exact, found = exact_rows(truth, data.q, orders), np.asarray(data.invariants)[list(orders)]
    index = np.arange(len(data.q))
    distance = np.abs(np.subtract.outer(index, index))
    apart = distance > NEIGHBOURS
    rows = correlations(found, exact, apart & (distance <= REACH), (0, 2))
    shells = correlations(found * np.multiply.outer(data.q, data.q), exact * np.multiply.outer(data.q, data.q), apart, (1, 2))
    good_to = data.q[np.argmax(rows < LIMIT)] if (rows < LIMIT).any() else data.q[-1]
    wrong = [order for order, value in zip(orders, shells, strict=True) if value < LIMIT]
    highest = wrong[0] - 2 if wrong else orders[-1]
    return 2 * np.pi / min(good_to, highest / radius), highest, dict(zip(orders, shells, strict=True))


def measured(name: str, home: Path, threads: int, shots: int) -> InvariantData:
    """Invariants of the first patterns."""
    quiet = {"max_n_patterns": shots, "IO.files.ccd.options.save_pictures": False}
    settings, context = prepared("correlate", name, home, threads, quiet)
    correlate.run(settings, context)
    settings, context = prepared("extract", name, home, threads, dict.fromkeys(PICTURES, False))
    return read_proj_data(extract.run(settings, context) / "proj_data.h5")


def main() -> None:
    """Parse the command line, simulate, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", default="demo")
    parser.add_argument("--home", type=Path, help="working directory with settings of that name, kept; else a temporary one")
    parser.add_argument("--photons", type=float, nargs="+", default=[1e3, 1e4, 1e5], help="per particle")
    parser.add_argument("--shots", type=int, nargs="+", default=[250, 1000, 4000])
    parser.add_argument("--particles", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp())
    print(f"{given.settings}, {given.particles} particles a pattern")
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|")
    try:
        for photons in given.photons:
            changes = {"photons_per_particle": photons, "n_patterns": max(given.shots), "n_particles": given.particles}
            settings, context = prepared("simulate_patterns", given.settings, home, given.threads, changes)
            path = simulate_patterns.run(settings, context) / "truth.h5"
            truth, model = read_truth(path), read_any_model(path)
            radius = float(model.r[model.density.reshape(len(model.r), -1).any(axis=1)].max())
            for shots in sorted(given.shots):
                resolution, highest, shells = quality(measured(given.settings, home, given.threads, shots), truth, radius)
                shown = " | ".join(f"{shells[order]:.3f}" for order in (2, 4, 8, 16, 24) if order in shells)
                print(f"| {photons:.0e} | {shots} | {resolution:.0f} | {highest} | {shown} |", flush=True)
    finally:
        if given.home is None:
            shutil.rmtree(home)


if __name__ == "__main__":
    main()
