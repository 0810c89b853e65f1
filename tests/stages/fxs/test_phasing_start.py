"""Starts of reconstructions: envelopes, their norm, the random factor, initial supports."""

import numpy as np
import particle
import pytest
import scipy.special

from fxs_hpc.errors import SettingsError


@pytest.fixture(scope="module")
def data():
    return particle.invariants()


def radii(problem):
    return problem.geometry.radial.r[:, None, None]


def norm(problem, density):
    weights = problem.geometry.angular.solid_angle * problem.geometry.radial.r_weights[:, None, None]
    return np.sum(density**2 * weights)


def test_bump_guess(problem_of):
    problem = problem_of(density_guess={"type": "bump", "bump": {"slope": 0.4}, "random": {"SNR": 4}})
    start, r = problem.start(0), radii(problem)
    envelope = np.where(r < 60, np.exp(-0.4 * 60**2 / np.where(r < 60, 60**2 - r**2, 1)), 0)
    factor = np.divide(start, envelope, out=np.zeros_like(start), where=envelope > 1e-12)[:5]
    factor /= factor.min()
    assert not start[6:].any() and 1.2 < factor.max() <= 1.25 + 1e-3


def test_ball_guess_and_radius(problem_of):
    start = problem_of(density_guess={"type": "ball", "radius": 42}).start(3)
    problem = problem_of()
    np.testing.assert_array_equal(start != 0, np.broadcast_to(radii(problem) < 42, start.shape))
    assert problem_of(density_guess={"type": "ball", "radius": -1}).start(0).all()


def test_scale_is_that_of_the_data(problem_of, data):
    """Parseval: int rho^2 = int |F|^2 = 4 pi int <I> q^2 dq, here from the data's own grid."""
    expected = 4 * np.pi * np.trapezoid(data.average_intensity * data.q**2, data.q)
    for changes in ({}, {"density_guess__type": "ball"}, {"density_guess__type": "low_resolution_autocorrelation"}):
        problem = problem_of(**changes)
        assert norm(problem, problem.start(1)) == pytest.approx(expected, rel=0.02)


def test_number_of_particles_scales_the_order_0_alone(problem_of):
    one, nine = (problem_of(projections__reciprocal__number_of_particles__initial=n).constraints.reciprocal for n in (1, 9))
    np.testing.assert_allclose(nine.spherical_average, one.spherical_average / 3)
    np.testing.assert_array_equal(nine.projection_matrices[2], one.projection_matrices[2])


def direct_autocorrelation(problem):
    """Re IFT of the intensity whose unknown matrices are 1, by explicit sums."""
    constraint, radial, angular = problem.constraints.reciprocal, problem.geometry.radial, problem.geometry.angular
    found = np.zeros((radial.n_points, angular.n_theta, angular.n_phi))
    for l, v in ((0, constraint.spherical_average[:, None]), *constraint.projection_matrices.items()):
        bessel = np.sqrt(2 / np.pi) * scipy.special.spherical_jn(l, np.outer(radial.r, radial.q)) * radial.q_weights
        for column in range(v.shape[1]):
            m = (column + 1) // 2
            y = scipy.special.sph_harm_y(l, m, angular.theta[:, None], angular.phi)
            shape = y.real if column == 0 else np.sqrt(2) * (y.real if column % 2 else -y.imag)
            found += ((-1) ** (l // 2) * bessel @ v[:, column])[:, None, None] * shape
    return found


def test_autocorrelation_guess_and_support(problem_of):
    support = {"initial_support": {"type": "auto_correlation", "auto_correlation": {"threshold": 0.2}}}
    guess = {"type": "low_resolution_autocorrelation", "low_resolution_autocorrelation": {"threshold_to_max": 0.3}, "random": {"SNR": 1e9}}
    problem = problem_of(density_guess=guess, projections__real__projections__support=support)
    expected, r = direct_autocorrelation(problem), radii(problem)
    np.testing.assert_array_equal(problem.initial_support, (expected >= 0.2 * expected.max()) & (r <= 60))
    envelope = np.where((expected >= 0.3 * expected.max()) & (r < 60), expected, 0)
    envelope = envelope * np.exp(-0.1 * 60**2 / np.where(r < 60, 60**2 - r**2, 1))
    start = problem.start(0)
    np.testing.assert_allclose(start / start.max(), envelope / envelope.max(), atol=1e-6)


def test_initial_support(problem_of):
    problem = problem_of(projections__real__projections__support={"initial_support": {"max_radius": 33}})
    np.testing.assert_array_equal(problem.initial_support, np.broadcast_to(radii(problem) < 33, problem.initial_support.shape))
    with pytest.raises(SettingsError, match="initial_support.*enlarge"):
        problem_of(projections__real__projections__support={"initial_support": {"max_radius": 1}})
