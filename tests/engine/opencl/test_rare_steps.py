"""What the loop asks for now and then: on the device as on the CPU, from the same state."""

from typing import Any

import numpy as np
import pytest
from boards import Form, engine, transfer
from problems import Problem, distance, problem

from fxs_hpc.engine.interface import Engine, Update, Volume
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.errors import NumericalError

pytestmark = pytest.mark.opencl

BOUNDS: dict[str, Any] = {"lower": 0.0, "upper": 2.0, "largest_imag": 0.3}
COMPLEX = pytest.mark.parametrize("complex_density", [False, True])
EACH_FORM = pytest.mark.parametrize(
    ("complex_density", "form"), [(False, "processor"), (True, "processor"), (False, "graphics"), (True, "graphics")]
)


def pair(device: Device, case: Problem, form: Form = "processor") -> tuple[Engine, Engine]:
    """(on the device, on the CPU), loaded with the start."""
    return engine(device, case, form=form), case.engine()


def same_steps(both: tuple[Engine, Engine], updates: list[Update], tolerance: float = 1e-10) -> None:
    for number, update in enumerate(updates):
        found, expected = (made.step(update) for made in both)
        assert found == pytest.approx(expected, rel=tolerance * 10**number)
        assert distance(both[0].density(), both[1].density()) < tolerance * 10**number


def same_intensity(both: tuple[Engine, Engine]) -> None:
    found, expected = (made.intensity() for made in both)
    assert distance(found.found, expected.found) < 1e-9
    assert distance(found.imposed, expected.imposed) < 1e-9


@pytest.mark.parametrize("keep", [True, False])
@EACH_FORM
def test_frozen_intensity(device: Device, complex_density: bool, form: Form, keep: bool) -> None:
    both = pair(device, problem(complex_density=complex_density, keep_unknown_orders=keep, **BOUNDS), form)
    for made in both:
        made.step(Update("HIO", 0.6))
        made.freeze()
    same_steps(both, [Update("HIO", 0.6, frozen=True), Update("ER", frozen=True), Update("ER", stabilised=False, frozen=True)], 1e-9)
    same_intensity(both)
    for made in both:
        made.limit_resolution(0.6)
    same_steps(both, [Update("RAAR", 0.8, frozen=True)], 1e-7)
    same_intensity(both)
    assert both[0].reciprocal_errors() == pytest.approx(both[1].reciprocal_errors(), rel=1e-6)


def test_nothing_frozen(device: Device) -> None:
    with pytest.raises(NumericalError, match="none was frozen"):
        engine(device, problem()).step(Update("ER", frozen=True))


@COMPLEX
def test_a_frozen_intensity_goes_from_one_engine_to_the_other(device: Device, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, **BOUNDS)
    for one, other in (pair(device, case), pair(device, case)[::-1]):
        one.freeze()
        one.step(Update("ER", frozen=True))
        other.restore(one.snapshots(), case.initial_support)
        same_steps((one, other), [Update("HIO", 0.5, frozen=True)])


@COMPLEX
def test_another_number_of_particles(device: Device, complex_density: bool) -> None:
    both = pair(device, problem(complex_density=complex_density, **BOUNDS))
    for factor in (1.7, 0.9):
        for made in both:
            made.scale_average(factor)
        same_steps(both, [Update("ER")], 1e-9)
    same_intensity(both)


@EACH_FORM
def test_averaged_shells(device: Device, complex_density: bool, form: Form) -> None:
    both = pair(device, problem(complex_density=complex_density, averaged_shells=3, **BOUNDS), form)
    same_steps(both, [Update("HIO", 0.6), Update("RAAR", 0.8), Update("HIO", 0.6, frozenset({"support"})), Update("ER")])


def test_averaged_shells_without_support(device: Device) -> None:
    same_steps(pair(device, problem(averaged_shells=2, use_support=False, stabilised_from=1)), [Update("ER"), Update("HIO", 0.6)])


@COMPLEX
def test_errors_over_everything(device: Device, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, error_inside_initial_support=False, **BOUNDS)
    same_steps(pair(device, case), [Update("ER"), Update("HIO", 0.6), Update("ER")])


@pytest.mark.parametrize("confined", [False, True])
@COMPLEX
def test_supports_of_a_volume(device: Device, complex_density: bool, confined: bool) -> None:
    case = problem(complex_density=complex_density, **BOUNDS)
    both = pair(device, case)
    for fraction in (0.6, 0.3):
        for made in both:
            made.shrink_wrap(transfer(case), Volume(fraction), confined)
        assert np.array_equal(both[0].support(), both[1].support())
        assert both[0].support_fraction() == pytest.approx(fraction, abs=0.05)
        same_steps(both, [Update("ER")], 1e-8)
    for made in both:
        made.shrink_wrap(transfer(case), Volume(0.0), confined)
    assert not both[0].support().any() and not both[1].support().any()


@COMPLEX
def test_going_on_with_another_density(device: Device, complex_density: bool) -> None:
    case = problem(complex_density=complex_density, **BOUNDS)
    both = pair(device, case)
    for made in both:
        made.step(Update("ER"))
        made.remember()
        made.replace(1.1 * made.density()[..., ::-1])
    assert distance(both[0].density("best"), both[1].density("best")) < 1e-10
    same_steps(both, [Update("ER"), Update("HIO", 0.5)], 1e-9)
    assert np.array_equal(both[0].support(), case.support)
