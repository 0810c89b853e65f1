"""The loop's own decisions: stopping rules, linked stabilisation, frozen stretches, the number of particles. The engine is a script."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fxs_hpc.errors import NumericalError
from fxs_hpc.fluctuation import phasing
from fxs_hpc.fluctuation.particle_number import ParticleSearch, gradient, least, spaced
from fxs_hpc.fluctuation.schedule import (
    Block,
    Centre,
    CountParticles,
    EndOfBlock,
    Freeze,
    Method,
    Operation,
    Resolution,
    ShrinkWrap,
    Step,
    schedule,
    step_count,
)
from fxs_hpc.fluctuation.stopping import GainLimit, Limits

ER, HIO, SW = Method("ER", 1), Method("HIO", 1), Method("SW", 1)
RULES = phasing.Rules(np.ones(1))


def block(name: str, methods: Sequence[Method], iterations: int, **given: Any) -> Block:
    return Block(name, methods, iterations, *[lambda count: 0.5] * 4, frozenset(), **given)


class Script:
    """An engine that returns given errors and notes what it is told."""

    def __init__(self, errors: Sequence[float]) -> None:
        self.errors: Iterator[float] = iter(errors)
        self.said: list[tuple] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.said.append((name, *given))

    def step(self, update: Any) -> float:
        self.said.append(("step", update))
        return next(self.errors)

    def density(self) -> str:
        return "density"

    def told(self, name: str) -> list:
        return [given[1] if len(given) > 1 else None for given in self.said if given[0] == name]


def carried_out(operations: Sequence[Operation], errors: Sequence[float], rules: phasing.Rules = RULES) -> tuple[Script, phasing.Progress]:
    engine, progress = Script(errors), phasing.Progress()
    list(phasing.run(engine, operations, rules, progress))  # type: ignore[arg-type]
    return engine, progress


# --- schedule


def kinds(operations: Sequence[Operation]) -> str:
    letters = {Step: "s", ShrinkWrap: "w", Centre: "c", Freeze: "F", CountParticles: "n", Resolution: "r", EndOfBlock: "."}
    return "".join("f" if isinstance(o, Step) and o.update.frozen else letters[type(o)] for o in operations)


def test_a_row_of_frozen_methods_is_frozen_once() -> None:
    frozen = Method("HIO", 2, frozen=True)
    methods = [ER, frozen, SW, replace(frozen, name="ER"), ER, frozen]
    assert kinds(schedule([block("a", methods, 2)])) == "sFffwffsFff" * 2 + "."
    assert kinds(schedule([block("a", [frozen], 2), block("b", [frozen], 1)])) == "Fffff.Fff."
    assert kinds(schedule([block("a", [replace(frozen, iterations=0), ER], 1)])) == "s."


def test_the_density_is_centred_before_each_new_support() -> None:
    assert kinds(schedule([block("a", [ER, Method("SW", 2, centred=True), SW], 1)])) == "scwcww."


def test_particles_are_counted_after_a_method_if_steps_follow() -> None:
    counting = Method("ER", 2, counts_particles=True)
    assert kinds(schedule([block("a", [HIO, counting, SW], 2), block("b", [SW, counting], 1)])) == "sssnwsssnw.wss."


# --- linked stabilisation


@pytest.mark.parametrize(
    ("delay", "above", "expected"),
    [
        (0, 0.1, [True, True, False, True, False]),
        (1, 0.1, [True, True, True, True, True]),
        (0, np.inf, [False] * 5),
        (0, -np.inf, [True] * 5),
        (9, 0.1, [True] * 5),
    ],
)
def test_stabilisation_linked_to_the_initial_support(delay: int, above: float, expected: list[bool]) -> None:
    """While the last error is above the limit, and `delay` steps longer; whatever the method's own flag."""
    operations = schedule([block("a", [Method("ER", 5, stabilised=False, delay=delay)], 1)])
    engine, _ = carried_out(operations, [0.2, 0.05, 0.2, 0.05, 0.05], replace(RULES, enforce_above=above))
    assert [update.stabilised for update in engine.told("step")] == expected


# --- stopping rules


def limits(ends: str, **below: float) -> phasing.Rules:
    return replace(RULES, limits=Limits(below, ends))  # type: ignore[arg-type]


def test_limits_end_the_run() -> None:
    operations = schedule([block("a", [ER], 5), block("b", [ER], 5)])
    _, progress = carried_out(operations, [0.5, 0.3, 0.1, 0.01], limits("run", main=0.2))
    assert progress.errors["main"] == [0.5, 0.3, 0.1] and progress.position == len(operations)
    assert phasing.steps_in_all(operations, progress) == 3


def test_limits_end_the_block() -> None:
    operations = schedule([block("a", [ER], 5), block("b", [ER], 3)])
    _, progress = carried_out(operations, [0.5, 0.1, 0.6, 0.05, 0.01], limits("block", main=0.2))
    assert progress.errors["main"] == [0.5, 0.1, 0.6, 0.05] and progress.position == len(operations)


def test_all_limits_must_be_met() -> None:
    rules = replace(limits("run", main=0.2, **{"real/support_size": 0.5}), metrics=("real/l2_projection_diff", "real/support_size"))
    engine, progress = Script([0.1, 0.3, 0.1, 0.1]), phasing.Progress()
    sizes = iter([0.9, 0.4, 0.4, 0.4])
    engine.support_fraction = lambda: next(sizes)
    list(phasing.run(engine, schedule([block("a", [ER], 4)]), rules, progress))  # type: ignore[arg-type]
    assert progress.steps == 3


def test_rules_wait_for_the_full_resolution() -> None:
    operations = schedule([block("a", [ER], 4, resolutions=(0.5, 0.7, 1.0)), block("b", [ER], 1)])
    _, progress = carried_out(operations, [0.01, 0.01, 0.5, 0.01], limits("run", main=0.2))
    assert progress.steps == 4
    _, progress = carried_out(operations, [0.01] * 3, limits("run", main=0.2))
    assert progress.steps == 3


@pytest.mark.parametrize(
    ("errors", "steps"),
    [
        ([0.8, 0.4, 0.2, 0.1, 0.05, 0.025], 6),
        ([0.8, 0.4, 0.399, 0.398, 0.1, 0.1], 4),
        ([0.4, 0.8, 0.8, 0.1, 0.1, 0.1], 3),
    ],
)
def test_a_block_ends_when_it_gains_too_little(errors: list[float], steps: int) -> None:
    """The best of the last two steps against the best before them."""
    rules = replace(RULES, gain_limit=GainLimit(0.1, 2))
    operations = schedule([block("a", [ER], 6), block("b", [ER], 1)])
    _, progress = carried_out(operations, [*errors[:steps], 0.7], rules)
    assert progress.errors["main"] == [*errors[:steps], 0.7] and progress.position == len(operations)


def test_gain_over_an_iteration_of_the_block() -> None:
    """HIO raises the error within each iteration: only whole iterations compare."""
    rules = replace(RULES, gain_limit=GainLimit(0.1))
    errors = [0.9, 0.4, 0.9, 0.3, 0.9, 0.29, 0.9, 0.1]
    _, progress = carried_out(schedule([block("a", [HIO, ER], 4)]), errors, rules)
    assert progress.steps == 6


def test_a_change_of_the_data_begins_the_comparison_anew() -> None:
    rules = replace(RULES, gain_limit=GainLimit(0.1, 2))
    operations = schedule([block("a", [Method("ER", 3)], 2, resolutions=(0.5, 1.0))])
    _, progress = carried_out(operations, [0.1, 0.1, 0.1, 0.5, 0.4, 0.3], rules)
    assert progress.steps == 6


@pytest.mark.parametrize(("patience", "recalled"), [(1, True), (2, False)])
def test_the_way_back_counts_from_where_the_block_began(patience: int, recalled: bool) -> None:
    """The first block ended early: the second begins at step 2, and its best is found in its second iteration."""
    operations = schedule([block("a", [ER], 9), block("b", [ER], 3, patience=patience)])
    engine, progress = carried_out(operations, [0.9, 0.5, 0.9, 0.4, 0.6], limits("block", main=0.55))
    assert progress.steps == 4 and progress.best_step == 3
    assert (("recall",) in engine.said) == recalled


@pytest.mark.parametrize("ends", ["run", "block"])
def test_an_interrupted_run_stops_where_the_other_does(ends: str) -> None:
    operations = schedule([block("a", [HIO, ER], 5, patience=1), block("b", [ER], 6)])
    rules = replace(limits(ends, main=0.04), gain_limit=GainLimit(0.2, 3))
    errors = [0.9, 0.3, 0.8, 0.2, 0.7, 0.19, 0.6, 0.5, 0.1, 0.05, 0.03, 0.02]
    whole, expected = carried_out(operations, errors, rules)
    progress, said = phasing.Progress(), []
    while progress.position < len(operations):
        engine = Script(errors[progress.steps :])
        next(phasing.run(engine, operations, rules, progress))  # type: ignore[arg-type]
        said += engine.said
    assert progress == expected and 0 < progress.steps < step_count(operations)
    assert said == whole.said


# --- errors


def test_orders_are_recorded_one_by_one() -> None:
    class Errors:
        def __call__(self, names: Sequence[str], pair: str) -> dict[str, float]:
            assert pair == "pair"
            return dict.fromkeys(names, 0.7)

        def by_order(self, pair: str, orders: Sequence[int]) -> dict[int, float]:
            return {order: order / 10 for order in orders if order < 5}

    rules = replace(RULES, metrics=("reciprocal/ccd_diff",), error_orders=(2, 4, 6), invariant_errors=Errors())
    rules = replace(rules, main=("real/l2_projection_diff", "reciprocal/ccd_diff"), combine="max")
    engine, progress = Script([0.1, 0.9]), phasing.Progress()
    engine.intensity = lambda: "pair"
    list(phasing.run(engine, schedule([block("a", [ER], 2)]), rules, progress))  # type: ignore[arg-type]
    assert progress.errors == {
        "main": [0.7, 0.9],
        "reciprocal/ccd_diff": [0.7] * 2,
        "reciprocal/deg2_invariant_l2_diff_order_2": [0.2] * 2,
        "reciprocal/deg2_invariant_l2_diff_order_4": [0.4] * 2,
    }


# --- number of particles

CANDIDATES = spaced(1, 16, 9)
COUNTING = replace(RULES, particles=ParticleSearch(4.0, CANDIDATES))


def valley(number: float) -> list[float]:
    """Errors of the candidates, least at `number`."""
    return [0.01 + np.log(candidate / number) ** 2 for candidate in CANDIDATES]


def test_the_least_error_between_candidates() -> None:
    assert least(CANDIDATES, valley(6.3)) == pytest.approx(6.3)
    assert least(CANDIDATES, valley(0.5)) == pytest.approx(1) and least(CANDIDATES, valley(50)) == pytest.approx(16)
    assert least(CANDIDATES, [1.0] * 4 + [0.9] + [1.0] * 4) == pytest.approx(4)
    assert abs(gradient(CANDIDATES, valley(4.0), 4.0)) < 1e-9
    assert gradient(CANDIDATES, valley(4.0), 8.0) == pytest.approx(2 * np.log(2) / (0.01 + np.log(2) ** 2), rel=0.3)


@pytest.mark.parametrize("project", [True, False])
def test_counting_particles(project: bool) -> None:
    operations = schedule([block("a", [Method("ER", 1, counts_particles=True)], 3)])
    rules = replace(COUNTING, particles=ParticleSearch(4.0, CANDIDATES, project))
    engine, progress = carried_out(operations, [0.1, *valley(6.3), 0.2, *valley(5.0), 0.3], rules)
    assumed = [16, 6.3, 5.0] if project else [4.0] * 3
    assert progress.particles["assumed"] == pytest.approx(assumed)
    assert progress.particles["estimated"] == pytest.approx([6.3, 5.0])
    assert progress.particles["fraction"] == pytest.approx([6.3 / assumed[0], 5.0 / assumed[1]])
    assert progress.errors["main"] == [0.1, 0.2, 0.3]
    scan = [np.sqrt(4 / candidate) for candidate in CANDIDATES]
    after = [np.sqrt(4 / number) for number in assumed]
    assert engine.told("scale_average") == pytest.approx([after[0], *scan, after[1], *scan, after[2]])
    assert engine.told("replace") == ["density"] * 20
    # Errors with another number of particles do not compare.
    assert progress.best_step == (2 if project else 0) and len(engine.told("remember")) == (3 if project else 1)


def test_a_settled_number_stays() -> None:
    operations = schedule([block("a", [Method("ER", 1, counts_particles=True)], 4)])
    _, progress = carried_out(operations, [0.1, *valley(6.3), 0.2, *valley(6.2), 0.3, 0.4], COUNTING)
    assert progress.particles["assumed"] == pytest.approx([16, 6.3, 6.2, 6.2]) and len(progress.particles["estimated"]) == 2


def test_a_continued_run_assumes_what_was_found() -> None:
    progress = phasing.Progress(position=3, particles={"estimated": [9.0, 6.0]})
    engine = Script([])
    phasing.prepare(engine, (), COUNTING, progress)  # type: ignore[arg-type]
    assert engine.told("scale_average") == pytest.approx([np.sqrt(4 / 6)])


def test_a_density_that_vanished_has_no_number() -> None:
    operations = schedule([block("a", [Method("ER", 1, counts_particles=True), ER], 1)])
    with pytest.raises(NumericalError, match="number of particles cannot be estimated"):
        carried_out(operations, [0.1, *[np.nan] * 9], COUNTING)
