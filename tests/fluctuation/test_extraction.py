"""Solvers: what was put into a correlation must come out of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.fluctuation import extraction, shapes
from fxs_hpc.fluctuation.correlation import correlation_angles, correlation_blocks, ewald_cosine
from fxs_hpc.fluctuation.invariants import average_intensity, invariants_of
from fxs_hpc.fluctuation.preparation import Preparation, custom_mask, prepared_blocks
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

ORDER = 12
Q = np.linspace(0.05, 0.3, 6)
WAVELENGTH = 3.0
COSINE = ewald_cosine(Q, WAVELENGTH)


def simulated():
    solids = shapes.build(["sphere", "tetrahedron"], [(15, 1, 2), (12, 2, 4)], [9, 14], [1, 2], [False, True], 0)
    grid = AngularGrid(40, 80)
    amplitude = shapes.amplitude(solids, grid.directions()[:, :, None, :] * Q[:, None])
    return invariants_of(SphericalTransform(grid, ORDER).analyse(np.abs(amplitude) ** 2))


INVARIANTS = simulated()
AVERAGE = average_intensity(INVARIANTS[0])


def correlation(method="back_substitution", invariants=INVARIANTS):
    return np.concatenate([block for _, block in correlation_blocks(invariants, Q, WAVELENGTH, method)])


def extracted(values, method, max_order=ORDER, odd_zero=True, **options):
    blocks = prepared_blocks(values, AVERAGE, Preparation(**options), 4)
    return extraction.invariants_from(blocks, method, max_order, values.shape[-1], COSINE, odd_zero)


def assert_recovered(found, reference=INVARIANTS, tolerance=1e-9, first=2):
    for order in range(first, len(found), 2):
        scale = np.abs(reference[order]).max()
        np.testing.assert_allclose(found[order], reference[order], atol=tolerance * scale + 3e-14 * reference[0].max())
    assert not found[1::2].any()


@pytest.mark.parametrize(
    "method", ["back_substitution", "back_substitution_psd", "back_substitution_qqsym", "back_substitution_memory_hungry", "lstsq"]
)
def test_even_invariants_come_back(method):
    assert_recovered(extracted(correlation(), method, subtract_average_intensity=False), first=0)
    assert_recovered(extracted(correlation(), method), first=2)


def test_legendre_inverts_the_flat_ewald_sphere():
    assert_recovered(extracted(correlation("legendre"), "legendre", subtract_average_intensity=False), first=0)


@pytest.mark.parametrize("method", ["back_substitution", "lstsq", "legendre"])
def test_orders_above_the_wanted_ones_do_not_leak(method):
    values = correlation("legendre" if method == "legendre" else "back_substitution")
    found = extracted(values, method, max_order=6)
    assert found.shape == (7, len(Q), len(Q))
    assert_recovered(found)


def test_without_the_assumption_odd_orders_come_out_as_zero():
    found = extracted(correlation(), "back_substitution", odd_zero=False)
    assert np.abs(found[1::2]).max() < 1e-10 * INVARIANTS[2].max()
    np.testing.assert_allclose(found[2], INVARIANTS[2], atol=1e-10 * INVARIANTS[2].max())


@pytest.mark.parametrize("options", [{"pi_periodicity": False, "q1q2_symmetric": True}])
def test_symmetric_data_stay_what_they_are(options):
    assert_recovered(extracted(correlation(), "back_substitution", **options))


def test_least_squares_leaves_masked_angles_out():
    values = correlation()
    mask = custom_mask(len(Q), values.shape[-1], 0.09, 0.4)
    values[~mask(slice(0, len(Q)))] = 1e30
    assert_recovered(extracted(values, "lstsq", mask=mask), tolerance=1e-7)


def test_least_squares_agrees_with_numpy_on_any_data():
    """Noise has parts that no B_l explains, up to the Nyquist component; the compromise must be the same."""
    values = np.random.default_rng(5).normal(size=(len(Q), len(Q), 2 * ORDER))
    found = extracted(values, "lstsq", subtract_average_intensity=False)
    for i, j in ((0, 0), (1, 4), (4, 1)):
        x = COSINE[i] * COSINE[j] + np.sqrt((1 - COSINE[i] ** 2) * (1 - COSINE[j] ** 2)) * np.cos(correlation_angles(ORDER))
        design = np.polynomial.legendre.legvander(x, ORDER)[:, ::2] / (4 * np.pi)
        np.testing.assert_allclose(found[::2, i, j], np.linalg.lstsq(design, values[i, j])[0], rtol=1e-8)


def test_least_squares_agrees_with_numpy_where_angles_are_few():
    values = correlation()
    valid = np.zeros(values.shape, bool)
    valid[..., [1, 2, 5, 9]] = True
    found = extracted(values, "lstsq", subtract_average_intensity=False, mask=lambda rows: valid[rows])
    delta = correlation_angles(ORDER)[[1, 2, 5, 9]]
    x = COSINE[2] * COSINE[4] + np.sqrt((1 - COSINE[2] ** 2) * (1 - COSINE[4] ** 2)) * np.cos(delta)
    design = np.polynomial.legendre.legvander(x, ORDER)[:, ::2] / (4 * np.pi)
    expected = np.linalg.lstsq(design, values[2, 4, [1, 2, 5, 9]], rcond=1e-12)[0]
    np.testing.assert_allclose(found[::2, 2, 4], expected, rtol=1e-6, atol=1e-12 * np.abs(expected).max())


def test_back_substitution_interpolates_masked_angles():
    values = correlation()
    hole = values.copy()
    hole[2, 3, 4] = np.nan
    found = extracted(hole, "back_substitution")
    filled = values.copy()
    filled[2, 3, 4] = (values[2, 3, 3] + values[2, 3, 5]) / 2
    expected = extracted(filled, "back_substitution")
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12 * np.abs(expected).max())


def test_pairs_without_data_are_an_error():
    values = correlation()
    values[1, 2] = np.nan
    for method in ("lstsq", "back_substitution"):
        with pytest.raises(DataError, match="no valid angle"):
            extracted(values, method)


@settings(max_examples=10)
@given(st.integers(0, 2**31))
def test_solving_is_linear(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, len(Q), len(Q), 2 * ORDER))
    for method in ("back_substitution", "lstsq", "legendre"):
        parts = [extracted(values, method, subtract_average_intensity=False) for values in (first, second, first - 3 * second)]
        np.testing.assert_allclose(parts[2], parts[0] - 3 * parts[1], rtol=1e-6, atol=1e-9 * np.abs(parts[0]).max())


def test_nearest_psd_has_no_negative_eigenvalue_and_keeps_psd():
    matrix = np.random.default_rng(0).normal(size=(6, 6))
    projected = extraction.nearest_psd(matrix)
    assert np.linalg.eigvalsh(projected)[0] > -1e-12
    np.testing.assert_allclose(extraction.nearest_psd(matrix @ matrix.T), matrix @ matrix.T)
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    distance = np.linalg.norm(projected - (matrix + matrix.T) / 2)
    assert distance == pytest.approx(np.linalg.norm(values[values < 0]))


def test_orders_are_limited_by_the_angles_and_by_the_curvature():
    assert extraction.limited_order(100, 30) == 15
    assert extraction.solved_order(5, 30, np.array([0.01])) == 15
    assert extraction.solved_order(5, 400, np.array([0.5])) == 8
    assert extraction.solved_order(5, 400, np.array([0.9])) == 5


def test_unknown_methods_are_refused():
    with pytest.raises(SettingsError, match="inverse"):
        extracted(correlation(), "inverse")
