"""Every kind of step against the formulas carried out on the full sphere."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from problems import GRID_24, GRID_32, Problem, distance, problem, real_rows

from fxs_hpc.engine.interface import Precision, Update
from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.grids import AngularGrid

ALL = frozenset({"support", "value_threshold", "limit_imag", "average_center"})
BOUNDS: dict[str, Any] = {"lower": 0.0, "upper": 2.0}
TOLERANCE = {"double": 1e-10, "single": 1e-4}


def follow(case: Problem, updates: list[Update], precision: Precision = "double") -> None:
    """Engine and oracle side by side; rounding may grow by a digit per step."""
    engine = case.engine(precision)
    oracle, state = case.oracle()
    for number, update in enumerate(updates):
        tolerance = TOLERANCE[precision] * 10**number
        assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=tolerance)
        assert distance(engine.density(), state.density) < tolerance


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("stabilised", [True, False])
@pytest.mark.parametrize("method", ["ER", "HIO", "RAAR"])
@pytest.mark.parametrize("complex_density", [False, True])
def test_steps(method: str, stabilised: bool, keep: bool, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep, largest_imag=0.3, **BOUNDS)
    follow(case, [Update(method, 0.7, ALL, stabilised)] * 2)


@pytest.mark.parametrize("complex_density", [False, True])
@pytest.mark.parametrize(
    "feedback", [(), ("support",), ("value_threshold",), ("limit_imag",), ("support", "limit_imag"), ("average_center",)]
)
def test_feedback_of_some_constraints(feedback: tuple[str, ...], complex_density: bool) -> None:
    case = problem(complex_density=complex_density, largest_imag=0.3, averaged_shells=3, **BOUNDS)
    follow(case, [Update("HIO", 0.8, frozenset(feedback))] * 2)


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"use_support": False},
        {"use_support": False, "lower": 0.0},
        {"upper": 1.0},
        {"stabilised_from": 3},
        {"averaged_shells": 4},
        {"averaged_shells": 2, "stabilised_from": 1, "lower": 0.0, "use_support": False},
        {"error_inside_initial_support": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("complex_density", [False, True])
def test_rules(rules: dict[str, Any], complex_density: bool) -> None:
    case = problem(complex_density=complex_density, **rules)
    follow(case, [Update("ER"), Update("HIO", 0.5, ALL), Update("RAAR", 0.8)])


@pytest.mark.parametrize("convention", ["exact", "reference"])
@pytest.mark.parametrize(("n_shells", "grid"), [(24, GRID_24), (32, GRID_32), (37, GRID_32)])
def test_other_grids(n_shells: int, grid: tuple, convention: str) -> None:
    case = problem(n_shells, grid, keep_unknown_orders=False, stabilised_from=1, r_max_convention=convention, lower=0.0)
    follow(case, [Update("HIO", 0.5, ALL), Update("ER"), Update("HIO", 0.5, ALL)])


@pytest.mark.parametrize("complex_density", [False, True])
@pytest.mark.parametrize("method", ["ER", "HIO"])
def test_single_precision(method: str, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=False, **BOUNDS)
    follow(case, [Update(method, 0.7, ALL)] * 2, "single")


def test_weights_of_the_error() -> None:
    follow(problem(error_radial_weights=np.linspace(0, 1, 20)), [Update("ER"), Update("HIO", 0.5)])


def test_without_spherical_average() -> None:
    case = problem()
    constraints = replace(case.constraints, reciprocal=replace(case.constraints.reciprocal, spherical_average=None))
    follow(replace(case, constraints=constraints), [Update("ER")] * 2)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("complex_density", [False, True])
def test_limited_resolution(keep: bool, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep)
    engine = case.engine()
    oracle, state = case.oracle()
    for fraction in (0.4, 0.7, 1.0):
        engine.limit_resolution(fraction)
        oracle.open_shells = case.geometry.radial.q <= fraction * case.geometry.radial.q_max
        for update in (Update("HIO", 0.5), Update("ER", stabilised=False)):
            expected = oracle.reciprocal_errors(state.density)
            assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=1e-8)
            assert engine.reciprocal_errors() == pytest.approx(expected, rel=1e-6)
        assert distance(engine.density(), state.density) < 1e-8


@pytest.mark.parametrize("complex_density", [False, True])
@pytest.mark.parametrize("confined", [True, False])
def test_shrink_wrap(complex_density: bool, confined: bool) -> None:
    case = problem(complex_density=complex_density)
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


@pytest.mark.parametrize("complex_density", [False, True])
def test_band_limit(complex_density: bool) -> None:
    case = problem(complex_density=complex_density)
    engine = case.engine()
    oracle, state = case.oracle()
    engine.band_limit()
    assert distance(engine.density(), oracle.inverse(oracle.forward(state.density))) < 1e-12


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("complex_density", [False, True])
def test_reciprocal_errors(keep: bool, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep)
    engine = case.engine()
    oracle, state = case.oracle()
    for update in (Update("HIO", 0.5), Update("ER")):
        expected = oracle.reciprocal_errors(state.density)
        engine.step(update)
        oracle.step(state, update)
        assert engine.reciprocal_errors() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("complex_density", [False, True])
def test_projection_alone(complex_density: bool) -> None:
    case = problem(complex_density=complex_density)
    oracle, state = case.oracle()
    before = oracle.forward(state.density)
    found = case.engine().project()
    goal = oracle.harmonics.synthesise(oracle.harmonics.analyse(oracle.constrained(before)))
    assert distance(found.amplitude, goal) < 1e-10
    old, new = oracle.projected_coefficients(np.abs(before) ** 2)
    data, scale = case.constraints.reciprocal, np.abs(old).max()
    for l, v in data.projection_matrices.items():
        rows = real_rows(old, oracle.intensity_harmonics, l)
        np.testing.assert_allclose(found.invariants[l], rows @ rows.T, atol=1e-11 * scale**2)
        projected = real_rows(new, oracle.intensity_harmonics, l)[data.known[l]]
        np.testing.assert_allclose((v @ found.unknowns[l])[data.known[l]], projected, atol=1e-9 * scale)


@pytest.mark.parametrize(("n_theta", "n_phi", "order"), [(18, 32, 11), (16, 31, 11), (16, 22, 11), (8, 32, 11)])
def test_grids_that_do_not_fit_are_refused(n_theta: int, n_phi: int, order: int) -> None:
    with pytest.raises(SettingsError, match="n_theta must be a multiple of 4"):
        problem(grid=(AngularGrid(n_theta, n_phi), order)).engine()


def test_data_beyond_the_grid_are_refused() -> None:
    """Orders of the data above those of the amplitude need room on the grid as well."""
    case = problem()
    data = replace(case.constraints.reciprocal, projection_matrices={16: np.ones((20, 1))})
    with pytest.raises(SettingsError, match="does not fit order 16"):
        replace(case, constraints=replace(case.constraints, reciprocal=data)).engine()
