"""Projection matrices: best approximation, limits, sort modes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation import projection_matrices as pm
from fxs_hpc.fluctuation.invariants import invariants_of

Q = np.linspace(0.01, 0.1, 10)


@given(st.integers(0, 2**31), st.integers(1, 8))
def test_factor_is_the_best_approximation_of_its_rank(seed, rank):
    """Eckart and Young: the error is the norm of the eigenvalues left out; no other matrix of that rank does better."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(8, 8))
    matrix = root @ root.T
    v = pm.factor(matrix, rank)
    assert v.shape == (8, rank)
    left_out = np.linalg.svd(matrix, compute_uv=False)[rank:]
    error = np.linalg.norm(v @ v.T - matrix)
    assert error == pytest.approx(np.linalg.norm(left_out), abs=1e-9)
    other = v + 0.01 * rng.normal(size=v.shape)
    assert np.linalg.norm(other @ other.T - matrix) > error - 1e-9


def test_negative_eigenvalues_are_dropped():
    matrix = np.diag([3.0, 1.0, -5.0])
    v = pm.factor(matrix, 3)
    np.testing.assert_allclose(v @ v.T, np.diag([3.0, 1.0, 0.0]), atol=1e-12)


def test_hermitian_matrices_stay_complex():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 2)) + 1j * rng.normal(size=(5, 2))
    v = pm.factor(root @ root.conj().T, 2)
    np.testing.assert_allclose(v @ v.conj().T, root @ root.conj().T, atol=1e-12)


def test_signs_do_not_depend_on_the_library():
    root = np.random.default_rng(1).normal(size=(6, 6))
    v = pm.factor(root @ root.T, 4)
    assert np.all(v[np.abs(v).argmax(axis=0), range(4)] > 0)


def test_the_median_mode_prefers_broad_vectors():
    spike, broad = np.zeros(9), np.ones(9)
    spike[4] = 10
    broad[4] = 0
    matrix = np.outer(spike, spike) + np.outer(broad, broad)
    np.testing.assert_allclose(np.abs(pm.factor(matrix, 1)[:, 0]), spike, atol=1e-9)
    np.testing.assert_allclose(np.abs(pm.factor(matrix, 1, "median_of_scaled_eigenvector")[:, 0]), broad, atol=1e-9)
    with pytest.raises(SettingsError, match="size"):
        pm.factor(matrix, 1, "size")


def test_limits_follow_the_lines():
    limits = pm.q_limits(Q, 10, lower=((0, 0.021), (10, 0.071)), upper=((0, 0.051), (10, 0.501)))
    assert limits.shape == (11, 2)
    for order, (low, high) in enumerate(limits):
        kept = (Q >= 0.021 + 0.005 * order) & (Q <= 0.051 + 0.045 * order)
        inside = np.arange(10)[kept]
        assert (low, high) == (inside[0], inside[-1] + 1)
    masks = pm.limit_masks(limits, len(Q))
    low, high = limits[3]
    assert masks[3].sum() == (high - low) ** 2 and masks[3, low, high - 1]


def test_no_limits_and_bad_lines():
    np.testing.assert_array_equal(pm.q_limits(Q, 2), [[0, 10]] * 3)
    with pytest.raises(SettingsError, match="different orders"):
        pm.q_limits(Q, 2, lower=((4, 0.1), (4, 0.2)))


def test_matrices_of_all_orders_respect_limits_and_shapes():
    coef = np.random.default_rng(0).normal(size=(8, 8, 2, 10))
    coef[0, :, 1] = 0
    invariants = invariants_of(coef)
    limits = pm.q_limits(Q, 7, lower=((0, 0.0), (7, 0.05)))
    matrices = pm.projection_matrices(invariants, limits, workers=2)
    assert [matrix.shape for matrix in matrices] == [(10, min(10, 2 * order + 1)) for order in range(8)]
    for order, (matrix, (low, high)) in enumerate(zip(matrices, limits)):
        assert not matrix[:low].any() and not matrix[high:].any()
        block = (matrix @ matrix.T)[low:high, low:high]
        np.testing.assert_allclose(block, invariants[order, low:high, low:high], atol=1e-9 * invariants.max())


def test_coefficients_with_unit_unknowns_have_the_same_invariants():
    coef = np.random.default_rng(3).normal(size=(5, 5, 2, 10))
    coef[0, :, 1] = 0
    invariants = invariants_of(coef)
    matrices = pm.projection_matrices(invariants, pm.q_limits(Q, 4))
    np.testing.assert_allclose(invariants_of(pm.coefficients(matrices)), invariants, atol=1e-9 * invariants.max())
