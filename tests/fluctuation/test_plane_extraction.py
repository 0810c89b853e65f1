"""Invariants of the plane: what was put into a correlation must come out of it, and what the reference finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.errors import DataError, SettingsError
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.fluctuation import plane_extraction as plane
from fxs_hpc.fluctuation.preparation import Preparation, custom_mask, prepared_blocks
from fxs_hpc.fluctuation.projection_matrices import projection_matrices, q_limits

N_Q, N_DELTA, ORDER = 5, 24, 11
RNG = np.random.default_rng(7)


def coefficients(even=True):
    """I_n (ORDER + 1, N_Q) of an intensity; order 0 real and large."""
    found = RNG.normal(size=(ORDER + 1, N_Q, 2)) @ [1, 1j]
    found[0] = 20 + np.arange(N_Q)
    if even:
        found[1::2] = 0
    return found


EVEN = coefficients()
INVARIANTS = EVEN[:, :, None] * EVEN[:, None].conj()
MEAN = EVEN[0].real


def correlation(invariants=INVARIANTS, n_delta=N_DELTA):
    """sum_n B_n e^(i n Delta), summed as it is written."""
    delta = 2 * np.pi * np.arange(n_delta) / n_delta
    total = invariants[0][..., None] + 0 * delta
    for n in range(1, len(invariants)):
        total = total + 2 * (invariants[n][..., None] * np.exp(1j * n * delta)).real
    return total.real


def extracted(values, method="back_substitution", max_order=ORDER, odd_zero=True, of_patterns=False, **options):
    blocks = prepared_blocks(values, MEAN, Preparation(**{"subtract_average_intensity": False, **options}), 2)
    return plane.invariants_from(blocks, method, max_order, N_Q, values.shape[-1], odd_zero, of_patterns)


@pytest.mark.parametrize("method", plane.METHODS)
def test_invariants_come_back(method):
    np.testing.assert_allclose(extracted(correlation(), method), INVARIANTS, atol=1e-10)


def test_correlations_of_patterns_run_the_other_way_round():
    """C = <I(q1, phi) I(q2, phi + Delta)> of one intensity, summed over phi as correlate does."""
    phi = 2 * np.pi * np.arange(N_DELTA) / N_DELTA
    waves = np.exp(1j * np.outer(np.arange(ORDER + 1), phi))
    intensity = 2 * (EVEN.T @ waves).real - EVEN[0].real[:, None]
    values = np.array([[[np.mean(a * np.roll(b, -shift)) for shift in range(N_DELTA)] for b in intensity] for a in intensity])
    np.testing.assert_allclose(extracted(values, of_patterns=True), INVARIANTS, atol=1e-10)
    assert np.abs(extracted(values) - INVARIANTS).max() > 0.1


def test_odd_orders_are_found_or_left_out():
    both = coefficients(even=False)
    invariants = both[:, :, None] * both[:, None].conj()
    np.testing.assert_allclose(extracted(correlation(invariants), odd_zero=False), invariants, atol=1e-10)
    found = extracted(correlation(invariants))
    assert not found[1::2].any()
    np.testing.assert_allclose(found[::2], invariants[::2], atol=1e-10)


def test_least_squares_leave_masked_angles_out():
    values, mask = correlation(), custom_mask(N_Q, N_DELTA, 0.17, 0.5, at_pi=False)
    values[~mask(slice(0, N_Q))] = 1e9
    np.testing.assert_allclose(extracted(values, "lstsq", mask=mask), INVARIANTS, atol=1e-8)
    assert np.abs(extracted(values, mask=mask) - INVARIANTS).max() > 1e-3


def test_least_squares_agree_with_numpy_on_any_data():
    """Noise, some angles masked: the same compromise as of the real design matrix."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(N_Q, N_Q, N_DELTA))
    valid = rng.random(values.shape) > 0.2
    found = extracted(values, "lstsq", mask=lambda rows: valid[rows])
    delta = 2 * np.pi * np.arange(N_DELTA) / N_DELTA
    orders = np.arange(0, ORDER + 1, 2)
    design = np.hstack([np.cos(np.outer(delta, orders)), -np.sin(np.outer(delta, orders[1:]))])
    for i, j in ((0, 0), (1, 4), (4, 1)):
        solution = np.linalg.lstsq(design[valid[i, j]], values[i, j, valid[i, j]])[0]
        expected = solution[: len(orders)].astype(complex)
        expected[1:] = (solution[1 : len(orders)] + 1j * solution[len(orders) :]) / 2
        np.testing.assert_allclose(found[orders, i, j], expected, atol=1e-10)


def test_too_few_angles_give_the_least_norm():
    values, valid = correlation(), np.zeros((N_Q, N_Q, N_DELTA), bool)
    valid[..., [1, 2, 5]] = True
    found = extracted(values, "lstsq", mask=lambda rows: valid[rows])
    series = correlation(found)
    np.testing.assert_allclose(series[valid], values[valid], rtol=1e-6)
    assert np.abs(found).max() < np.abs(INVARIANTS).max()


def test_masked_values_may_count_as_zero():
    values, valid = correlation(), np.ones((N_Q, N_Q, N_DELTA), bool)
    valid[1, 2, :5] = valid[3, 3] = False
    expected = np.where(valid, values, 0)
    for method in ("back_substitution", "lstsq"):
        found = extracted(values, method, mask=lambda rows: valid[rows], masked_values_to_zero=True)
        np.testing.assert_allclose(found, extracted(expected, method), atol=1e-12)
        assert not found[:, 3, 3].any()


def test_symmetries_make_the_invariants_hermitian():
    noisy = correlation() + RNG.normal(size=(N_Q, N_Q, N_DELTA))
    found = extracted(noisy, q1q2_symmetric=True)
    np.testing.assert_allclose(found, found.conj().transpose(0, 2, 1), atol=1e-12)
    np.testing.assert_allclose(found, extracted(noisy, "back_substitution_qqsym"), atol=1e-12)
    psd = extracted(noisy, "back_substitution_psd")
    assert min(np.linalg.eigvalsh(matrix)[0] for matrix in psd) > -1e-10


def test_pi_periodicity_takes_the_backward_half():
    values = correlation(n_delta=22)
    values[..., [0, 1, 2, 3, 4, 5, 17, 18, 19, 20, 21]] = 1e6
    found = extracted(values, max_order=10, pi_periodicity=True)
    np.testing.assert_allclose(found, INVARIANTS[:11], atol=1e-10)


def test_pairs_without_data_are_an_error():
    values = correlation()
    values[1, 2] = np.nan
    for method in ("lstsq", "back_substitution"):
        with pytest.raises(DataError, match="no valid angle"):
            extracted(values, method)


def test_orders_are_those_that_the_angles_resolve():
    assert plane.limited_order(100, 30) == 15  # order 15 is odd, and zero
    assert plane.limited_order(100, 30, assume_zero_odd_orders=False) == 14
    assert plane.limited_order(100, 32) == 15
    assert plane.limited_order(100, 31) == 15
    assert plane.limited_order(3, 31) == 3


def test_the_curved_sphere_has_no_place_in_the_plane():
    with pytest.raises(SettingsError, match="legendre"):
        extracted(correlation(), "legendre")


@settings(max_examples=10)
@given(st.integers(0, 2**31))
def test_solving_is_linear(seed):
    first, second = np.random.default_rng(seed).normal(size=(2, N_Q, N_Q, N_DELTA))
    for method in ("back_substitution", "lstsq"):
        parts = [extracted(values, method, odd_zero=False) for values in (first, second, first - 3 * second)]
        np.testing.assert_allclose(parts[2], parts[0] - 3 * parts[1], atol=1e-12)


def test_case_of_the_reference(data_folder):
    """Its correlation is remade from its invariants; the vectors it found stand for the same B_n."""
    reference = read_proj_data(data_folder / "xframe/2d/extract/a2_e/proj_data.h5")
    mean, n_q = reference.average_intensity, len(reference.q)
    values = correlation(reference.invariants, 30)
    blocks = prepared_blocks(values, mean, Preparation())
    found = plane.invariants_from(blocks, "back_substitution", 15, n_q, 30)
    found[0] = np.multiply.outer(mean, mean)
    limits = q_limits(reference.q, 15)
    np.testing.assert_array_equal(limits, reference.q_id_limits)
    ours = projection_matrices(found, limits, dimensions=2)
    for order, (vector, theirs) in enumerate(zip(ours, reference.projection_matrices, strict=True)):
        assert vector.shape == theirs.shape == (n_q, 1)
        size = np.abs(reference.invariants[order]).max()
        rounding = 1e-16 * np.abs(reference.invariants[0]).max()
        np.testing.assert_allclose(found[order], reference.invariants[order], atol=1e-13 * size + rounding)
        np.testing.assert_allclose(vector @ vector.conj().T, theirs @ theirs.conj().T, atol=1e-13 * size + rounding)
