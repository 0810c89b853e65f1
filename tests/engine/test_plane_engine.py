"""Every kind of step in the plane against the formulas carried out with explicit sums."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from plane_problems import PlaneProblem, distance, plane_problem

from fxs_hpc.engine.interface import Precision, Update, Volume
from fxs_hpc.errors import NumericalError, SettingsError

ALL = frozenset({"support", "value_threshold", "limit_imag", "average_center"})
BOUNDS: dict[str, Any] = {"lower": 0.0, "upper": 2.0}
TOLERANCE = {"double": 1e-10, "single": 1e-4}
KINDS = pytest.mark.parametrize(("complex_density", "n_phi"), [(False, 28), (True, 28), (True, 25)], ids=["real", "complex", "odd grid"])


def follow(case: PlaneProblem, updates: list[Update], precision: Precision = "double") -> None:
    """Engine and oracle side by side; rounding may grow by a digit per step."""
    engine = case.engine(precision)
    oracle, state = case.oracle()
    for number, update in enumerate(updates):
        tolerance = TOLERANCE[precision] * 10**number
        assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=tolerance)
        assert distance(engine.density(), state.density) < tolerance


@KINDS
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("stabilised", [True, False])
@pytest.mark.parametrize("method", ["ER", "HIO", "RAAR"])
def test_steps(method: str, stabilised: bool, keep: bool, complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density, keep_unknown_orders=keep, largest_imag=0.3, **BOUNDS)
    follow(case, [Update(method, 0.7, ALL, stabilised)] * 2)


@KINDS
@pytest.mark.parametrize("feedback", [(), ("support",), ("value_threshold",), ("limit_imag",), ("support", "average_center")])
def test_feedback_of_some_constraints(feedback: tuple[str, ...], complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density, largest_imag=0.3, averaged_shells=3, **BOUNDS)
    follow(case, [Update("HIO", 0.8, frozenset(feedback))] * 2)


@KINDS
@pytest.mark.parametrize(
    "rules",
    [
        {"use_support": False, "lower": 0.0},
        {"upper": 1.0},
        {"stabilised_from": 3},
        {"averaged_shells": 4},
        {"error_inside_initial_support": False, "error_radial_weights": np.linspace(0, 1, 20)},
        {"r_max_convention": "reference", "keep_unknown_orders": False},
    ],
    ids=lambda rules: ",".join(rules),
)
def test_rules(rules: dict[str, Any], complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density, **rules)
    follow(case, [Update("ER"), Update("HIO", 0.5, ALL), Update("RAAR", 0.8)])


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("fixed", [0, 4])
def test_odd_orders_and_a_free_or_another_fixed_order(fixed: int, keep: bool) -> None:
    follow(plane_problem(21, 25, True, True, fixed, keep_unknown_orders=keep), [Update("HIO", 0.5, ALL), Update("ER")])


@KINDS
@pytest.mark.parametrize("method", ["ER", "HIO"])
def test_single_precision(method: str, complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density, keep_unknown_orders=False, **BOUNDS)
    follow(case, [Update(method, 0.7, ALL)] * 2, "single")
    engine = case.engine("single")
    engine.step(Update(method, 0.7, ALL))
    assert engine.density().dtype == (np.complex64 if complex_density else np.float32)


def test_weights_of_rings_and_angles() -> None:
    case = plane_problem()
    ones = case.engine().step(Update("ER"))
    rings = replace(case, constraints=replace(case.constraints, error_radial_weights=case.geometry.radial.r_weights))
    every = case.geometry.radial.r_weights[:, None] * np.ones(case.geometry.angular.n_phi)
    voxels = replace(case, constraints=replace(case.constraints, error_radial_weights=every))
    assert rings.engine().step(Update("ER")) == ones == voxels.engine().step(Update("ER"))


def test_without_spherical_average() -> None:
    case = plane_problem()
    constraints = replace(case.constraints, reciprocal=replace(case.constraints.reciprocal, spherical_average=None))
    follow(replace(case, constraints=constraints), [Update("ER")] * 2)


@KINDS
@pytest.mark.parametrize("keep", [True, False])
def test_limited_resolution(keep: bool, complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density, keep_unknown_orders=keep)
    engine = case.engine()
    oracle, state = case.oracle()
    for fraction in (0.4, 0.7, 1.0):
        engine.limit_resolution(fraction)
        oracle.open_rings = case.geometry.radial.q <= fraction * case.geometry.radial.q_max
        for update in (Update("HIO", 0.5), Update("ER", stabilised=False)):
            expected = oracle.reciprocal_errors(state.density)
            assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=1e-8)
            assert engine.reciprocal_errors() == pytest.approx(expected, rel=1e-6)
        assert distance(engine.density(), state.density) < 1e-8


@KINDS
def test_another_number_of_particles(complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density)
    engine = case.engine()
    oracle, state = case.oracle()
    engine.scale_average(0.6)
    oracle.average = 0.6
    assert engine.step(Update("ER")) == pytest.approx(oracle.step(state, Update("ER")), rel=1e-10)
    assert distance(engine.density(), state.density) < 1e-10


@KINDS
@pytest.mark.parametrize("fraction", [1.0, 0.6])
def test_a_frozen_intensity_is_imposed_again(fraction: float, complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density)
    engine = case.engine()
    oracle, state = case.oracle()
    engine.step(Update("HIO", 0.5))
    oracle.step(state, Update("HIO", 0.5))
    engine.freeze()
    oracle.frozen = oracle.goal(np.abs(oracle.forward(state.density)) ** 2)
    engine.limit_resolution(fraction)
    oracle.open_rings = case.geometry.radial.q <= fraction * case.geometry.radial.q_max
    for number, update in enumerate((Update("HIO", 0.5, frozen=True), Update("ER", frozen=True), Update("ER"))):
        assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=1e-9 * 10**number)
    assert distance(engine.density(), state.density) < 1e-7


@KINDS
def test_the_step_after_freezing_is_the_same_frozen_or_not(complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density)
    one, two = case.engine(), case.engine()
    two.freeze()
    assert two.step(Update("ER", frozen=True)) == pytest.approx(one.step(Update("ER")), rel=1e-12)
    assert distance(two.density(), one.density()) < 1e-12
    found, imposed = two.intensity().found, two.intensity().imposed
    oracle, state = case.oracle()
    goal = oracle.goal(np.abs(oracle.forward(state.density)) ** 2)
    np.testing.assert_allclose(imposed[2], oracle.analyse(goal, 2), atol=1e-10 * np.abs(found).max())


def test_a_frozen_step_without_a_frozen_intensity_is_refused() -> None:
    with pytest.raises(NumericalError, match="none was frozen"):
        plane_problem().engine().step(Update("ER", frozen=True))


@KINDS
@pytest.mark.parametrize("confined", [True, False])
def test_shrink_wrap(complex_density: bool, confined: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density)
    engine = case.engine()
    oracle, state = case.oracle()
    transfer = np.exp(-((30 * case.geometry.radial.q) ** 2))
    for update in (Update("HIO", 0.5), Update("ER")):
        engine.shrink_wrap(transfer, 0.12, confined)
        oracle.shrink_wrap(state, transfer, 0.12, confined)
        assert np.array_equal(engine.support(), state.support)
        assert 0 < state.support.sum() < state.support.size
        assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=1e-9)
    assert distance(engine.density(), state.density) < 1e-9


@KINDS
@pytest.mark.parametrize("fraction", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("confined", [True, False])
def test_shrink_wrap_to_a_volume(fraction: float, confined: bool, complex_density: bool, n_phi: int) -> None:
    """The support is what a threshold gives, and one voxel less would be too small."""
    case = plane_problem(20, n_phi, complex_density)
    engine, transfer = case.engine(), np.exp(-((30 * case.geometry.radial.q) ** 2))
    engine.shrink_wrap(transfer, Volume(fraction), confined)
    area = np.broadcast_to(case.geometry.radial.r_weights[:, None], case.support.shape)
    wanted = fraction * area[case.initial_support].sum()
    allowed = case.initial_support if confined else np.ones_like(case.support)
    if wanted > area[allowed].sum():
        assert np.array_equal(engine.support(), allowed)
        return
    oracle, state = case.oracle()
    blurred = np.where(allowed, oracle.inverse(transfer[:, None] * oracle.forward(np.abs(state.density))).real, -1)
    inside = engine.support()
    assert blurred[inside].min() >= blurred[allowed & ~inside].max() - 1e-9
    lowest = np.unravel_index(np.argmin(np.where(inside, blurred, np.inf)), blurred.shape)
    assert area[inside].sum() >= wanted > area[inside].sum() - area[lowest]


@KINDS
def test_band_limit(complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density)
    engine = case.engine()
    oracle, state = case.oracle()
    engine.band_limit()
    assert distance(engine.density(), oracle.inverse(oracle.forward(state.density))) < 1e-12


@KINDS
@pytest.mark.parametrize("keep", [True, False])
def test_reciprocal_errors_and_intensities(keep: bool, complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density, keep_unknown_orders=keep)
    engine = case.engine()
    oracle, state = case.oracle()
    for update in (Update("HIO", 0.5), Update("ER")):
        errors = oracle.reciprocal_errors(state.density)
        found, imposed = oracle.projected(np.abs(oracle.forward(state.density)) ** 2)
        engine.step(update)
        oracle.step(state, update)
        assert engine.reciprocal_errors() == pytest.approx(errors, rel=1e-8)
        pair = engine.intensity()
        assert pair.found.shape == found.shape
        np.testing.assert_allclose(pair.found, found, atol=1e-9 * np.abs(found).max())
        np.testing.assert_allclose(pair.imposed, imposed, atol=1e-9 * np.abs(found).max())


@KINDS
def test_projection_alone(complex_density: bool, n_phi: int) -> None:
    case = plane_problem(20, n_phi, complex_density, odd=complex_density)
    oracle, state = case.oracle()
    before = oracle.forward(state.density)
    intensity = np.abs(before) ** 2
    found = case.engine().project()
    assert distance(found.amplitude, oracle.constrained(before, oracle.goal(intensity))) < 1e-10
    old, new = oracle.projected(intensity)
    data, scale = case.constraints.reciprocal, np.abs(old).max()
    for n, v in data.projection_matrices.items():
        np.testing.assert_allclose(found.invariants[n], np.outer(old[n], old[n].conj()), atol=1e-11 * scale**2)
        if v.any():
            np.testing.assert_allclose((v @ found.unknowns[n])[data.known[n], 0], new[n][data.known[n]], atol=1e-9 * scale)


def test_grids_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="even number of angles"):
        plane_problem(n_phi=25).engine()
    with pytest.raises(SettingsError, match="n_phi must be >= 17"):
        plane_problem(n_phi=16).engine()
