"""Small phasing problems in the plane: grids, a made-up particle, its invariants, and a start some way off."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plane_oracle import PlaneOracle, PlaneState

from fxs_hpc.engine.interface import Constraints, PlaneGeometry, Precision
from fxs_hpc.engine.plane_engine import PlaneEngine
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid

USED_ORDER = 6
AMPLITUDE_ORDER = 8


def unconstrained(geometry: PlaneGeometry) -> Constraints:
    """No data at all: the modulus constraint changes nothing."""
    return Constraints(ReciprocalConstraint({}, None, {}, geometry.radial.q))


def points(geometry: PlaneGeometry) -> NDArray[np.float64]:
    """Cartesian coordinates (N, n_phi, 2)."""
    return geometry.radial.r[:, None, None] * geometry.angular.directions()


def blobs(geometry: PlaneGeometry) -> NDArray[np.float64]:
    """Three Gaussians, without symmetry."""
    radius = geometry.radial.r_max / 3
    centres = radius * np.array([[0.5, 0.1], [-0.4, 0.3], [0.1, -0.5]])
    place = points(geometry)
    return sum((1 + i) * np.exp(-((place - centre) ** 2).sum(axis=-1) / (2 * (0.3 * radius) ** 2)) for i, centre in enumerate(centres))


def invariants(geometry: PlaneGeometry, density: NDArray, convention: str, odd: bool, fixed: int = 2) -> ReciprocalConstraint:
    """V_n of |FT density|^2 up to `USED_ORDER`, times arbitrary phases; odd orders are asked to vanish unless `odd`.

    Two rings count as not measured.
    """
    oracle = PlaneOracle(geometry, replace(unconstrained(geometry), r_max_convention=convention))
    intensity = np.abs(oracle.forward(density)) ** 2
    n_rings = geometry.radial.n_points
    known = np.ones(n_rings, bool)
    known[[0, n_rings // 2]] = False
    matrices = {n: (oracle.analyse(intensity, n) * np.exp(0.7j * n) * (n % 2 == 0 or odd))[:, None] for n in range(1, USED_ORDER + 1)}
    average = oracle.analyse(intensity, 0).real
    return ReciprocalConstraint(matrices, average, dict.fromkeys(range(USED_ORDER + 1), known), geometry.radial.q, fixed)


@dataclass(frozen=True)
class PlaneProblem:
    """Constraints with a start."""

    geometry: PlaneGeometry
    constraints: Constraints
    density: NDArray
    support: NDArray[np.bool_]
    initial_support: NDArray[np.bool_]

    def engine(self, precision: Precision = "double") -> PlaneEngine:
        """Loaded with the start."""
        engine = PlaneEngine(self.geometry, self.constraints, precision)
        engine.load(self.density, self.support, self.initial_support)
        return engine

    def oracle(self) -> tuple[PlaneOracle, PlaneState]:
        """Loaded with the start."""
        return PlaneOracle(self.geometry, self.constraints), PlaneState(self.density, self.support, self.initial_support)


def plane_problem(
    n_rings: int = 20, n_phi: int = 28, complex_density: bool = False, odd: bool = False, fixed: int = 2, **rules: Any
) -> PlaneProblem:
    """Start: the particle with noise, within a lopsided support. `rules` are fields of `Constraints`."""
    geometry = PlaneGeometry(RadialGrid(n_rings, 0.1, dimensions=2), CircleGrid(n_phi), AMPLITUDE_ORDER, complex_density)
    truth = blobs(geometry)
    rng = np.random.default_rng(n_rings)
    density = truth + 0.5 * rng.normal(size=truth.shape)
    if complex_density:
        truth = truth * (1 + 0.2j * np.cos(geometry.angular.phi))
        density = density + 0.3j * rng.normal(size=truth.shape)
    place = points(geometry)
    limit = 0.55 * geometry.radial.r_max
    initial = np.linalg.norm(place, axis=-1) < limit
    support = initial & (np.linalg.norm(place - [0.2 * limit, 0.1 * limit], axis=-1) < 0.9 * limit)
    data = invariants(geometry, truth, str(rules.get("r_max_convention", "exact")), odd, fixed)
    return PlaneProblem(geometry, replace(Constraints(data), **rules), density * initial, support, initial)


def distance(found: NDArray, expected: NDArray) -> float:
    """Relative, by the Euclidean norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
