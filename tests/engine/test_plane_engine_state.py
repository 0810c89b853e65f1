"""What holds in the plane whatever the numbers: symmetries, how a run goes on, that the same start gives the same bits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plane_problems import PlaneProblem, distance, invariants, plane_problem, points, unconstrained
from scipy.special import j1

from fxs_hpc.engine.interface import Constraints, PlaneGeometry, Precision, Update
from fxs_hpc.engine.plane_engine import PlaneEngine
from fxs_hpc.engine.plane_projection import fixed_order, phase_factors
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid

SEQUENCE = [Update("HIO", 0.6), Update("ER"), Update("ER"), Update("HIO", 0.6), Update("RAAR", 0.8), Update("ER")]


def transfer(case: PlaneProblem) -> np.ndarray:
    return np.exp(-((30 * case.geometry.radial.q) ** 2))


@given(turn=st.integers(0, 27), method=st.sampled_from(["ER", "HIO", "RAAR"]), complex_density=st.booleans())
@settings(max_examples=15)
def test_a_rotated_start_stays_rotated_where_no_order_is_fixed(turn: int, method: str, complex_density: bool) -> None:
    case = plane_problem(complex_density=complex_density, odd=complex_density, fixed=0, lower=0.0)
    turned = replace(case, **{name: np.roll(getattr(case, name), turn, axis=1) for name in ("density", "support", "initial_support")})
    one, two = case.engine(), turned.engine()
    for _ in range(2):
        assert two.step(Update(method, 0.7)) == pytest.approx(one.step(Update(method, 0.7)), rel=1e-9)
    assert distance(two.density(), np.roll(one.density(), turn, axis=1)) < 1e-9


@given(turn=st.integers(1, 27), fixed=st.sampled_from([2, 4]))
@settings(max_examples=10)
def test_a_fixed_order_leaves_rotations_by_its_own_angle_alone(turn: int, fixed: int) -> None:
    """u_n = 1 is left as it is by rotations by 2 pi k / n, and by no others."""
    case = plane_problem(fixed=fixed)
    turned = replace(case, **{name: np.roll(getattr(case, name), turn, axis=1) for name in ("density", "support", "initial_support")})
    one, two = case.engine(), turned.engine()
    one.step(Update("ER"))
    two.step(Update("ER"))
    same = distance(two.density(), np.roll(one.density(), turn, axis=1)) < 1e-9
    assert same == (fixed * turn % 28 == 0)


def test_the_inverted_start_stays_inverted() -> None:
    """|F|^2 of a real density does not change under x -> -x."""
    case = plane_problem(lower=0.0)
    other = replace(case, **{name: np.roll(getattr(case, name), 14, axis=1) for name in ("density", "support", "initial_support")})
    one, two = case.engine(), other.engine()
    for update in SEQUENCE[:3]:
        assert two.step(update) == pytest.approx(one.step(update), rel=1e-10)
    assert distance(two.density(), np.roll(one.density(), 14, axis=1)) < 1e-9


def test_a_real_start_stays_real_in_complex_mode() -> None:
    real = plane_problem(lower=0.0)
    both = replace(real, geometry=replace(real.geometry, complex_density=True))
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
    case = plane_problem(complex_density=complex_density)
    engine = case.engine()
    for _ in range(3):
        engine.step(Update("ER"))
    before = engine.density()
    fitting = Constraints(invariants(case.geometry, before, "exact", complex_density, fixed=0), use_support=False)
    for update in (Update("ER"), Update("HIO", 0.5), Update("RAAR", 0.8)):
        again = PlaneEngine(case.geometry, fitting, "double")
        again.load(before, case.support, case.initial_support)
        assert again.step(update) < 1e-24
        assert distance(again.density(), before) < 1e-9
        assert max(again.reciprocal_errors().values()) < 1e-18


def _run(engine: PlaneEngine, case: PlaneProblem, updates: list[Update]) -> list[float]:
    errors = []
    for number, update in enumerate(updates):
        errors.append(engine.step(update))
        if number == 1:
            engine.remember()
        if number == 3:
            engine.shrink_wrap(transfer(case), 0.1, True)
    return errors


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("complex_density", [False, True])
def test_a_restored_engine_continues_bit_for_bit(precision: Precision, complex_density: bool) -> None:
    case = plane_problem(complex_density=complex_density, stabilised_from=1)
    first = case.engine(precision)
    _run(first, case, SEQUENCE[:5])
    first.freeze()
    kept = [replace(one, density=one.density.copy(), support=one.support.copy()) for one in first.snapshots()]
    second = PlaneEngine(case.geometry, case.constraints, precision)
    second.restore(kept, case.initial_support)
    onwards = [replace(SEQUENCE[0], frozen=True), *SEQUENCE]
    assert _run(first, case, onwards) == _run(second, case, onwards)
    for which in ("last", "best"):
        assert np.array_equal(first.density(which), second.density(which))
        assert np.array_equal(first.support(which), second.support(which))


def test_best_density_comes_back() -> None:
    case = plane_problem()
    engine = case.engine()
    engine.step(SEQUENCE[0])
    engine.remember()
    density, support = engine.density(), engine.support()
    for update in SEQUENCE:
        engine.step(update)
        engine.shrink_wrap(transfer(case), 0.2, True)
    assert np.array_equal(engine.density("best"), density)
    assert not np.array_equal(engine.support(), support)
    engine.recall()
    assert np.array_equal(engine.density(), density) and np.array_equal(engine.support(), support)


def test_another_density_takes_the_place_of_the_last_one_alone() -> None:
    case = plane_problem()
    engine = case.engine()
    engine.step(SEQUENCE[0])
    engine.remember()
    best, support = engine.density("best"), engine.support()
    engine.replace(2 * case.density)
    assert np.array_equal(engine.density(), 2 * case.density)
    assert np.array_equal(engine.density("best"), best) and np.array_equal(engine.support(), support)


def test_size_of_the_support() -> None:
    case = plane_problem()
    area = case.geometry.radial.r_weights[:, None]
    expected = (case.support * area).sum() / (case.initial_support * area).sum()
    assert case.engine().support_fraction() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("complex_density", "n_phi"), [(False, 64), (True, 64), (True, 57)])
def test_amplitude_of_an_off_centre_gaussian(complex_density: bool, n_phi: int) -> None:
    """F = (2 pi)^-1 int rho e^{-iq.r}: sign of the phase, scale and orientation, to many digits."""
    geometry = PlaneGeometry(RadialGrid(48, 0.12, kind="gauss", dimensions=2), CircleGrid(n_phi), 22, complex_density)
    width, centre, factor = 40.0, np.array([12.0, -15.0]), 1 + 0.5j if complex_density else 1.0
    density = factor * np.exp(-((points(geometry) - centre) ** 2).sum(axis=-1) / (2 * width**2))
    engine = PlaneEngine(geometry, unconstrained(geometry), "double")
    everywhere = np.ones(density.shape, bool)
    engine.load(density, everywhere, everywhere)
    q = geometry.radial.q[:, None, None] * geometry.angular.directions()
    expected = factor * width**2 * np.exp(-((width * q) ** 2).sum(axis=-1) / 2 - 1j * q @ centre)
    assert distance(engine.project().amplitude, expected) < 1e-6
    assert distance(engine.project().amplitude.conj(), expected) > 0.1


@pytest.mark.parametrize("kind", ["midpoint", "trapz", "gauss", "Zernike"])
@pytest.mark.parametrize("convention", ["exact", "reference"])
def test_transforms_are_those_of_the_simulation(kind: str, convention: str) -> None:
    geometry = PlaneGeometry(RadialGrid(12, 0.1, kind=kind, dimensions=2), CircleGrid(25), 8, complex_density=True)
    density = np.random.default_rng(0).normal(size=(12, 25)) + 1j * np.random.default_rng(1).normal(size=(12, 25))
    engine = PlaneEngine(geometry, replace(unconstrained(geometry), r_max_convention=convention), "double")
    engine.load(density, density != 0, density != 0)
    transform = DiscTransform(geometry.radial, geometry.angular, 8, convention)
    amplitude = transform.amplitude(density)
    assert distance(engine.project().amplitude, amplitude) < 1e-12
    engine.band_limit()
    assert distance(engine.density(), transform.density(amplitude)) < 1e-12


def test_amplitude_of_an_off_centre_disc() -> None:
    geometry = PlaneGeometry(RadialGrid(64, 0.12, dimensions=2), CircleGrid(128), 40)
    place = points(geometry)
    centre, radius = np.array([40.0, -30.0]), 120.0
    density = 2.0 * (np.linalg.norm(place - centre, axis=-1) < radius)
    engine = PlaneEngine(geometry, unconstrained(geometry), "double")
    engine.load(density, density > 0, density > 0)
    q = geometry.radial.q[:, None, None] * geometry.angular.directions()
    # The disc is the section of a circular cylinder: 2 pi R J_1(qR) / q, here over 2 pi.
    modulus = np.linalg.norm(q, axis=-1)
    expected = 2.0 * radius * j1(modulus * radius) / modulus * np.exp(-1j * q @ centre)
    low = geometry.radial.q < 0.06
    assert distance(engine.project().amplitude[low], expected[low]) < 0.05


def test_the_fixed_order_is_the_strongest_even_one_of_the_outer_rings() -> None:
    q = np.linspace(0.01, 0.1, 10)
    weak, strong, inner = np.full((10, 1), 1j), np.full((10, 1), -2.0 + 0j), np.where(np.arange(10) < 2, 1e6, 0)[:, None]
    assert fixed_order({1: 9 * strong, 2: weak, 4: strong, 6: inner, 8: np.zeros((10, 0))}, q, 0.2) == 4
    assert fixed_order({2: weak, 6: inner}, q, 0.0) == 6
    assert fixed_order({2: 0 * weak, 3: strong}, q, 0.2) == 0


def test_phase_factors_of_nothing_are_one() -> None:
    np.testing.assert_allclose(phase_factors(np.array([0, -2, 3j])), [1, -1, 1j])
