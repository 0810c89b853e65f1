"""Small phasing problems: grids, a made-up particle, its invariants, and a start some way off."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oracle import Harmonics, Oracle, State

from fxs_hpc.engine.interface import Constraints, Geometry, Precision
from fxs_hpc.engine.numpy_engine import NumpyEngine
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid

GRID_32 = (AngularGrid(16, 32), 11)
GRID_24 = (AngularGrid(12, 24), 9)
USED_ORDER = 6


def unconstrained(geometry: Geometry) -> Constraints:
    """No data at all: the modulus constraint changes nothing."""
    return Constraints(ReciprocalConstraint({}, None, {}, geometry.radial.q))


def points(geometry: Geometry) -> NDArray[np.float64]:
    """Cartesian coordinates (N, n_theta, n_phi, 3) of the voxels."""
    return geometry.radial.r[:, None, None, None] * geometry.angular.directions()


def blobs(geometry: Geometry) -> NDArray[np.float64]:
    """Three Gaussians, without symmetry."""
    radius = geometry.radial.r_max / 3
    centres = radius * np.array([[0.5, 0.1, 0.2], [-0.4, 0.3, -0.1], [0.1, -0.5, 0.4]])
    place = points(geometry)
    return sum((1 + i) * np.exp(-((place - centre) ** 2).sum(axis=-1) / (2 * (0.3 * radius) ** 2)) for i, centre in enumerate(centres))


def real_rows(coefficients: NDArray, harmonics: Harmonics, l: int) -> NDArray[np.float64]:
    """I_lm -> (N, 2l+1) real numbers I_l0, sqrt2 Re I_lm, sqrt2 Im I_lm."""
    block = coefficients[:, harmonics.of(l)]
    positive = np.sqrt(2) * block[:, l + 1 :]
    return np.hstack([block[:, l : l + 1].real, positive.real, positive.imag])


def invariants(geometry: Geometry, density: NDArray, convention: str, odd: bool) -> ReciprocalConstraint:
    """V_l of |FT density|^2 up to `USED_ORDER`; odd orders are asked to vanish unless `odd`. Two shells count as not measured."""
    oracle = Oracle(geometry, replace(unconstrained(geometry), r_max_convention=convention))
    harmonics = oracle.harmonics
    coefficients = harmonics.analyse(np.abs(oracle.forward(density)) ** 2)
    n = geometry.radial.n_points
    matrices = {l: real_rows(coefficients, harmonics, l) if l % 2 == 0 or odd else np.zeros((n, 0)) for l in range(1, USED_ORDER + 1)}
    known = np.ones(n, bool)
    known[[0, n // 2]] = False
    return ReciprocalConstraint(matrices, coefficients[:, 0].real, dict.fromkeys(range(USED_ORDER + 1), known), geometry.radial.q)


@dataclass(frozen=True)
class Problem:
    """Constraints with a start."""

    geometry: Geometry
    constraints: Constraints
    density: NDArray
    support: NDArray[np.bool_]
    initial_support: NDArray[np.bool_]

    def engine(self, precision: Precision = "double") -> NumpyEngine:
        """Loaded with the start."""
        engine = NumpyEngine(self.geometry, self.constraints, precision)
        engine.load(self.density, self.support, self.initial_support)
        return engine

    def oracle(self) -> tuple[Oracle, State]:
        """Loaded with the start."""
        return Oracle(self.geometry, self.constraints), State(self.density, self.support, self.initial_support)


def problem(
    n_shells: int = 20, grid: tuple[AngularGrid, int] = GRID_32, complex_density: bool = False, extent: float = 0.55, **rules: Any
) -> Problem:
    """Start: the particle with noise, within a lopsided support of `extent` (of R). `rules` are fields of `Constraints`."""
    geometry = Geometry(RadialGrid(n_shells, 0.1), *grid, complex_density)
    truth = blobs(geometry)
    rng = np.random.default_rng(n_shells)
    density = truth + 0.5 * rng.normal(size=truth.shape)
    if complex_density:
        truth = truth * (1 + 0.2j * np.cos(geometry.angular.phi))
        density = density + 0.3j * rng.normal(size=truth.shape)
    place = points(geometry)
    limit = extent * geometry.radial.r_max
    initial = np.linalg.norm(place, axis=-1) < limit
    support = initial & (np.linalg.norm(place - [0.2 * limit, 0, 0.1 * limit], axis=-1) < 0.9 * limit)
    convention = str(rules.get("r_max_convention", "exact"))
    data = invariants(geometry, truth, convention, complex_density)
    return Problem(geometry, replace(Constraints(data), **rules), density * initial, support, initial)


def distance(found: NDArray, expected: NDArray) -> float:
    """Relative, by the Euclidean norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
