"""The number of particles comes out of the invariants of mixtures: six spheres, phased from random starts."""

from functools import cache

import numpy as np
import pytest

from fxs_hpc.engine.interface import Constraints, Geometry
from fxs_hpc.engine.numpy_engine import NumpyEngine
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.fluctuation import density_guess, phasing, schedule
from fxs_hpc.fluctuation.error_metrics import rows
from fxs_hpc.fluctuation.particle_number import ParticleSearch, spaced
from fxs_hpc.fluctuation.shapes import Shape, amplitude
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

ORDER, AMPLITUDE_ORDER = 14, 20
PLACES = [(110.0, 0.0, 0.0), (-80.0, 0.0, 0.0), (0.0, 100.0, 20.0), (0.0, -70.0, 0.0), (0.0, 20.0, 90.0), (10.0, 0.0, -100.0)]
GEOMETRY = Geometry(RadialGrid(32, 0.1, 2.0), AngularGrid.alias_free(AMPLITUDE_ORDER, ORDER), AMPLITUDE_ORDER)


@cache
def coefficients() -> np.ndarray:
    """I_lm of one particle, from the amplitudes of spheres."""
    spheres = [Shape("sphere", place, 55.0, 1.0 + 0.3 * number) for number, place in enumerate(PLACES)]
    grid = AngularGrid.alias_free(30, ORDER)
    q = GEOMETRY.radial.q[:, None, None, None] * grid.directions()
    return SphericalTransform(grid, ORDER).analyse(np.moveaxis(np.abs(amplitude(spheres, q)) ** 2, 0, -1))


def mixture(n_particles: float) -> Constraints:
    """Patterns that show n particles: B_l grows as n, <I> as n."""
    known = dict.fromkeys(range(ORDER + 1), np.ones(GEOMETRY.radial.n_points, bool))
    matrices = {l: np.sqrt(n_particles) * rows(coefficients(), l).T for l in range(2, ORDER + 1, 2)}
    return Constraints(ReciprocalConstraint(matrices, n_particles * coefficients()[0, 0, 0], known, GEOMETRY.radial.q), lower=0.0)


def phased(n_particles: float, seed: int) -> phasing.Progress:
    constraints = mixture(n_particles)
    engine = NumpyEngine(GEOMETRY, constraints, "single")
    radial, shape = GEOMETRY.radial, GEOMETRY.shape
    support = np.broadcast_to(radial.r[:, None, None] < 200, shape)
    start = support * density_guess.random_factor(shape, 2, seed, 0)
    volumes = radial.r_weights[:, None, None] * GEOMETRY.angular.solid_angle
    total = 2 * np.sqrt(np.pi) * radial.q_weights @ constraints.reciprocal.spherical_average / 4
    engine.load(start * np.sqrt(total / np.sum(start**2 * volumes)), support, support)
    engine.band_limit()
    methods = [schedule.Method("HIO", 20), schedule.Method("SW", 1), schedule.Method("ER", 15, counts_particles=True)]
    feedback = frozenset({"support", "value_threshold"})
    main = schedule.Block("main", methods, 8, lambda s: 0.5, lambda s: 0.9, lambda c: max(40 - 4 * c, 20.0), lambda c: 0.09, feedback)
    progress = phasing.Progress()
    rules = phasing.Rules(radial.q, particles=ParticleSearch(1.0, spaced(1, 16, 16)))
    list(phasing.run(engine, schedule.schedule([main]), rules, progress))
    return progress


@pytest.mark.parametrize("n_particles", [1, 3, 8])
def test_number_of_particles_of_mixtures(n_particles):
    """Of three starts, the one of least error: within 15 %. (Single starts have been seen 22 % off.)"""
    best = min((phased(n_particles, seed) for seed in range(3)), key=lambda progress: progress.last_error)
    assert best.particles["estimated"][-1] == pytest.approx(n_particles, rel=0.15)
    assert best.particles["assumed"][0] == pytest.approx(16) and best.last_error < 1e-4
