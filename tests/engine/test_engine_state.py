"""What does not depend on the formulas: which shells are computed, how a run goes on, and that the same start gives the same bits."""

import numpy as np
import pytest
from problems import GRID_32, Problem, distance, invariants, points, problem, unconstrained

from fxs_hpc.engine.interface import Constraints, Geometry, Precision, Update
from fxs_hpc.engine.numpy_engine import NumpyEngine
from fxs_hpc.fluctuation.shapes import Shape
from fxs_hpc.harmonics.grids import RadialGrid

SEQUENCE = [Update("HIO", 0.6), Update("ER"), Update("ER"), Update("HIO", 0.6), Update("RAAR", 0.8), Update("ER"), Update("ER")]


def transfer(case: Problem) -> np.ndarray:
    return np.exp(-((30 * case.geometry.radial.q) ** 2))


@pytest.mark.parametrize("complex_density", [False, True])
def test_shells_outside_a_small_support_may_be_left_out(complex_density: bool) -> None:
    case = problem(40, complex_density=complex_density, extent=0.3)
    engine = case.engine()
    oracle, state = case.oracle()
    for number, update in enumerate(SEQUENCE):
        assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=1e-10 * 4**number)
        assert distance(engine.density(), state.density) < 1e-10 * 4**number


def test_shells_left_out_change_nothing_when_all_are_taken() -> None:
    case = problem(40, extent=0.3)
    small, whole = case.engine(), NumpyEngine(case.geometry, case.constraints, "double")
    whole.load(case.density, case.support, np.ones_like(case.support))
    for update in SEQUENCE:
        small.step(update)
        whole.step(update)
        assert distance(small.density(), whole.density()) < 1e-9


def test_a_growing_support_opens_shells_again() -> None:
    case = problem(40, extent=0.3)
    engine = case.engine()
    oracle, state = case.oracle()
    for threshold in (0.3, 1e-4, 0.2, 1e-3):
        for update in (Update("ER"), Update("HIO", 0.5), Update("ER")):
            assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=1e-7)
        engine.shrink_wrap(transfer(case), threshold, False)
        oracle.shrink_wrap(state, transfer(case), threshold, False)
        assert np.array_equal(engine.support(), state.support)
    assert distance(engine.density(), state.density) < 1e-7


def test_a_real_start_stays_real_in_complex_mode() -> None:
    """The invariants of a real particle, without odd orders: the complex engine then makes the same steps."""
    real = problem(lower=0.0)
    both = Problem(Geometry(real.geometry.radial, *GRID_32, True), real.constraints, real.density, real.support, real.initial_support)
    one, two = real.engine(), both.engine()
    for number, update in enumerate(SEQUENCE):
        tolerance = 1e-12 * 10**number
        assert one.step(update) == pytest.approx(two.step(update), rel=tolerance)
        assert distance(two.density(), one.density()) < tolerance
    one.shrink_wrap(transfer(real), 0.1, True)
    two.shrink_wrap(transfer(real), 0.1, True)
    assert np.array_equal(one.support(), two.support())
    assert one.reciprocal_errors() == pytest.approx(two.reciprocal_errors(), rel=1e-5)


@pytest.mark.parametrize("complex_density", [False, True])
def test_a_density_in_agreement_with_the_data_is_a_fixed_point(complex_density: bool) -> None:
    case = problem(complex_density=complex_density)
    engine = case.engine()
    for _ in range(3):
        engine.step(Update("ER"))
    before = engine.density()
    fitting = Constraints(invariants(case.geometry, before, "exact", complex_density), use_support=False)
    for update in (Update("ER"), Update("HIO", 0.5), Update("RAAR", 0.8)):
        again = NumpyEngine(case.geometry, fitting, "double")
        again.load(before, case.support, case.initial_support)
        assert again.step(update) < 1e-24
        assert distance(again.density(), before) < 1e-9
        assert max(again.reciprocal_errors().values()) < 1e-18


def _run(engine: NumpyEngine, case: Problem, updates: list[Update]) -> list[float]:
    errors = []
    for number, update in enumerate(updates):
        errors.append(engine.step(update))
        if number == 1:
            engine.remember()
        if number == 3:
            engine.shrink_wrap(transfer(case), 0.1, True)
    return errors


@pytest.mark.parametrize("precision", ["double", "single"])
def test_the_same_start_gives_the_same_bits(precision: Precision) -> None:
    case = problem(keep_unknown_orders=False)
    one, two = case.engine(precision), case.engine(precision)
    assert _run(one, case, SEQUENCE[:5]) == _run(two, case, SEQUENCE[:5])
    one.load(case.density, case.support, case.initial_support)
    _run(one, case, SEQUENCE[:5])
    assert np.array_equal(one.density(), two.density())


@pytest.mark.parametrize("complex_density", [False, True])
@pytest.mark.parametrize("n_shells", [20, 40])
def test_a_restored_engine_continues_bit_for_bit(n_shells: int, complex_density: bool) -> None:
    case = problem(n_shells, complex_density=complex_density, extent=0.3, stabilised_from=1)
    first = case.engine()
    _run(first, case, SEQUENCE[:5])
    kept = [type(s)(s.density.copy(), s.support.copy(), s.filled_shells) for s in first.snapshots()]
    second = NumpyEngine(case.geometry, case.constraints, "double")
    second.restore(kept, case.initial_support)
    assert _run(first, case, SEQUENCE) == _run(second, case, SEQUENCE)
    for which in ("last", "best"):
        assert np.array_equal(first.density(which), second.density(which))
        assert np.array_equal(first.support(which), second.support(which))


def test_best_density_comes_back() -> None:
    case = problem()
    engine = case.engine()
    engine.step(SEQUENCE[0])
    engine.remember()
    density, support = engine.density(), engine.support()
    engine.band_limit()
    assert not np.array_equal(engine.density(), density)
    for update in SEQUENCE:
        engine.step(update)
        engine.shrink_wrap(transfer(case), 0.2, True)
    assert np.array_equal(engine.density("best"), density)
    assert np.array_equal(engine.support("best"), support)
    assert not np.array_equal(engine.support(), support)
    engine.recall()
    assert np.array_equal(engine.density(), density)
    assert np.array_equal(engine.support(), support)
    again = problem().engine()
    again.step(SEQUENCE[0])
    assert engine.step(SEQUENCE[1]) == again.step(SEQUENCE[1])


def test_size_of_the_support() -> None:
    case = problem()
    weights = case.geometry.radial.r_weights[:, None, None] * case.geometry.angular.solid_angle
    expected = (case.support * weights).sum() / (case.initial_support * weights).sum()
    assert case.engine().support_fraction() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("complex_density", [False, True])
def test_amplitude_of_an_off_centre_gaussian(complex_density: bool) -> None:
    """F = (2 pi)^(-3/2) int rho e^{-iq.r}: sign of the phase, scale and orientation, for a band-limited object to many digits."""
    geometry = Geometry(RadialGrid(32, 0.12), *GRID_32, complex_density)
    width, centre, factor = 40.0, np.array([12.0, -15.0, 10.0]), 1 + 0.5j if complex_density else 1.0
    density = factor * np.exp(-((points(geometry) - centre) ** 2).sum(axis=-1) / (2 * width**2))
    engine = NumpyEngine(geometry, unconstrained(geometry), "double")
    everywhere = np.ones(density.shape, bool)
    engine.load(density, everywhere, everywhere)
    q = geometry.radial.q[:, None, None, None] * geometry.angular.directions()
    expected = factor * width**3 * np.exp(-((width * q) ** 2).sum(axis=-1) / 2 - 1j * q @ centre)
    assert distance(engine.project().amplitude, expected) < 1e-6
    engine.band_limit()
    assert distance(engine.density(), density) < 2e-5  # what lies beyond q_max: exp(-(width q_max)^2 / 2)


def test_amplitude_of_an_off_centre_sphere() -> None:
    geometry = Geometry(RadialGrid(32, 0.12), *GRID_32)
    sphere = Shape("sphere", (40.0, -30.0, 20.0), 120.0, 2.0)
    density = sphere.density * sphere.contains(points(geometry))
    engine = NumpyEngine(geometry, unconstrained(geometry), "double")
    engine.load(density, density > 0, density > 0)
    expected = sphere.amplitude(geometry.radial.q[:, None, None, None] * geometry.angular.directions())
    found = engine.project().amplitude
    low = geometry.radial.q < 0.06
    assert distance(found[low], expected[low]) < 0.05
    assert distance(found[low].conj(), expected[low]) > 0.5
