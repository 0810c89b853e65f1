"""The number of particles comes out of the invariants of mixtures in the plane: five discs, phased from random starts."""

import numpy as np
import pytest
import scipy.special

from fxs_hpc.engine.interface import Constraints, PlaneGeometry
from fxs_hpc.engine.plane_engine import PlaneEngine
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.fluctuation import density_guess, phasing, schedule
from fxs_hpc.fluctuation.particle_number import ParticleSearch, spaced
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid

ORDER = 40
PLACES = np.array([(110.0, 0.0), (-80.0, 0.0), (0.0, 100.0), (30.0, -90.0), (-60.0, -110.0)])
RADIUS = 50.0
GEOMETRY = PlaneGeometry(RadialGrid(64, 0.2, 2.0, dimensions=2), CircleGrid(128), ORDER)


def mixture(n_particles: float) -> Constraints:
    """Patterns that show n particles: B_n grows as n, <I> as n."""
    q, directions = GEOMETRY.radial.q, GEOMETRY.angular.directions()
    waves = np.exp(-1j * q[:, None, None] * (directions @ PLACES.T)) @ (1 + 0.3 * np.arange(len(PLACES)))
    disc = RADIUS * scipy.special.j1(q * RADIUS) / q
    coefficients = np.fft.fft(np.abs(disc[:, None] * waves) ** 2, axis=1) / GEOMETRY.angular.n_phi
    matrices = {n: np.sqrt(n_particles) * coefficients[:, n : n + 1] for n in range(2, ORDER + 1, 2)}
    known = dict.fromkeys(range(ORDER + 1), np.ones(len(q), bool))
    return Constraints(ReciprocalConstraint(matrices, n_particles * coefficients[:, 0].real, known, q, 2), lower=0.0)


def phased(n_particles: float, seed: int) -> phasing.Progress:
    constraints = mixture(n_particles)
    engine = PlaneEngine(GEOMETRY, constraints, "double")
    radial, shape = GEOMETRY.radial, GEOMETRY.shape
    support = np.broadcast_to(radial.r[:, None] < 200, shape)
    start = support * density_guess.random_factor(shape, 2, seed, 0)
    areas = radial.r_weights[:, None] * 2 * np.pi / shape[1]
    total = 2 * np.pi * radial.q_weights @ constraints.reciprocal.spherical_average / 4
    engine.load(start * np.sqrt(total / np.sum(start**2 * areas)), support, support)
    engine.band_limit()
    methods = [schedule.Method("HIO", 40), schedule.Method("SW", 1), schedule.Method("ER", 20, counts_particles=True)]
    feedback = frozenset({"support", "value_threshold"})
    main = schedule.Block("main", methods, 10, lambda s: 0.5, lambda s: 0.9, lambda c: max(25 - 2 * c, 15.0), lambda c: 0.09, feedback)
    progress = phasing.Progress()
    rules = phasing.Rules(radial.q, particles=ParticleSearch(1.0, spaced(1, 20, 20)))
    list(phasing.run(engine, schedule.schedule([main]), rules, progress))
    return progress


@pytest.mark.parametrize("n_particles", [1, 3, 10])
def test_number_of_particles_of_mixtures(n_particles):
    """Of three starts, the one of least error: within 5 %. (A start that failed has been seen at 4 instead of 10.)"""
    best = min((phased(n_particles, seed) for seed in range(3)), key=lambda progress: progress.last_error)
    assert best.particles["estimated"][-1] == pytest.approx(n_particles, rel=0.05)
    assert best.last_error < 1e-5
