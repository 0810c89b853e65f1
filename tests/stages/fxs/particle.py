"""A small phasing task: three Gaussians, their invariants from formulas, a working directory, settings for a few seconds of work."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
import yaml

from fxs_hpc.config import ini
from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.config.settings import load
from fxs_hpc.files.proj_data import write_proj_data
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.stages.fxs import reconstruct
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace

CENTRES = np.array([[24.0, 3.0, 9.0], [-18.0, 15.0, -6.0], [3.0, -20.0, 17.0]])
HEIGHTS = np.array([1.0, 1.6, 2.2])
WIDTH = 9.0
Q_MAX = 0.2
USED_ORDER = 6
WAVELENGTH = 1.4

QUIET = {
    "generate_vtk_files": False,
    "plot_error_metrics": False,
    "plot_first_used_invariants": False,
    "plot_reconstructed_deg2_invariants": False,
    "generate_2d_images": False,
}
BASE: dict[str, Any] = {
    "structure_name": "blobs",
    "particle_radius": 60,
    "grid": {"n_radial_points": 16, "max_order": USED_ORDER, "amplitude_order": 10},
    "main_loop": {
        "sub_loops": {
            "order": ["main", "refinement"],
            "main": {"methods": {"HIO": 6, "ER": 4, "SW": 1}, "order": ["HIO", "SW", "ER"], "iterations": 2},
            "refinement": {"methods": {"ER": 4, "SW": 1}, "order": ["SW", "ER"], "iterations": 1},
        }
    },
    "multi_process": {"n_parallel_reconstructions": 2},
    "GPU": {"use": False},
    "IO": {"files": {"reconstructions": {"options": QUIET}, "invariants": {"options": {"plot_first_invariants": False}}}},
}
STEPS = 2 * 10 + 4


def amplitude(q: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """F (N, ...) of the particle at q times the unit vectors (..., 3); F = (2 pi)^(-3/2) int rho e^{-iq.r}."""
    shape = (-1, *[1] * (directions.ndim - 1))
    waves = np.exp(-1j * q.reshape(shape + (1,)) * (directions @ CENTRES.T))
    return WIDTH**3 * np.exp(-((WIDTH * q) ** 2) / 2).reshape(shape) * (waves @ HEIGHTS)


def intensity_rows(q: np.ndarray) -> list[np.ndarray]:
    """Per order (N, 2l+1): I_l0, sqrt2 Re I_lm, sqrt2 Im I_lm of |F|^2."""
    grid = AngularGrid(20, 40)
    weighted = np.abs(amplitude(q, grid.directions())) ** 2 * grid.solid_angle
    rows = []
    for l in range(USED_ORDER + 1):
        y = scipy.special.sph_harm_y(l, np.arange(l + 1)[:, None, None], grid.theta[:, None], grid.phi)
        coefficients = np.einsum("qtp,mtp->qm", weighted, y.conj())
        rows.append(np.hstack([coefficients[:, :1].real, np.sqrt(2) * coefficients[:, 1:].real, np.sqrt(2) * coefficients[:, 1:].imag]))
    return rows


def invariants(scale: float = 1.0) -> InvariantData:
    """What extract would find for the particle."""
    q = np.linspace(0.004, Q_MAX, 40)
    rows = [scale * row for row in intensity_rows(q)]
    average = rows[0][:, 0] / (2 * np.sqrt(np.pi))
    limits = np.tile([0, len(q)], (USED_ORDER + 1, 1))
    return InvariantData(3, WAVELENGTH, USED_ORDER, average, q, np.linspace(0, 6, 24), rows, limits)


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, whose keys may be dotted."""
    tree = deepcopy(base)
    for key, value in changes.items():
        *path, last = key.split(".")
        place = tree
        for name in path:
            place = place.setdefault(name, {})
        place[last] = value
    return tree


def settings_of(home: Path, changes: dict[str, Any], name: str = "blobs") -> tuple[Reconstruct, Path]:
    """Settings file of `BASE` with changes, loaded."""
    path = home / f"{name}.yaml"
    path.write_text(yaml.safe_dump(merged(BASE, changes)))
    return load("reconstruct", str(path), home).model, path


def make_home(folder: Path, data: InvariantData | None = None) -> Path:
    """A working directory with the particle's invariants."""
    write_proj_data(folder / "data/fxs/invariants/3d_blobs.h5", data or invariants())
    return folder


def silent(line: str) -> None:
    """Print nothing."""


def stage(
    home: Path,
    threads: int = 1,
    precision: str = "double",
    resume: bool = False,
    say: Callable[[str], None] = silent,
    **changes: Any,
) -> tuple[Reconstruct, Context]:
    """Settings and surroundings of one run; `changes` are keys with __ for the dots."""
    settings, path = settings_of(home, {key.replace("__", "."): value for key, value in changes.items()})
    workspace = Workspace.of(home, settings, "1_2_2030")
    return settings, Context(workspace, ini.RunConfig(home), threads, precision, resume, path, say, "fxs-hpc fxs reconstruct blobs")


def run(home: Path, **options: Any) -> Path:
    """The stage reconstruct; returns the result folder."""
    return reconstruct.run(*stage(home, **options))
