"""data.h5 files made up from known objects, in space and in the plane, and the stage `average` on them."""

from pathlib import Path

import h5py
import numpy as np
from scipy.spatial.transform import Rotation

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import build
from fxs_hpc.fluctuation import plane_shapes, shapes
from fxs_hpc.fluctuation.alignment import moved
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.plane_alignment import DiscFields
from fxs_hpc.fluctuation.so3 import euler_angles
from fxs_hpc.fluctuation.true_object import truth_of_shapes
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid
from fxs_hpc.stages.fxs import average
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

CENTRES = [(0.0, 0, 0), (30.0, np.pi / 2, 0), (32.0, 1.0, 2.0), (28.0, 2.2, 4.0)]
SOLIDS = shapes.build(["sphere"] * 4, CENTRES, [12, 14, 10, 12], [30, 50, 40, 20], [False] * 4, 0)
FLAT_CENTRES = [(0.0, 0), (30.0, 0.5), (32.0, 2.4)]
FIGURES = plane_shapes.build(["disc", "square", "triangle"], FLAT_CENTRES, [12, 10, 16], [30, 50, 40], [False] * 3, 0)
ORDER = 12
FOLDER = "data/fxs/reconstructions/3d_case/1_1_2030/run_0"
FLAT_FOLDER = "data/fxs/reconstructions/2d_case/1_1_2030/run_0"
SHAPE = (28, 20, 40)
FLAT_SHAPE = (28, 40)


def ball():
    return BallTransform(RadialGrid(SHAPE[0], 0.45), AngularGrid(*SHAPE[1:]), ORDER)


def disc():
    return DiscFields(RadialGrid(FLAT_SHAPE[0], 0.45, dimensions=2), CircleGrid(FLAT_SHAPE[1]), ORDER)


def random_angles(space, seed):
    if space.dimensions == 3:
        return euler_angles(Rotation.random(random_state=seed))
    return np.random.default_rng(seed).uniform(-np.pi, np.pi, 1)


def write_data(path: Path, seeds, errors, dtype=np.float64, complex_density=False, space=None) -> None:
    """Band-limited copies of the objects in random poses; in space every other one of the other hand."""
    space = space or ball()
    truth = truth_of_shapes(SOLIDS if space.dimensions == 3 else FIGURES, space).band_limited
    radial, angular = space.radial, space.angular
    angles = (angular.theta, angular.phi) if space.dimensions == 3 else (angular.phi,)
    shape = (radial.n_points, *space.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, radii in (("real_grid", radial.r), ("reciprocal_grid", radial.q)):
            file[f"configuration/internal_grid/{name}"] = np.stack(np.meshgrid(radii, *angles, indexing="ij"), axis=-1)
        file["configuration/reciprocity_coefficient"] = radial.reciprocity
        file["configuration/xray_wavelength"] = 1.2
        for order in range(ORDER + 1):
            file[f"projection_matrices/{order}"] = np.full((radial.n_points, 2)[: space.dimensions - 1], float(order))
        for key, (seed, error) in enumerate(zip(seeds, errors)):
            coef = space.rotated(truth, random_angles(space, seed))
            coef = space.inverted(coef) if seed % 2 else coef
            coef = moved(space, coef, np.random.default_rng(seed).uniform(-3, 3, space.dimensions))
            density = np.moveaxis(space.synthesise(coef)[0], -1, 0).astype(dtype)
            amplitude = np.moveaxis(space.amplitude_of(space.synthesise(space.amplitude(coef))), -1, 0)
            group = file.create_group(f"reconstruction_results/{key}")
            group["last_real_density"] = density + 0j if complex_density else density
            group["last_reciprocal_density"] = amplitude.astype(np.result_type(dtype, np.complex64))
            inside = (radial.r < 60).reshape(-1, *[1] * len(space.shape))
            group["support_mask"] = np.broadcast_to(inside, shape)
            group["error_dict/main"] = [0.1, error]
            group["error_dict/real/l2_projection_diff"] = [0.2, 2 * error]


def write_model(home: Path) -> None:
    r, theta, phi = np.linspace(0.2, 60, 200), np.linspace(0.02, np.pi - 0.02, 90), 2 * np.pi * np.arange(180) / 180
    np.savez(home / "model.npz", density=shapes.density_on(SOLIDS, r, theta, phi), r=r, theta=theta, phi=phi)


def context(home: Path, settings, said: list, precision="double", threads=2) -> Context:
    return Context(Workspace.of(home, settings), RunConfig(home), threads, precision, False, home / "a.yaml", said.append, "average case")


def run(home: Path, precision="double", **changes):
    """Run the stage; returns result folder and what was said."""
    tree = {
        "structure_name": "case",
        "reconstruction_files": ["3d_case/1_1_2030/run_0/data.h5"],
        "find_rotation": {"r_limit_ids": list(range(2, 14))},
        **changes,
    }
    settings, _ = build("average", tree)
    said: list[str] = []
    return average.run(settings, context(home, settings, said, precision)), "\n".join(said)


def run_flat(home: Path, **changes):
    """`run` on the file of the plane."""
    return run(home, reconstruction_files=["2d_case/1_1_2030/run_0/data.h5"], **changes)


def options(**names):
    """IO section with these options of average_results."""
    return {"files": {"average_results": {"options": names}}}
