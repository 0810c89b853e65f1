"""The fit of the unknown orthogonal matrices and the projection onto the invariants."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.engine.procrustes import ProcrustesProjection, ReciprocalConstraint, invariants_of, polar_factor

ORDER, N, STORED = 5, 20, 32
Q = (np.arange(N) + 0.5) * 0.01
SHAPE = (ORDER + 2, (ORDER + 2) | 1, 2, STORED)


def intensity(seed: int) -> np.ndarray:
    """Random coefficients [m, l, 2, q] with one order more than is projected."""
    coef = np.zeros(SHAPE)
    rng = np.random.default_rng(seed)
    for l in range(ORDER + 2):
        coef[: l + 1, l, :, :N] = rng.normal(size=(l + 1, 2, N))
    coef[0, :, 1] = 0
    return coef


def rows(coef: np.ndarray, l: int) -> np.ndarray:
    """(2l+1, N) in the basis I_l0, sqrt2 Re I_lm, sqrt2 Im I_lm."""
    root = np.sqrt(2)
    return np.concatenate([coef[:1, l, 0, :N], root * coef[1 : l + 1, l, 0, :N], root * coef[1 : l + 1, l, 1, :N]])


def constraint(seed: int, known: np.ndarray | None = None, columns: int | None = None) -> ReciprocalConstraint:
    """Orders 1..ORDER from random invariants (`columns` as upper bound of their rank); order 4 has to vanish."""
    rng = np.random.default_rng(seed + 1)
    matrices = {l: rng.normal(size=(N, min(2 * l + 1, columns or N))) for l in range(1, ORDER + 1)}
    matrices[4] = np.zeros((N, 0))
    masks = dict.fromkeys(range(ORDER + 1), np.ones(N, bool) if known is None else known)
    return ReciprocalConstraint(matrices, rng.normal(size=N), masks, Q)


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 12))
def test_polar_factor_is_orthonormal(seed: int, n_rows: int, n_columns: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(n_rows, n_columns))
    factor = polar_factor(matrix)
    gram = factor.T @ factor if n_columns <= n_rows else factor @ factor.T
    np.testing.assert_allclose(gram, np.eye(min(n_rows, n_columns)), atol=1e-12)
    np.testing.assert_allclose(polar_factor(factor), factor, atol=1e-12)


def test_polar_factor_when_divide_and_conquer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.random.default_rng(0).normal(size=(7, 5))
    expected, _ = scipy.linalg.polar(matrix)

    def failing(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", failing)
    np.testing.assert_allclose(polar_factor(matrix), expected, atol=1e-12)


@given(st.integers(0, 2**31))
def test_unknowns_are_the_closest_orthogonal_matrices(seed: int) -> None:
    known = np.ones(N, bool)
    known[3] = False
    data, coef = constraint(seed, known), intensity(seed)
    found = ProcrustesProjection(data, STORED, float).unknowns(coef)
    weight = (known * Q)[:, None]
    for l in (1, 2, 3, 5):
        expected, _ = scipy.linalg.orthogonal_procrustes(weight * data.projection_matrices[l], weight * rows(coef, l).T)
        np.testing.assert_allclose(found[l], expected, atol=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_no_other_orthonormal_rows_come_closer(seed: int) -> None:
    """Invariants of lower rank than 2l+1: U has fewer rows than columns."""
    data, coef = constraint(seed, columns=2), intensity(seed)
    found = ProcrustesProjection(data, STORED, float).unknowns(coef)
    for l in (1, 3, 5):
        v, goal = data.projection_matrices[l], rows(coef, l).T
        best = np.linalg.norm(Q[:, None] * (v @ found[l] - goal))
        for other in scipy.stats.ortho_group.rvs(2 * l + 1, size=5, random_state=seed % 2**31):
            assert best <= np.linalg.norm(Q[:, None] * (v @ other[:2] - goal)) * (1 + 1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@settings(max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_projection(seed: int, dtype: type) -> None:
    """It has the invariants asked for, where they are known; it is idempotent; and what is unknown stays."""
    known = np.ones(N, bool)
    known[[0, 7]] = False
    data, coef = constraint(seed, known), intensity(seed)
    tolerance = 1e-10 if dtype is np.float64 else 2e-4
    projection = ProcrustesProjection(data, STORED, dtype)
    change: np.ndarray = np.zeros(SHAPE, dtype)
    projection.change(coef.astype(dtype), change, keep=True)
    assert not change[:, ORDER + 1].any()
    assert not change[..., N:].any()
    assert not change[..., :N][..., ~known].any()
    projected = (coef + change).astype(dtype)
    np.testing.assert_allclose(projected[0, 0, 0, :N][known], data.spherical_average[known], atol=1e-6)
    found = invariants_of(projected, N, ORDER)
    for l, v in data.projection_matrices.items():
        np.testing.assert_allclose(found[l][np.ix_(known, known)], (v @ v.T)[np.ix_(known, known)], atol=100 * tolerance)
    again: np.ndarray = np.zeros(SHAPE, dtype)
    projection.change(projected, again, keep=True)
    np.testing.assert_allclose(again, 0, atol=tolerance)
    whole: np.ndarray = coef.astype(dtype)
    projection.change(coef.astype(dtype), whole, keep=False)
    np.testing.assert_allclose(whole, projected, atol=tolerance)


def test_errors() -> None:
    """Zero after the projection; before it, what the formulas say."""
    data, coef = constraint(1), intensity(1)
    projection = ProcrustesProjection(data, STORED, float)
    change = np.zeros(SHAPE)
    projection.change(coef, change, keep=True)
    assert max(projection.errors(coef + change, np.zeros(SHAPE), Q**2).values()) < 1e-20
    found = projection.errors(coef, change, Q**2)
    steps = sum(np.sum(Q**2 * rows(change, l) ** 2) for l in range(ORDER + 1))
    assert found["l2_projection_diff"] == pytest.approx(steps / sum(np.sum(Q**2 * rows(coef + change, l) ** 2) for l in range(ORDER + 1)))
    shares = []
    for l in (1, 2, 3, 5):
        expected = data.projection_matrices[l] @ data.projection_matrices[l].T
        shares.append(np.sum((expected - rows(coef, l).T @ rows(coef, l)) ** 2) / np.sum(expected**2))
    assert found["deg2_invariant_l2_diff"] == pytest.approx(np.mean(shares))


def test_no_data_changes_nothing() -> None:
    projection = ProcrustesProjection(ReciprocalConstraint({}, None, {}, Q), STORED, float)
    change = np.zeros(SHAPE)
    projection.change(intensity(0), change, keep=True)
    assert not change.any()
    assert projection.unknowns(intensity(0)) == {}
    assert projection.errors(intensity(0), change, Q**2) == {"l2_projection_diff": 0.0, "deg2_invariant_l2_diff": 0.0}


def test_highest_order() -> None:
    assert constraint(0).max_order == ORDER
    assert ReciprocalConstraint({}, None, {}, Q).max_order == 0
