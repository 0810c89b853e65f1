"""Bookkeeping on the device: the same bits again, best density, snapshots, memory."""

import numpy as np
import plane_boards
import pytest
from boards import Form, board, engine, transfer
from plane_problems import plane_problem
from problems import Problem, problem

from fxs_hpc.engine.interface import Precision, Update
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.engine import OpenClEngine
from fxs_hpc.engine.opencl.memory import need
from fxs_hpc.engine.opencl.plane_steps import PlaneSteps
from fxs_hpc.engine.opencl.sphere_steps import SphereSteps

pytestmark = pytest.mark.opencl

SEQUENCE = [Update("HIO", 0.6), Update("ER"), Update("ER"), Update("HIO", 0.6), Update("RAAR", 0.8), Update("ER")]


def run(found: OpenClEngine, case: Problem, updates: list[Update]) -> list[float]:
    errors = []
    for number, update in enumerate(updates):
        errors.append(found.step(update))
        if number == 1:
            found.remember()
        if number == 3:
            found.shrink_wrap(transfer(case), 0.1, True)
    return errors


@pytest.mark.parametrize(
    ("precision", "complex_density", "form"),
    [("double", False, "processor"), ("single", False, "processor"), ("double", True, "processor"), ("double", False, "graphics")],
)
def test_the_same_start_gives_the_same_bits(device: Device, precision: Precision, complex_density: bool, form: Form) -> None:
    case = problem(complex_density=complex_density)
    one, two = engine(device, case, precision, form), engine(device, case, precision, form)
    assert run(one, case, SEQUENCE) == run(two, case, SEQUENCE)
    assert np.array_equal(one.density(), two.density())
    one.load(case.density, case.support, case.initial_support)
    run(one, case, SEQUENCE)
    assert np.array_equal(one.density(), two.density())


@pytest.mark.parametrize("complex_density", [False, True])
def test_a_restored_engine_continues_bit_for_bit(device: Device, complex_density: bool) -> None:
    case = problem(40, complex_density=complex_density, extent=0.3, stabilised_from=1)
    first, second = engine(device, case), engine(device, case)
    run(first, case, SEQUENCE[:5])
    second.restore(first.snapshots(), case.initial_support)
    assert run(first, case, SEQUENCE) == run(second, case, SEQUENCE)
    for which in ("last", "best"):
        assert np.array_equal(first.density(which), second.density(which))
        assert np.array_equal(first.support(which), second.support(which))


def test_snapshots_of_cpu_and_device_are_the_same_thing(device: Device) -> None:
    """A run begun on one goes on on the other."""
    case = problem(40, extent=0.3)
    cpu, found = case.engine(), engine(device, case)
    for update in SEQUENCE[:3]:
        cpu.step(update)
    found.restore(cpu.snapshots(), case.initial_support)
    assert np.array_equal(found.density(), cpu.density())
    back = case.engine()
    back.restore(found.snapshots(), case.initial_support)
    error = cpu.step(SEQUENCE[3])
    assert back.step(SEQUENCE[3]) == error
    assert found.step(SEQUENCE[3]) == pytest.approx(error, rel=1e-9)


def test_best_density_comes_back(device: Device) -> None:
    case = problem()
    found = engine(device, case)
    found.step(SEQUENCE[0])
    found.remember()
    density, support = found.density(), found.support()
    for update in SEQUENCE:
        found.step(update)
        found.shrink_wrap(transfer(case), 0.2, True)
    assert np.array_equal(found.density("best"), density)
    assert np.array_equal(found.support("best"), support)
    assert not np.array_equal(found.support(), support)
    found.recall()
    assert np.array_equal(found.density(), density)
    assert np.array_equal(found.support(), support)
    again = engine(device, case)
    again.step(SEQUENCE[0])
    assert found.step(SEQUENCE[1]) == again.step(SEQUENCE[1])


def test_size_of_the_support(device: Device) -> None:
    case = problem()
    weights = case.geometry.radial.r_weights[:, None, None] * case.geometry.angular.solid_angle
    expected = (case.support * weights).sum() / (case.initial_support * weights).sum()
    assert engine(device, case).support_fraction() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("complex_density", [False, True])
def test_memory_is_known_beforehand(device: Device, precision: Precision, complex_density: bool) -> None:
    case = problem(40, complex_density=complex_density)
    needed = need(case.geometry, case.constraints, precision, double=True)
    members = 3
    made = board(device, case, precision, members)
    steps = SphereSteps(made)
    for number in range(members):
        loaded = OpenClEngine(steps, number)
        loaded.load(case.density, case.support, case.initial_support)
        run(loaded, case, SEQUENCE)
    taken = sum(buffer.size for buffer in made.buffers.values()) + made.table_bytes
    assert 0.6 * needed.of(members) < taken <= needed.of(members)
    assert max(buffer.size for buffer in made.buffers.values()) <= max(members * needed.largest_buffer, needed.shared)


@pytest.mark.parametrize(("precision", "complex_density"), [("double", False), ("single", True)])
def test_memory_in_the_plane_is_known_beforehand(device: Device, precision: Precision, complex_density: bool) -> None:
    case = plane_problem(40, 36, complex_density=complex_density, averaged_shells=2)
    needed, members = need(case.geometry, case.constraints, precision, double=True), 3
    made = plane_boards.board(device, case, precision, members)
    steps = PlaneSteps(made)
    for number in range(members):
        loaded = OpenClEngine(steps, number)
        loaded.load(case.density, case.support, case.initial_support)
        loaded.freeze()
        loaded.step(Update("ER", frozen=True))
        loaded.shrink_wrap(plane_boards.transfer(case), 0.1, False)
    taken = sum(buffer.size for buffer in made.buffers.values()) + made.table_bytes
    assert 0.6 * needed.of(members) < taken <= needed.of(members)
    assert max(buffer.size for buffer in made.buffers.values()) <= max(members * needed.largest_buffer, needed.shared)


def test_a_step_is_few_launches(device: Device) -> None:
    """Of all reconstructions together: starting kernels must not take longer than the work of a large GPU."""
    space, plane = problem(), plane_problem()
    for steps, case, expected in (
        (SphereSteps(board(device, space, members=2)), space, 17),
        (PlaneSteps(plane_boards.board(device, plane, members=2)), plane, 14),
    ):
        engines = [OpenClEngine(steps, number) for number in range(2)]
        for loaded in engines:
            loaded.load(case.density, case.support, case.initial_support)
        before = steps.board.launches
        steps.step([loaded._member for loaded in engines], Update("HIO", 0.5))
        assert steps.board.launches - before == expected
