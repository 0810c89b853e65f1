"""What simulated frames show does not depend on who draws it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fxs_hpc.emc.truth import Kind, Population, draw, kinds

NAMES = ("kind", "quaternions", "phi", "background", "width", "mosaicity", "cell")


@given(st.lists(st.integers(0, 49), min_size=1, max_size=8), st.integers(0, 2**32))
def test_a_frame_is_the_same_alone_and_among_others(frames, seed):
    population = Population(50, seed, 0.2, 0.1, 0.1, width_spread=0.2, mosaicity=0.01, mosaicity_spread=0.4, cell_spread=0.01)
    together, everything = draw(population, frames), draw(population, range(50))
    for name in NAMES:
        np.testing.assert_array_equal(getattr(together, name), getattr(everything, name)[frames])


def test_kinds_in_exact_numbers_and_crystals_to_match():
    population = Population(1000, 3, multiple=0.1, junk=0.05, blank=0.07)
    truth = draw(population, range(1000))
    assert [int((truth.kind == kind).sum()) for kind in Kind] == [70, 780, 100, 50]
    np.testing.assert_array_equal((truth.phi > 0).sum(1), np.array([0, 1, 2, 0])[truth.kind])
    assert not np.array_equal(kinds(population), kinds(Population(1000, 4, multiple=0.1, junk=0.05, blank=0.07)))


def test_distributions():
    population = Population(3000, 5, scale_spread=0.5, background_spread=0.2, cell_spread=0.01)
    truth = draw(population, range(3000))
    phi = truth.phi[:, 0]
    assert abs(phi.mean() - 1) < 5 * np.sqrt(np.exp(0.25) - 1) / np.sqrt(3000)
    assert stats.kstest(np.log(phi), "norm", (-0.125, 0.5)).pvalue > 1e-3
    assert stats.kstest(np.log(truth.background), "norm", (-0.02, 0.2)).pvalue > 1e-3
    # A component of a uniform unit quaternion has the density 2/pi sqrt(1 - x^2): that is a Wigner semicircle.
    for component in truth.quaternions[:, 0].T:
        assert stats.kstest(component, stats.semicircular.cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.linalg.norm(truth.quaternions, axis=-1), 1, rtol=1e-14)
    assert stats.kstest((truth.cell.ravel() - 1) / 0.01, "norm").pvalue > 1e-3
