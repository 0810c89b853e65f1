"""Loops of the settings are carried out exactly: order, ramps, supports, errors."""

import numpy as np
import particle
import pytest

from fxs_hpc.engine.interface import Update
from fxs_hpc.fluctuation import phasing, schedule
from fxs_hpc.fluctuation.schedule import EndOfBlock, Resolution, ShrinkWrap, Step

TUTORIAL = {
    "projections__real__shrink_wrap__sigmas": [[20, [False, 5], -2], False],
    "projections__real__shrink_wrap__thresholds": [0.09, 0.07],
    "projections__real__HIO__betas": [[0.5, 0.4, -1 / 250, 500], [0.01, 0.002, -1 / 200, 200]],
}
LOOPS = "main_loop__sub_loops__"


def acts(problem) -> list:
    """Operations that do something to the density."""
    return [operation for operation in problem.operations if not isinstance(operation, EndOfBlock)]


def tutorial_loops(iterations: int = 5) -> dict:
    return {
        f"{LOOPS}main": {"methods": {"HIO": {"iterations": 60}, "ER": 40, "SW": 1}, "order": ["HIO", "SW", "ER"], "iterations": iterations},
        f"{LOOPS}refinement": {"methods": {"ER": 100, "SW": 1}, "order": ["SW", "ER"], "iterations": 1},
    }


def ramp(start, stop, rate, stop_step, step):
    """a e^(k s) + b through both points, kept at `stop` from there on."""
    k = -abs(rate) if stop < start else abs(rate)
    a = (start - stop) / (1 - np.exp(k * stop_step))
    value = a * np.exp(k * step) + start - a
    return max(value, stop) if stop < start else min(value, stop)


def test_tutorial_schedule(problem_of):
    """600 steps, 6 shrink wraps; the feedback counts every HIO and ER step of the block, the blur every SW."""
    operations = acts(problem_of(**TUTORIAL, **tutorial_loops()))
    steps = [o for o in operations if isinstance(o, Step)]
    wraps = [o for o in operations if isinstance(o, ShrinkWrap)]
    one = ["HIO"] * 60 + ["SW"] + ["ER"] * 40
    assert [o.update.method if isinstance(o, Step) else "SW" for o in operations] == one * 5 + ["SW"] + ["ER"] * 100
    assert len(steps) == 600
    for number, step in enumerate(steps[:500]):
        if step.update.method == "HIO":
            assert step.update.beta == pytest.approx(ramp(0.5, 0.4, -1 / 250, 500, number), abs=1e-14)
        assert step.update.stabilised and (step.block, step.iteration) == ("main", number // 100)
    narrow = np.pi / (particle.Q_MAX * 15.5 / 16)
    np.testing.assert_allclose([w.sigma for w in wraps], [max(s, narrow) for s in (20, 18, 16, 14, 12)] + [narrow])
    np.testing.assert_allclose([w.cut for w in wraps], [0.09] * 5 + [0.07])


def test_custom_block_of_the_tutorial(problem_of):
    methods = {"HIO": {"iterations": 100}, "ER": {"iterations": 5}, "SW": 1}
    custom = {"methods": methods, "iterations": 5, "order": ["HIO", "ER", "SW", "ER"]}
    changes = {f"{LOOPS}custom": custom, f"{LOOPS}order": ["custom"], "projections__real__shrink_wrap__sigmas": [[12, [9, 3], False]]}
    changes["projections__real__shrink_wrap__thresholds"] = [0.1]
    operations = acts(problem_of(**changes))
    one = ["HIO"] * 100 + ["ER"] * 5 + ["SW"] + ["ER"] * 5
    assert [o.update.method if isinstance(o, Step) else "SW" for o in operations] == one * 5
    # Without a slope the ramp reaches 9 at call 3 and stays there; narrower than pi / q_max = 16.2 is what was asked for.
    np.testing.assert_allclose([o.sigma for o in operations if isinstance(o, ShrinkWrap)], [12, 11, 10, 9, 9])


def test_shrink_wrap_repeats_as_configured(problem_of):
    changes = {f"{LOOPS}refinement": {"methods": {"ER": 2, "SW": {"iterations": 3}}, "order": ["SW", "ER"], "iterations": 2}}
    operations = acts(problem_of(**{f"{LOOPS}order": ["refinement"]}, **changes))
    kinds = ["S" if isinstance(o, Step) else "W" for o in operations]
    assert "".join(kinds) == "WWWSS" * 2


def test_blocks_may_run_twice_and_methods_have_own_stabilisation(problem_of):
    methods = {"HIO": {"iterations": 2, "ft_stab": False}, "RAAR": 3, "ER_ft_stab": 1}
    main = {"methods": methods, "order": ["HIO", "RAAR", "ER_ft_stab"], "iterations": 1}
    changes = {f"{LOOPS}main": main, f"{LOOPS}order": ["main", "main"], "projections__real__RAAR__beta": [0.8, 0.7]}
    steps = acts(problem_of(**changes))
    assert [s.update.method for s in steps] == ["HIO", "HIO", "RAAR", "RAAR", "RAAR", "ER"] * 2
    assert [s.update.stabilised for s in steps[:6]] == [False, False, True, True, True, True]
    assert [s.update.beta for s in steps if s.update.method == "RAAR"] == [0.8] * 3 + [0.7] * 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["all"], {"support", "value_threshold", "limit_imag", "average_center"}),
        (["support"], {"support"}),
        (["support", "value_threshold"], {"support", "value_threshold"}),
    ],
)
def test_considered_projections(problem_of, given, expected):
    operations = problem_of(projections__real__HIO__considered_projections=given).operations
    assert operations[0].update.feedback == expected


def test_resolution_schedule(problem_of):
    operations = problem_of(main_loop__resolution_schedule=[[0.5, 0.75], [1.0]]).operations
    assert [(o.block, o.fraction) for o in operations if isinstance(o, Resolution)] == [("main", 0.5), ("main", 0.75), ("refinement", 1.0)]


class Recorder:
    """An engine that notes what it is told; errors are given."""

    def __init__(self, errors):
        self.errors, self.said = iter(errors), []

    def __getattr__(self, name):
        return lambda *given: self.said.append((name, *given))

    def step(self, update):
        self.said.append(("step", update))
        return next(self.errors)


def carried_out(problem, errors) -> list:
    engine = Recorder(errors)
    list(phasing.run(engine, problem.operations, problem.rules, phasing.Progress()))
    return engine.said


def block(iterations: int, patience) -> dict:
    main = {"methods": {"ER": 2, "SW": 1}, "order": ["ER", "SW"], "iterations": iterations}
    return {f"{LOOPS}main": {**main, "best_density_not_in_first_n_iterations": patience}, f"{LOOPS}order": ["main"]}


@pytest.mark.parametrize(
    ("patience", "best_at", "recalled"), [(1, 2, True), (1, 1, False), (2, 3, False), (0, 0, True), (float("inf"), 5, False)]
)
def test_best_density_not_in_first_n_iterations(problem_of, patience, best_at, recalled):
    errors = np.full(6, 0.5)
    errors[best_at] = 0.1
    problem = problem_of(**block(3, patience))
    assert ("recall",) in carried_out(problem, errors) if recalled else ("recall",) not in carried_out(problem, errors)


@pytest.mark.parametrize(
    ("options", "confined"),
    [
        ({}, [True, False]),
        ({"apply": False}, [False, False]),
        ({"if_error_bigger_than": False}, [True, True]),
        ({"if_error_bigger_than": 0.5}, [False, False]),
    ],
)
def test_enforce_initial_support(problem_of, options, confined):
    """The default confines shrink wrap while the error is above 6e-3."""
    problem = problem_of(projections__real__projections__support__enforce_initial_support=options, **block(2, float("inf")))
    said = carried_out(problem, [0.1, 0.0061, 0.1, 0.0059])
    assert [given[-1] for given in said if given[0] == "shrink_wrap"] == confined


@pytest.mark.parametrize(
    ("kernel", "formula"),
    [
        ("gaussian", lambda q, s: np.exp(-(s**2) * q**2 / 2)),
        ("flat_top", lambda q, s: np.sqrt(2 * np.pi) * s * np.exp(-2 * np.pi**2 * s**2 * q**4)),
    ],
)
def test_kernels(problem_of, kernel, formula):
    blur = {"kernel": kernel, "sigmas": [8.0]}
    problem = problem_of(projections__real__shrink_wrap=blur, **block(1, float("inf")))
    _, transfer, threshold, _ = next(given for given in carried_out(problem, [1, 1]) if given[0] == "shrink_wrap")
    np.testing.assert_allclose(transfer, formula(problem.geometry.radial.q, 8.0))
    assert threshold == 0.08


@pytest.mark.parametrize(("combine", "expected"), [("mean", 0.35), ("min", 0.2), ("max", 0.5), ("prod", 0.1)])
def test_main_error(problem_of, combine, expected):
    methods = {
        "real": {"calculate": ["l2_projection_diff", "support_size"]},
        "reciprocal": {"calculate": ["l2_projection_diff"]},
        "main": {"metrics": {"real": ["l2_projection_diff"], "reciprocal": ["l2_projection_diff"]}, "type": combine},
    }
    problem = problem_of(main_loop__error={"methods": methods}, **block(1, float("inf")))
    engine, progress = Recorder([0.2, 0.2]), phasing.Progress()
    engine.reciprocal_errors = lambda: {"l2_projection_diff": 0.5, "deg2_invariant_l2_diff": 9.0}
    engine.support_fraction = lambda: 0.75
    list(phasing.run(engine, problem.operations, problem.rules, progress))
    assert progress.errors["main"] == pytest.approx([expected] * 2)
    assert set(progress.errors) == {"main", "real/l2_projection_diff", "real/support_size", "reciprocal/l2_projection_diff"}
    assert progress.errors["real/support_size"] == [0.75] * 2


def test_a_long_block_opens_up_by_itself(problem_of):
    """Half of q at first, all of it at the end, in the first block of at least 8 iterations; shorter blocks are left alone."""

    def fractions(**settings):
        return [o.fraction for o in problem_of(**settings).operations if isinstance(o, Resolution)]

    opened = fractions(main_loop__sub_loops={"main": {"iterations": 10}})
    assert opened[:3] == [0.5] * 3 and opened[-3:] == pytest.approx([1.0] * 3) and opened == sorted(opened) and len(opened) == 10
    assert fractions(main_loop__sub_loops={"main": {"iterations": 5}}) == []
    assert fractions(preset="reference", main_loop__sub_loops={"main": {"iterations": 10}}) == []
    assert fractions(main_loop__sub_loops={"main": {"iterations": 10}}, main_loop__resolution_schedule=False) == []


def test_the_best_density_is_of_all_of_q(problem_of):
    """Errors against half of the data are smaller than against all: the best must not come from there."""
    engine = FakeEngine([1e-5, 1e-5, 1e-3, 1e-2])
    step = schedule.Step("main", 0, Update("ER"))
    operations = (schedule.Resolution("main", 0, 0.5), step, step, schedule.Resolution("main", 1, 1.0), step, step)
    progress = phasing.Progress()
    for _ in phasing.run(engine, operations, phasing.Rules(np.ones(1)), progress):
        pass
    assert (progress.best_error, progress.best_step) == (1e-3, 2)


class FakeEngine:
    """Gives the errors it was told to."""

    def __init__(self, errors):
        self.errors = list(errors)

    def step(self, update):
        return self.errors.pop(0)

    def limit_resolution(self, fraction):
        pass

    def remember(self):
        pass
