"""A small phasing task in the plane: five Gaussians, their invariants from formulas, a working directory.

Four of them stand nearly in a square, so that order 4 is the strongest.
"""

from pathlib import Path
from typing import Any

import numpy as np
import particle

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.files.proj_data import write_proj_data
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.stages.fxs import reconstruct
from fxs_hpc.stages.fxs.context import Context

CENTRES = np.array([[27.0, 2.0], [-3.0, 25.0], [-26.0, -4.0], [3.0, -22.0], [14.0, 15.0]])
HEIGHTS = np.array([1.0, 1.4, 0.8, 1.2, 0.5])
WIDTH = 6.0
Q_MAX = 0.25
USED_ORDER = 14
BASE: dict[str, Any] = {
    "dimensions": 2,
    "particle_radius": 60,
    "grid__n_radial_points": 24,
    "grid__max_order": USED_ORDER,
    "grid__amplitude_order": 18,
}


def amplitude(q: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """F (N, n_phi) of the particle; F = (2 pi)^-1 int rho e^{-iq.r}."""
    waves = np.exp(-1j * q[:, None, None] * (directions @ CENTRES.T))
    return WIDTH**2 * np.exp(-((WIDTH * q) ** 2) / 2)[:, None] * (waves @ HEIGHTS)


def density(r: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """rho (N, n_phi)."""
    place = r[:, None, None] * directions
    squares = ((place[:, :, None] - CENTRES) ** 2).sum(axis=-1)
    return np.exp(-squares / (2 * WIDTH**2)) @ HEIGHTS


def directions(n_phi: int) -> np.ndarray:
    """Unit vectors (n_phi, 2)."""
    phi = 2 * np.pi * np.arange(n_phi) / n_phi
    return np.stack([np.cos(phi), np.sin(phi)], axis=-1)


def intensity_rows(q: np.ndarray) -> np.ndarray:
    """I_n(q), (orders, N), of |F|^2."""
    n_phi = 128
    waves = np.exp(-2j * np.pi * np.outer(np.arange(USED_ORDER + 1), np.arange(n_phi)) / n_phi)
    return waves @ (np.abs(amplitude(q, directions(n_phi))) ** 2).T / n_phi


def invariants() -> InvariantData:
    """What extract would find: vectors with arbitrary phases."""
    q = np.linspace(0.003, Q_MAX, 60)
    rows = intensity_rows(q)
    phases = np.exp(1j * np.random.default_rng(1).uniform(0, 6, USED_ORDER + 1))
    vectors = [(row * phase)[:, None] for row, phase in zip(rows, phases, strict=True)]
    limits = np.tile([0, len(q)], (USED_ORDER + 1, 1))
    return InvariantData(2, particle.WAVELENGTH, USED_ORDER, rows[0].real, q, np.linspace(0, 6, 24), vectors, limits)


def make_home(folder: Path) -> Path:
    """A working directory with the particle's invariants."""
    write_proj_data(folder / "data/fxs/invariants/2d_blobs.h5", invariants())
    return folder


def stage(home: Path, **options: Any) -> tuple[Reconstruct, Context]:
    """Settings and surroundings of one run."""
    return particle.stage(home, **{**BASE, **options})


def run(home: Path, **options: Any) -> Path:
    """The stage reconstruct; returns the result folder."""
    return reconstruct.run(*stage(home, **options))
