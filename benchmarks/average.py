"""Time of `average`: 20 reconstructions of tutorial size (N = 128, angular grid 108 x 216), made up from the true object.

    python benchmarks/average.py [--count 20] [--n 128] [--order 74] [--q-max 0.322416] [--kind tetrahedron] [--threads 2] [--keep DIR]

Each made-up reconstruction is the band-limited object in a random pose and hand, with noise that grows with q and a few hot voxels.
Prints the time per alignment and of the whole stage, and the largest memory used.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from scipy.spatial.transform import Rotation

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import build
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.alignment import align, moved, prepare, shell_weights
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.so3 import euler_angles
from fxs_hpc.fluctuation.true_object import truth_of_shapes
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid
from fxs_hpc.harmonics.wigner import rotate
from fxs_hpc.stages.fxs import average
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace


def six(kind: str) -> tuple[shapes.Shape, ...]:
    """The six shapes of the tutorial."""
    centers = [(0.0, 0.0, 0.0)] + [(140.0, np.pi / 2, k * 2 * np.pi / 5) for k in range(5)]
    return shapes.build([kind] * 6, centers, [70] * 6, [25, 50, 25, 50, 25, 50], [True] * 6, 0)


def made_up(ball: BallTransform, truth: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Density (n_theta, n_phi, N) and amplitude of one made-up reconstruction."""
    rng = np.random.default_rng(seed)
    coef = rotate(truth, euler_angles(Rotation.random(random_state=seed)))
    coef = ball.inverted(coef) if seed % 2 else coef
    amplitude = ball.amplitude(moved(ball, coef, rng.normal(size=3) * 10))
    level = 0.6 * np.linspace(0, 1, ball.radial.n_points) ** 2 * np.sqrt((amplitude**2).mean(axis=(0, 1, 2)))
    amplitude = amplitude + level * rng.normal(size=amplitude.shape) * (amplitude != 0)
    density = ball.synthesise(ball.density(amplitude))[0]
    hot = tuple(rng.integers(0, size, 5) for size in (*density.shape[:2], 4))
    density[hot] += 100
    return density, ball.amplitude_of(ball.synthesise(amplitude))


def write_data(path: Path, ball: BallTransform, truth: np.ndarray, count: int, used_order: int) -> None:
    """A data.h5 with `count` made-up reconstructions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    angular, radial = ball.angular, ball.radial
    with h5py.File(path, "w") as file:
        for name, radii in (("real_grid", radial.r), ("reciprocal_grid", radial.q)):
            grid = np.stack(np.meshgrid(radii, angular.theta, angular.phi, indexing="ij"), axis=-1)
            file[f"configuration/internal_grid/{name}"] = grid
        file["configuration/reciprocity_coefficient"] = radial.reciprocity
        file["configuration/xray_wavelength"] = 1.23984
        for order in range(used_order + 1):
            file[f"projection_matrices/{order}"] = np.zeros((radial.n_points, min(radial.n_points, 2 * order + 1)))
        support = np.broadcast_to(radial.r < 250, (angular.n_theta, angular.n_phi, radial.n_points))
        for key in range(count):
            density, amplitude = made_up(ball, truth, key)
            group = file.create_group(f"reconstruction_results/{key}")
            names = ("last_real_density", "last_reciprocal_density", "support_mask")
            for name, field in zip(names, (density.astype("f4"), amplitude.astype("c8"), support)):
                group[name] = np.ascontiguousarray(np.moveaxis(field, -1, 0))
            group["error_dict/main"] = np.array([1e-2, 1e-5 * (1 + 0.1 * key)])


def stage(home: Path, threads: int, source: str, model: str | bool) -> float:
    """Run the stage; returns seconds."""
    shells = {"r_limit_ids": list(range(20, 80, 2))}
    tree = {"structure_name": "benchmark", "reconstruction_files": [source], "model": model, "find_rotation": shells}
    settings, _ = build("average", tree)
    context = Context(Workspace.of(home, settings), RunConfig(home), threads, "single", False, home / "average.yaml", print, "benchmark")
    start = time.perf_counter()
    folder = average.run(settings, context)
    seconds = time.perf_counter() - start
    print(f"  results in {folder}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--count", 20), ("--n", 128), ("--order", 74), ("--threads", 2), ("--q-max", 0.322416)):
        parser.add_argument(name, type=type(default), default=default)
    parser.add_argument("--kind", default="tetrahedron", choices=shapes.KINDS)
    parser.add_argument("--keep", type=Path, help="work in this folder and leave the results there")
    given = parser.parse_args()
    angular = AngularGrid.alias_free(given.order, min(given.order, 63))
    ball = BallTransform(RadialGrid(given.n, given.q_max), angular, given.order, dtype=np.float32)
    solids = six(given.kind)
    truth = truth_of_shapes(solids, ball).band_limited
    with tempfile.TemporaryDirectory() as temporary:
        home = given.keep or Path(temporary)
        source = home / "data/fxs/reconstructions/3d_benchmark/1_1_2000/run_0/data.h5"
        write_data(source, ball, truth, given.count, min(given.order, 63))
        grid = (ball.radial.r, angular.theta, angular.phi)
        np.savez(home / "model.npz", density=shapes.density_on(solids, *grid), r=grid[0], theta=grid[1], phi=grid[2])
        first, second = (prepare(ball, *made_up(ball, truth, seed)) for seed in (0, 1))
        weights = shell_weights(ball.radial.r_weights, range(20 * given.n // 128, 80 * given.n // 128, 2))
        start = time.perf_counter()
        aligned = align(ball, first, second, weights)
        print(f"  one alignment, both hands, with shift: {1e3 * (time.perf_counter() - start):.0f} ms, error {aligned.error:.3g}")
        seconds = stage(home, given.threads, "3d_benchmark/1_1_2000/run_0/data.h5", "model.npz")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    size = f"N = {given.n}, {angular.n_theta} x {angular.n_phi}"
    print(f"  average of {given.count}, {size}: {seconds:.1f} s on {given.threads} threads, {memory:.2f} GB")


if __name__ == "__main__":
    main()
