"""Members of a batch meet in every operation, and compute what each would alone."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from boards import board, engine, transfer
from problems import problem

from fxs_hpc.engine.interface import Update
from fxs_hpc.engine.opencl.devices import Device
from fxs_hpc.engine.opencl.engine import OpenClEngine
from fxs_hpc.engine.opencl.lockstep import Lockstep
from fxs_hpc.engine.opencl.members import Member
from fxs_hpc.engine.opencl.sphere_steps import SphereSteps


def together(count: int, work: Callable[[int, Lockstep], None]) -> None:
    turns = Lockstep(count)

    def serve(number: int) -> None:
        try:
            work(number, turns)
        finally:
            turns.leave()

    threads = [threading.Thread(target=serve, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_who_asks_for_the_same_is_served_together() -> None:
    served: list[tuple[str, list[int]]] = []
    results: dict[int, list[int]] = {number: [] for number in range(4)}

    def work(number: int, turns: Lockstep) -> None:
        for turn in range(3 + number):
            key = "odd" if number % 2 and turn == 1 else f"turn {turn}"

            def operation(members: Sequence[Member], key: str = key) -> list[int]:
                served.append((key, [member.number for member in members]))
                return [10 * member.number for member in members]

            results[number].append(turns.take(Member(number), key, operation))

    together(4, work)
    assert results == {number: [10 * number] * (3 + number) for number in range(4)}
    assert sorted(served[1:3]) == [("odd", [1, 3]), ("turn 1", [0, 2])]
    assert [served[0], *served[3:]] == [
        ("turn 0", [0, 1, 2, 3]),
        ("turn 2", [0, 1, 2, 3]),
        ("turn 3", [1, 2, 3]),
        ("turn 4", [2, 3]),
        ("turn 5", [3]),
    ]


def test_a_failure_reaches_those_who_asked() -> None:
    caught: list[int] = []

    def fail(members: Sequence[Member]) -> None:
        raise ValueError("broken")

    def work(number: int, turns: Lockstep) -> None:
        try:
            turns.take(Member(number), number == 2, fail if number < 2 else lambda members: None)
        except ValueError:
            caught.append(number)

    together(3, work)
    assert sorted(caught) == [0, 1]


@pytest.mark.opencl
@pytest.mark.parametrize("complex_density", [False, True])
def test_a_batch_computes_the_bits_of_each_alone(device: Device, complex_density: bool) -> None:
    """Members differ in density, support, best and number of steps."""
    case = problem(40, complex_density=complex_density, extent=0.4)
    members = 3
    updates = [Update("HIO", 0.6), Update("ER"), Update("ER"), Update("RAAR", 0.8), Update("HIO", 0.4), Update("ER")]
    found: dict[int, OpenClEngine] = {}
    errors: dict[tuple[str, int], list[float]] = {}

    def run(name: str, number: int, made: OpenClEngine) -> None:
        made.load(case.density * (1 + 0.1 * number), case.support, case.initial_support)
        made.band_limit()
        errors[name, number] = []
        for step, update in enumerate(updates[: 4 + number]):
            errors[name, number].append(made.step(update))
            if step == number:
                made.remember()
            if step == 2:
                made.shrink_wrap(transfer(case), 0.05 + 0.1 * number, True)
            if step == 3 and number == 1:
                made.recall()
        errors[name, number] += [made.support_fraction(), *made.reciprocal_errors().values()]

    steps = SphereSteps(board(device, case, members=members))

    def work(number: int, turns: Lockstep) -> None:
        found[number] = OpenClEngine(steps, number, turns)
        run("batch", number, found[number])

    together(members, work)
    for number in range(members):
        alone = engine(device, case)
        run("alone", number, alone)
        assert errors["alone", number] == errors["batch", number]
        assert np.array_equal(alone.density(), found[number].density())
        assert np.array_equal(alone.density("best"), found[number].density("best"))
        assert np.array_equal(alone.support(), found[number].support())
