"""Every kind of step on an OpenCL device against the formulas carried out on the full sphere."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from boards import Form, engine, transfer
from problems import GRID_24, GRID_32, Problem, distance, problem

from fxs_hpc.engine.interface import Precision, Update
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.harmonics.grids import AngularGrid

pytestmark = pytest.mark.opencl

ALL = frozenset({"support", "value_threshold", "limit_imag"})
BOUNDS: dict[str, Any] = {"lower": 0.0, "upper": 2.0}
TOLERANCE = {"double": 1e-10, "single": 1e-4}


def follow(device: Device, case: Problem, updates: list[Update], precision: Precision = "double", form: Form = "processor") -> None:
    """Device and oracle side by side; rounding may grow by a digit per step."""
    found = engine(device, case, precision, form)
    oracle, state = case.oracle()
    for number, update in enumerate(updates):
        tolerance = TOLERANCE[precision] * 10**number
        assert found.step(update) == pytest.approx(oracle.step(state, update), rel=tolerance)
        assert distance(found.density(), state.density) < tolerance


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("method", ["ER", "HIO", "RAAR"])
@pytest.mark.parametrize("complex_density", [False, True])
def test_steps(device: Device, method: str, keep: bool, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep, largest_imag=0.3, **BOUNDS)
    follow(device, case, [Update(method, 0.7, ALL, stabilised) for stabilised in (True, False)])


@pytest.mark.parametrize("method", ["ER", "HIO", "RAAR"])
@pytest.mark.parametrize("complex_density", [False, True])
def test_steps_as_a_gpu_does_them(device: Device, method: str, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, largest_imag=0.3, **BOUNDS)
    follow(device, case, [Update(method, 0.7, ALL)] * 2, form="graphics")


@pytest.mark.parametrize("complex_density", [False, True])
@pytest.mark.parametrize("feedback", [(), ("support",), ("value_threshold",), ("limit_imag",)])
def test_feedback_of_some_constraints(device: Device, feedback: tuple[str, ...], complex_density: bool) -> None:
    case = problem(complex_density=complex_density, largest_imag=0.3, **BOUNDS)
    follow(device, case, [Update("HIO", 0.8, frozenset(feedback))])


@pytest.mark.parametrize(
    "rules", [{"use_support": False, "lower": 0.0}, {"upper": 1.0}, {"stabilised_from": 3}, {"error_radial_weights": np.linspace(0, 1, 20)}]
)
@pytest.mark.parametrize("complex_density", [False, True])
def test_rules(device: Device, rules: dict[str, Any], complex_density: bool) -> None:
    case = problem(complex_density=complex_density, **rules)
    follow(device, case, [Update("ER"), Update("HIO", 0.5, ALL), Update("RAAR", 0.8)])


@pytest.mark.parametrize(
    ("n_shells", "grid", "form"),
    [(24, GRID_24, "processor"), (37, GRID_32, "processor"), (16, (AngularGrid(16, 42), 12), "processor"), (37, GRID_24, "graphics")],
)
def test_other_grids(device: Device, n_shells: int, grid: tuple, form: Form) -> None:
    case = problem(n_shells, grid, keep_unknown_orders=False, stabilised_from=1, r_max_convention="reference", lower=0.0)
    follow(device, case, [Update("HIO", 0.5, ALL), Update("ER")], form=form)


@pytest.mark.parametrize(("complex_density", "form"), [(False, "processor"), (True, "processor"), (False, "graphics")])
def test_single_precision(device: Device, complex_density: bool, form: Form) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=False, **BOUNDS)
    follow(device, case, [Update("HIO", 0.7, ALL), Update("ER")], "single", form)


def test_without_double_precision(device: Device) -> None:
    """On a device that has none, sums and polar factors are single too."""
    case = problem(**BOUNDS)
    found = engine(device, case, "single", double=False)
    oracle, state = case.oracle()
    for update in (Update("HIO", 0.7, ALL), Update("ER")):
        assert found.step(update) == pytest.approx(oracle.step(state, update), rel=1e-3)
        assert distance(found.density(), state.density) < 2e-3
    assert found.reciprocal_errors().keys() == {"l2_projection_diff", "deg2_invariant_l2_diff"}


def test_without_spherical_average(device: Device) -> None:
    case = problem()
    constraints = replace(case.constraints, reciprocal=replace(case.constraints.reciprocal, spherical_average=None))
    follow(device, replace(case, constraints=constraints), [Update("ER")] * 2)


def test_without_data(device: Device) -> None:
    """No order is projected: the modulus constraint changes nothing."""
    case = problem()
    nothing = replace(case.constraints.reciprocal, projection_matrices={}, spherical_average=None)
    follow(device, replace(case, constraints=replace(case.constraints, reciprocal=nothing)), [Update("ER")])


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("complex_density", [False, True])
def test_limited_resolution_and_reciprocal_errors(device: Device, keep: bool, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep)
    found = engine(device, case)
    oracle, state = case.oracle()
    for fraction in (0.4, 0.7, 1.0):
        found.limit_resolution(fraction)
        oracle.open_shells = case.geometry.radial.q <= fraction * case.geometry.radial.q_max
        for update in (Update("HIO", 0.5), Update("ER", stabilised=False)):
            expected = oracle.reciprocal_errors(state.density)
            assert found.step(update) == pytest.approx(oracle.step(state, update), rel=1e-8)
            assert found.reciprocal_errors() == pytest.approx(expected, rel=1e-6)
        assert distance(found.density(), state.density) < 1e-8


@pytest.mark.parametrize(
    ("complex_density", "confined", "form"),
    [(False, True, "processor"), (False, False, "processor"), (True, True, "processor"), (True, True, "graphics")],
)
def test_shrink_wrap(device: Device, complex_density: bool, confined: bool, form: Form) -> None:
    case = problem(40, complex_density=complex_density, extent=0.3)
    found = engine(device, case, form=form)
    oracle, state = case.oracle()
    for threshold, update in ((0.2, Update("HIO", 0.5)), (1e-3, Update("ER")), (0.12, Update("ER"))):
        found.shrink_wrap(transfer(case), threshold, confined)
        oracle.shrink_wrap(state, transfer(case), threshold, confined)
        assert np.array_equal(found.support(), state.support)
        assert 0 < state.support.sum() < state.support.size
        assert found.step(update) == pytest.approx(oracle.step(state, update), rel=1e-8)
    assert distance(found.density(), state.density) < 1e-8


@pytest.mark.parametrize("complex_density", [False, True])
def test_band_limit(device: Device, complex_density: bool) -> None:
    case = problem(complex_density=complex_density)
    found = engine(device, case)
    oracle, state = case.oracle()
    found.band_limit()
    assert distance(found.density(), oracle.inverse(oracle.forward(state.density))) < 1e-12


@pytest.mark.parametrize("complex_density", [False, True])
def test_projection_alone(device: Device, complex_density: bool) -> None:
    case = problem(complex_density=complex_density)
    expected, found = case.engine().project(), engine(device, case).project()
    assert distance(found.amplitude, expected.amplitude) < 1e-10
    assert distance(found.invariants, expected.invariants) < 1e-10
    for l, unknown in expected.unknowns.items():
        v = case.constraints.reciprocal.projection_matrices[l]
        if v.size:
            assert distance(v @ found.unknowns[l], v @ unknown) < 1e-9
