"""Every operation in the plane, on the device as on the CPU, from the same state."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from boards import Form
from plane_boards import board, engine, transfer
from plane_problems import PlaneProblem, distance, plane_problem
from test_lockstep import together

from fxs_hpc.engine.interface import Engine, Precision, Update, Volume
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.engine import OpenClEngine
from fxs_hpc.engine.opencl.lockstep import Lockstep
from fxs_hpc.engine.opencl.plane_constants import PlaneLayout, largest_divisor
from fxs_hpc.engine.opencl.plane_steps import PlaneSteps
from fxs_hpc.errors import NumericalError, SettingsError
from fxs_hpc.harmonics.grids import CircleGrid

pytestmark = pytest.mark.opencl

BOUNDS: dict[str, Any] = {"lower": 0.0, "upper": 2.0, "largest_imag": 0.3}
TOLERANCE = {"double": 1e-12, "single": 2e-4}
"""Of one step; the next ones may lose a digit each."""

METHODS = [Update("HIO", 0.7), Update("ER"), Update("RAAR", 0.8), Update("HIO", 0.6, frozenset({"value_threshold"})), Update("ER")]
GRIDS = pytest.mark.parametrize(
    ("complex_density", "n_phi", "form"),
    [
        (False, 28, "processor"),
        (True, 28, "processor"),
        (True, 27, "processor"),
        (False, 34, "graphics"),
        (True, 28, "graphics"),
        (True, 29, "graphics"),
    ],
)
COMPLEX = pytest.mark.parametrize("complex_density", [False, True])


def pair(device: Device, case: PlaneProblem, precision: Precision = "double", form: Form = "processor") -> tuple[Engine, Engine]:
    """(on the device, on the CPU), loaded with the start."""
    return engine(device, case, precision, form), case.engine(precision)


def same_steps(both: tuple[Engine, Engine], updates: list[Update], tolerance: float = 1e-12) -> None:
    for number, update in enumerate(updates):
        found, expected = (made.step(update) for made in both)
        assert found == pytest.approx(expected, rel=tolerance * 10**number)
        assert distance(both[0].density(), both[1].density()) < tolerance * 10**number


def same_intensity(both: tuple[Engine, Engine], tolerance: float = 1e-10) -> None:
    found, expected = (made.intensity() for made in both)
    assert distance(found.found, expected.found) < tolerance
    assert distance(found.imposed, expected.imposed) < tolerance
    assert both[0].reciprocal_errors() == pytest.approx(both[1].reciprocal_errors(), rel=1e3 * tolerance)


@GRIDS
def test_steps(device: Device, complex_density: bool, n_phi: int, form: Form) -> None:
    both = pair(device, plane_problem(20, n_phi, complex_density, odd=complex_density, **BOUNDS), form=form)
    same_steps(both, METHODS)
    same_intensity(both)
    for made in both:
        made.band_limit()
    same_steps(both, [Update("ER", stabilised=False)], 1e-8)


@pytest.mark.parametrize("n_rings", [16, 37])
@COMPLEX
def test_without_unknown_orders(device: Device, complex_density: bool, n_rings: int) -> None:
    """Another number of rings, and the reference program's convention."""
    rules: dict[str, Any] = {"keep_unknown_orders": False, "stabilised_from": 3, "r_max_convention": "reference", **BOUNDS}
    both = pair(device, plane_problem(n_rings, complex_density=complex_density, **rules))
    same_steps(both, METHODS[:3])
    for made in both:
        made.limit_resolution(0.5)
    same_steps(both, METHODS[:2], 1e-9)
    same_intensity(both, 1e-8)


@pytest.mark.parametrize(
    "rules",
    [
        {"use_support": False, "lower": 0.0},
        {"error_radial_weights": np.linspace(0, 1, 20), "fixed": 0},
        {"error_inside_initial_support": False, "upper": 1.0},
        {"error_radial_weights": np.outer(np.linspace(1, 2, 20), np.linspace(0, 1, 28)), "lower": 0.0},
        {"averaged_shells": 3, **BOUNDS},
    ],
)
@COMPLEX
def test_rules(device: Device, rules: dict[str, Any], complex_density: bool) -> None:
    same_steps(pair(device, plane_problem(complex_density=complex_density, **rules)), METHODS)


def test_averaged_rings_as_a_gpu_does_them(device: Device) -> None:
    same_steps(pair(device, plane_problem(averaged_shells=3, **BOUNDS), form="graphics"), METHODS[:3])


@pytest.mark.parametrize("form", ["processor", "graphics"])
@COMPLEX
def test_single_precision(device: Device, complex_density: bool, form: Form) -> None:
    both = pair(device, plane_problem(complex_density=complex_density, **BOUNDS), "single", form)
    assert both[0].density().dtype == (np.complex64 if complex_density else np.float32)
    same_steps(both, METHODS[:2], TOLERANCE["single"])


@COMPLEX
def test_limited_resolution(device: Device, complex_density: bool) -> None:
    both = pair(device, plane_problem(complex_density=complex_density))
    for fraction in (0.4, 1.0):
        for made in both:
            made.limit_resolution(fraction)
        same_steps(both, METHODS[:2], 1e-10)
        same_intensity(both)


@pytest.mark.parametrize("form", ["processor", "graphics"])
@COMPLEX
def test_shrink_wrap(device: Device, complex_density: bool, form: Form) -> None:
    case = plane_problem(complex_density=complex_density, **BOUNDS)
    both = pair(device, case, form=form)
    for cut, confined in ((0.2, True), (0.05, False), (Volume(0.4), True), (Volume(0.5), False)):
        for made in both:
            made.shrink_wrap(transfer(case), cut, confined)
        assert np.array_equal(both[0].support(), both[1].support())
        assert both[0].support_fraction() == pytest.approx(both[1].support_fraction(), rel=1e-12)
        same_steps(both, [Update("ER")], 1e-9)


@COMPLEX
def test_projection_alone(device: Device, complex_density: bool) -> None:
    found, expected = (made.project() for made in pair(device, plane_problem(complex_density=complex_density, odd=True)))
    assert distance(found.amplitude, expected.amplitude) < 1e-12
    assert distance(found.invariants, expected.invariants) < 1e-12
    assert found.unknowns.keys() == expected.unknowns.keys()
    assert all(abs(found.unknowns[n] - expected.unknowns[n]).max() < 1e-10 for n in expected.unknowns if complex_density or n % 2 == 0)


@pytest.mark.parametrize("keep", [False, True])
@COMPLEX
def test_frozen_intensity(device: Device, complex_density: bool, keep: bool) -> None:
    case = plane_problem(complex_density=complex_density, keep_unknown_orders=keep, **BOUNDS)
    both = pair(device, case)
    with pytest.raises(NumericalError, match="none was frozen"):
        both[0].step(Update("ER", frozen=True))
    for made in both:
        made.step(Update("HIO", 0.6))
        made.freeze()
    same_steps(both, [Update("HIO", 0.6, frozen=True), Update("ER", stabilised=False, frozen=True)], 1e-11)
    for made in both:
        made.limit_resolution(0.6)
    same_steps(both, [Update("ER", frozen=True)], 1e-9)
    same_intensity(both)
    for one, other in (both, both[::-1]):
        other.restore(one.snapshots(), case.initial_support)
        same_steps(both, [Update("HIO", 0.5, frozen=True)], 1e-9)


@COMPLEX
def test_another_density_and_another_number_of_particles(device: Device, complex_density: bool) -> None:
    both = pair(device, plane_problem(complex_density=complex_density, **BOUNDS))
    for made in both:
        made.step(Update("ER"))
        made.remember()
        made.replace(1.1 * made.density()[:, ::-1])
        made.scale_average(1.7)
    same_steps(both, [Update("ER"), Update("HIO", 0.5)], 1e-10)
    same_intensity(both)
    for made in both:
        made.recall()
    same_steps(both, [Update("ER")], 1e-10)


def test_checkpoints_are_those_of_the_cpu(device: Device) -> None:
    on_device, on_cpu = pair(device, plane_problem(complex_density=True), "single")
    for found, expected in zip(on_device.snapshots(), on_cpu.snapshots(), strict=True):
        assert (found.density.dtype, found.support.dtype, found.filled_shells) == (np.complex64, np.uint8, expected.filled_shells)
        assert np.array_equal(found.density, expected.density)
        assert np.array_equal(found.support, expected.support)


@COMPLEX
def test_a_batch_computes_the_bits_of_each_alone(device: Device, complex_density: bool) -> None:
    """Members differ in density, support, best and number of steps; so do two runs of one alone not."""
    case, members = plane_problem(complex_density=complex_density, **BOUNDS), 3
    results: dict[tuple[str, int], list[Any]] = {}

    def run(name: str, number: int, made: OpenClEngine) -> None:
        made.load(case.density * (1 + 0.1 * number), case.support, case.initial_support)
        errors = [made.step(update) for update in METHODS[: 2 + number]]
        made.remember()
        made.shrink_wrap(transfer(case), 0.05 + 0.1 * number, True)
        errors += [made.step(Update("ER")), made.support_fraction(), *made.reciprocal_errors().values()]
        results[name, number] = [errors, made.density(), made.density("best"), made.support()]

    steps = PlaneSteps(board(device, case, members=members))

    def work(number: int, turns: Lockstep) -> None:
        run("batch", number, OpenClEngine(steps, number, turns))

    together(members, work)
    for number in range(members):
        run("alone", number, engine(device, case))
        alone, batch = results["alone", number], results["batch", number]
        assert alone[0] == batch[0]
        assert all(one.tobytes() == other.tobytes() for one, other in zip(alone[1:], batch[1:], strict=True))


def test_the_next_reconstruction_in_a_place_starts_afresh(device: Device) -> None:
    case = plane_problem(**BOUNDS)
    steps = PlaneSteps(board(device, case))
    before = OpenClEngine(steps)
    before.load(case.density, case.support, case.initial_support)
    before.limit_resolution(0.3)
    before.scale_average(2.0)
    before.step(Update("ER"))
    before.freeze()
    after, expected = OpenClEngine(steps), case.engine()
    after.load(case.density, case.support, case.initial_support)
    same_steps((after, expected), METHODS[:2])
    with pytest.raises(NumericalError, match="none was frozen"):
        after.step(Update("ER", frozen=True))


@pytest.mark.parametrize(("n_phi", "complex_density"), [(27, False), (15, True)])
def test_grids_that_do_not_fit_are_refused(n_phi: int, complex_density: bool) -> None:
    case = plane_problem(complex_density=complex_density)
    geometry = replace(case.geometry, angular=CircleGrid(n_phi))
    with pytest.raises(SettingsError, match="n_phi must be >= 17, and even for a real density"):
        PlaneLayout(geometry, case.constraints)


def test_runs_of_points() -> None:
    assert [largest_divisor(number, 8) for number in (96, 97, 12, 7, 98, 1)] == [8, 1, 6, 7, 7, 1]


def test_the_reference_programs_phases(device: Device) -> None:
    """Its transform of kind Zernike has other signs of negative odd orders."""
    case = plane_problem(complex_density=True, odd=True, r_max_convention="reference", **BOUNDS)
    radial = replace(case.geometry.radial, kind="Zernike")
    zernike = replace(case, geometry=replace(case.geometry, radial=radial))
    same_steps(pair(device, zernike), METHODS[:3], 1e-10)
