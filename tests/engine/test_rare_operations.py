"""What few runs ask of the engine: frozen intensities, another number of particles, supports by volume, another density."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import distance, problem

from fxs_hpc.engine.interface import Constraints, Update, Volume
from fxs_hpc.engine.numpy_engine import NumpyEngine
from fxs_hpc.engine.support_volume import level_of_volume
from fxs_hpc.errors import NumericalError

KINDS = pytest.mark.parametrize(("complex_density", "keep"), [(False, True), (False, False), (True, True), (True, False)])


@KINDS
@pytest.mark.parametrize("fraction", [1.0, 0.6])
def test_a_frozen_intensity_is_imposed_again(fraction: float, complex_density: bool, keep: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep)
    engine = case.engine()
    oracle, state = case.oracle()
    engine.step(Update("HIO", 0.5))
    oracle.step(state, Update("HIO", 0.5))
    engine.freeze()
    oracle.frozen = oracle.goal(np.abs(oracle.forward(state.density)) ** 2)
    engine.limit_resolution(fraction)
    oracle.open_shells = case.geometry.radial.q <= fraction * case.geometry.radial.q_max
    for number, update in enumerate((Update("HIO", 0.5, frozen=True), Update("ER", frozen=True, stabilised=False), Update("ER"))):
        assert engine.step(update) == pytest.approx(oracle.step(state, update), rel=1e-9 * 10**number)
    assert distance(engine.density(), state.density) < 1e-7


@KINDS
def test_the_step_after_freezing_is_the_same_frozen_or_not(complex_density: bool, keep: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep)
    one, two = case.engine(), case.engine()
    two.freeze()
    assert two.step(Update("ER", frozen=True)) == pytest.approx(one.step(Update("ER")), rel=1e-10)
    assert distance(two.density(), one.density()) < 1e-10


def test_errors_of_a_frozen_step_are_against_the_frozen_intensity() -> None:
    case = problem()
    engine = case.engine()
    oracle, state = case.oracle()
    engine.freeze()
    goal = oracle.goal(np.abs(oracle.forward(state.density)) ** 2)
    engine.step(Update("ER", frozen=True))
    pair, expected = engine.intensity(), oracle.intensity_harmonics.analyse(goal)
    column, found = oracle.intensity_harmonics.of(4)[6], pair.imposed[2, 4]
    np.testing.assert_allclose(found[0] + 1j * found[1], expected[:, column], atol=1e-9 * np.abs(expected).max())


def test_a_frozen_step_without_a_frozen_intensity_is_refused() -> None:
    with pytest.raises(NumericalError, match="none was frozen"):
        problem().engine().step(Update("ER", frozen=True))


@KINDS
def test_a_frozen_intensity_is_restored(complex_density: bool, keep: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep)
    first = case.engine("single")
    first.step(Update("HIO", 0.5))
    first.freeze()
    first.step(Update("ER", frozen=True))
    kept = [replace(one, density=one.density.copy(), support=one.support.copy()) for one in first.snapshots()]
    second = NumpyEngine(case.geometry, case.constraints, "single")
    second.restore(kept, case.initial_support)
    for update in (Update("HIO", 0.5, frozen=True), Update("ER"), Update("ER", frozen=True)):
        assert first.step(update) == second.step(update)
        assert first.reciprocal_errors() == second.reciprocal_errors()
    assert np.array_equal(first.density(), second.density())


@KINDS
def test_another_number_of_particles(complex_density: bool, keep: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep)
    engine = case.engine()
    oracle, state = case.oracle()
    engine.scale_average(0.6)
    oracle.average = 0.6
    assert engine.step(Update("ER")) == pytest.approx(oracle.step(state, Update("ER")), rel=1e-10)
    assert distance(engine.density(), state.density) < 1e-10
    engine.scale_average(1.0)
    oracle.average = 1.0
    assert engine.step(Update("ER")) == pytest.approx(oracle.step(state, Update("ER")), rel=1e-9)


@KINDS
@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_intensity_before_and_after_the_projection(fraction: float, complex_density: bool, keep: bool) -> None:
    case = problem(complex_density=complex_density, keep_unknown_orders=keep)
    engine = case.engine()
    oracle, state = case.oracle()
    engine.limit_resolution(fraction)
    oracle.open_shells = case.geometry.radial.q <= fraction * case.geometry.radial.q_max
    old, new = oracle.projected_coefficients(np.abs(oracle.forward(state.density)) ** 2)
    engine.step(Update("HIO", 0.5))
    pair, scale = engine.intensity(), np.abs(old).max()
    assert pair.found.shape == pair.imposed.shape == (*[oracle.intensity_harmonics.l_max + 1] * 2, 2, case.geometry.radial.n_points)
    for l in range(oracle.intensity_harmonics.l_max + 1):
        columns = oracle.intensity_harmonics.of(l)[l:]
        for part, expected in ((pair.found, old), (pair.imposed, new)):
            found = part[: l + 1, l, 0] + 1j * part[: l + 1, l, 1]
            np.testing.assert_allclose(found, expected[:, columns].T, atol=1e-10 * scale)


def test_another_density_takes_the_place_of_the_last_one_alone() -> None:
    case = problem(40, extent=0.3)
    engine = case.engine()
    engine.step(Update("ER"))
    engine.remember()
    best = engine.density("best")
    engine.replace(case.density)
    assert np.array_equal(engine.density("best"), best) and np.array_equal(engine.density(), case.density)
    fresh = NumpyEngine(case.geometry, case.constraints, "double")
    fresh.load(case.density, case.support, case.initial_support)
    assert engine.step(Update("HIO", 0.5)) == fresh.step(Update("HIO", 0.5))


@pytest.mark.parametrize("fraction", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("confined", [True, False])
def test_shrink_wrap_to_a_volume(fraction: float, confined: bool) -> None:
    """The support is what a threshold gives, and one voxel less would be too small."""
    case = problem()
    engine, transfer = case.engine(), np.exp(-((30 * case.geometry.radial.q) ** 2))
    engine.shrink_wrap(transfer, Volume(fraction), confined)
    volume = case.geometry.radial.r_weights[:, None, None] * case.geometry.angular.solid_angle
    wanted = fraction * volume[case.initial_support].sum()
    allowed = case.initial_support if confined else np.ones_like(case.support)
    if wanted > volume[allowed].sum():
        assert np.array_equal(engine.support(), allowed)
        return
    oracle, _ = case.oracle()
    blurred = np.maximum(oracle.inverse(transfer[:, None, None] * oracle.forward(np.abs(case.density))).real, 0)
    inside, smallest = engine.support(), np.min(blurred[engine.support()])
    assert not inside[~allowed].any() and blurred[allowed & ~inside].max() < smallest + 1e-12
    assert volume[inside].sum() >= wanted * (1 - 1e-12)
    assert volume[inside].sum() - volume[inside].max() <= wanted


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0.1, 3)), min_size=1, max_size=12), st.floats(0, 20))
def test_level_of_a_volume(voxels: list[tuple[int, float]], wanted: float) -> None:
    """All voxels at the level or above fill what is wanted; those strictly above do not."""
    values, volumes = (np.array(column, float) for column in zip(*voxels))
    level = level_of_volume(values, volumes, wanted)
    if wanted == 0:
        assert level == np.inf
        return
    assert volumes[values > level].sum() < wanted
    assert volumes[values >= level].sum() >= min(wanted, volumes.sum()) * (1 - 1e-12)


def test_without_data_frozen_steps_keep_the_density() -> None:
    """Nothing known, no support: the frozen intensity is the density's own, and nothing changes."""
    case = problem()
    free = Constraints(replace(case.constraints.reciprocal, projection_matrices={}, spherical_average=None), use_support=False)
    engine = NumpyEngine(case.geometry, free, "double")
    engine.load(case.density, case.support, case.initial_support)
    engine.freeze()
    engine.step(Update("ER", frozen=True))
    assert distance(engine.density(), case.density) < 1e-12
