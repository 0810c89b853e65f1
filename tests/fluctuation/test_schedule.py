"""Ramps and the flat schedule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.fluctuation.schedule import Block, EndOfBlock, Method, ShrinkWrap, Step, exponential_ramp, linear_ramp, schedule

values = st.floats(-5, 5)
NAMES = ("HIO", "ER", "RAAR", "SW")


@given(values, values, st.floats(1e-3, 1).map(lambda k: k), st.floats(1, 500), st.floats(0, 2000), st.sampled_from([1, -1]))
def test_exponential_ramp(start, stop, rate, stop_step, step, sign):
    """Begins at start, is at stop from stop_step on, never leaves the interval, runs one way; the sign of the rate does not count."""
    ramp = exponential_ramp(start, stop, sign * rate, stop_step)
    low, high = sorted((start, stop))
    assert ramp(0) == pytest.approx(start, abs=1e-9)
    assert ramp(stop_step) == pytest.approx(stop, abs=1e-6) and ramp(stop_step + step) == pytest.approx(stop, abs=1e-6)
    assert low - 1e-9 <= ramp(step) <= high + 1e-9
    assert (ramp(step + 1) - ramp(step)) * (stop - start) >= -1e-12


def test_exponential_ramp_of_the_tutorial():
    ramp = exponential_ramp(0.5, 0.4, -1 / 250, 500)
    steps = np.arange(0, 501, 100)
    np.testing.assert_allclose([ramp(s) for s in steps], 0.5 - 0.1 * (1 - np.exp(-steps / 250)) / (1 - np.exp(-2)))


@given(values, values, st.floats(-3, 3), st.integers(0, 200))
def test_linear_ramp(start, stop, slope, call):
    ramp = linear_ramp(start, stop, slope)
    if slope == 0:
        assert ramp(call) == start
    elif (stop - start) * slope >= 0:
        assert ramp(call) == pytest.approx(start + min(abs(slope) * call, abs(stop - start)) * np.sign(slope))
    else:
        assert ramp(call) == pytest.approx(stop)


methods = st.builds(Method, st.sampled_from(NAMES), st.integers(0, 4), st.booleans())
blocks = st.lists(st.tuples(st.lists(methods, max_size=4), st.integers(0, 3), st.sampled_from([0, 1, 2, np.inf])), max_size=3)


def block(number, methods, iterations, patience):
    return Block(
        str(number), methods, iterations, lambda s: s, lambda s: -s, lambda c: 10.0 + c, lambda c: c / 100, frozenset({"support"}), patience
    )


@given(blocks)
def test_schedule_is_what_its_blocks_say(description):
    """Methods in order, parameters by the counts within the block, the way back at its end."""
    expected = []
    for number, (block_methods, iterations, patience) in enumerate(description):
        steps, calls = 0, 0
        for iteration in range(iterations):
            for method in block_methods:
                for _ in range(method.iterations):
                    if method.name == "SW":
                        expected.append(("SW", str(number), iteration, 10.0 + calls, calls / 100))
                        calls += 1
                    else:
                        beta = {"HIO": steps, "RAAR": -steps, "ER": 0}[method.name]
                        expected.append((method.name, str(number), iteration, beta, method.stabilised))
                        steps += 1
        per_iteration = sum(m.iterations for m in block_methods if m.name != "SW")
        expected.append(("end", str(number), patience * per_iteration if np.isfinite(patience) else np.inf, per_iteration))

    def row(operation):
        match operation:
            case Step():
                return (operation.update.method, operation.block, operation.iteration, operation.update.beta, operation.update.stabilised)
            case ShrinkWrap():
                return ("SW", operation.block, operation.iteration, operation.sigma, operation.cut)
            case EndOfBlock():
                return ("end", operation.block, operation.patience, operation.steps_per_iteration)

    found = schedule([block(number, *given) for number, given in enumerate(description)])
    assert [row(operation) for operation in found] == expected


def test_description():
    text = block("main", [Method("HIO", 60), Method("SW", 1), Method("ER", 40)], 5, np.inf).describe()
    assert text == "main: 5x( 60xHIO 1xSW 40xER )"
