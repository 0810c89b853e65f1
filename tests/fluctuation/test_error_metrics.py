"""Errors against the invariants, compared with sums over directions and angles."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.engine.interface import IntensityPair
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.fluctuation.error_metrics import InvariantErrors, rows
from fxs_hpc.harmonics.grids import AngularGrid

N, L = 5, 4
Q = np.linspace(0.02, 0.3, N)
COS_THETA = Q * 2.0 / (4 * np.pi)
METRICS = ("deg2_ranked_invariant_l2_diff", "ccd_diff", "fqc_error", "II_error")


def ball(seed: int) -> np.ndarray:
    """Coefficients [m, l, 2, q] of an even intensity."""
    coefficients = np.zeros((L + 1, L + 1, 2, N))
    values = np.random.default_rng(seed).normal(size=coefficients.shape)
    for l in range(0, L + 1, 2):
        coefficients[: l + 1, l] = values[: l + 1, l] / (1 + l)
        coefficients[0, l, 1] = 0
    return coefficients


def disc(seed: int) -> np.ndarray:
    """Coefficients I_n (L+1, N) of an intensity in the plane."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(L + 1, N)) + 1j * rng.normal(size=(L + 1, N))
    values[0] = values[0].real
    return values / np.arange(1, L + 2)[:, None]


def constraint_of(coefficients: np.ndarray, seed: int = 0) -> ReciprocalConstraint:
    """Data that have the invariants of an intensity, turned by an arbitrary orthogonal matrix (phase factor) per order."""
    matrices = {}
    for order in range(1, L + 1):
        given_rows = rows(coefficients, order)
        if np.any(given_rows):
            turn = np.exp(1j * (order + seed)) * np.eye(1)
            if coefficients.ndim == 4:
                turn = scipy.stats.ortho_group.rvs(2 * order + 1, random_state=order + seed)
            matrices[order] = given_rows.T @ turn
    known = dict.fromkeys(range(L + 1), np.ones(N, bool))
    return ReciprocalConstraint(matrices, rows(coefficients, 0)[0].real, known, Q)


def pair(coefficients: np.ndarray, data: np.ndarray) -> IntensityPair:
    """As after a step: of the imposed intensity, only order 0 is looked at."""
    return IntensityPair(coefficients, data)


def on_sphere(coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """I(q, direction) and the weights of the directions."""
    grid = AngularGrid(12, 24)
    field = 0
    for l in range(L + 1):
        for m in range(l + 1):
            y = scipy.special.sph_harm_y(l, m, grid.theta[:, None], grid.phi)
            value = (coefficients[m, l, 0] + 1j * coefficients[m, l, 1])[:, None, None] * y
            field = field + (1 if m == 0 else 2) * value.real
    return field.reshape(N, -1), grid.solid_angle.ravel()


def on_circle(coefficients: np.ndarray) -> np.ndarray:
    phi = 2 * np.pi * np.arange(16) / 16
    waves = np.exp(1j * np.outer(np.arange(L + 1), phi)) * np.where(np.arange(L + 1) > 0, 2, 1)[:, None]
    return np.einsum("mq,mp->qp", coefficients, waves).real


def correlation(coefficients: np.ndarray) -> np.ndarray:
    """C(q1, q2, Delta): of the pattern on the Ewald sphere, averaged over orientations; of the pattern in the plane."""
    angles = 2 * np.pi * np.arange(16) / 16
    if coefficients.ndim == 2:
        field = on_circle(coefficients)
        return np.array([[np.mean(a * np.roll(b, -shift)) for shift in range(16)] for a in field for b in field]).reshape(N, N, 16)
    sine = np.sqrt(1 - COS_THETA**2)
    angle = COS_THETA[:, None, None] * COS_THETA[:, None] + sine[:, None, None] * sine[:, None] * np.cos(angles)
    result = 0
    for l in range(L + 1):
        full = [coefficients[abs(m), l, 0] + np.sign(m) * 1j * coefficients[abs(m), l, 1] for m in range(-l, l + 1)]
        invariant = sum(np.outer(part, part.conj()).real for part in full)
        result = result + scipy.special.eval_legendre(l, angle) * invariant[:, :, None] / (4 * np.pi)
    return result


def relative(expected: np.ndarray, found: np.ndarray) -> float:
    return float(np.sum(np.abs(expected - found) ** 2) / np.sum(np.abs(expected) ** 2))


KINDS = pytest.mark.parametrize("kind", [ball, disc])


@KINDS
@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
def test_ccd_diff_is_that_of_a_fourier_component_of_the_correlation(kind, order):
    data, own = kind(1), kind(2)
    components = [np.fft.fft(correlation(part), axis=-1)[..., order] / 16 for part in (data, own)]
    errors = InvariantErrors(constraint_of(data), COS_THETA, circular_order=order)
    assert errors(["ccd_diff"], pair(own, data))["ccd_diff"] == pytest.approx(relative(*components), rel=1e-9)


@KINDS
def test_II_error_is_that_of_the_mean_over_directions(kind):
    data, own = kind(3), kind(4)
    sums = []
    for part in (data, own):
        field, weights = on_sphere(part) if kind is ball else (on_circle(part), np.ones(16))
        sums.append((field * weights) @ field.T)
    assert InvariantErrors(constraint_of(data), COS_THETA)(["II_error"], pair(own, data))["II_error"] == pytest.approx(relative(*sums))


def projected(coefficients: np.ndarray, order: int) -> np.ndarray:
    """B_l as a sum over all m."""
    if coefficients.ndim == 2:
        return np.outer(coefficients[order], coefficients[order].conj())
    parts = [coefficients[abs(m), order, 0] + np.sign(m) * 1j * coefficients[abs(m), order, 1] for m in range(-order, order + 1)]
    return sum(np.outer(part, part.conj()) for part in parts).real


@KINDS
def test_errors_of_orders_and_their_ranking(kind):
    data, own = kind(5), kind(6)
    errors = InvariantErrors(constraint_of(data), COS_THETA)
    orders = [order for order in range(1, L + 1) if np.any(projected(data, order))]
    expected = {order: relative(projected(data, order), projected(own, order)) for order in orders}
    assert errors.by_order(pair(own, data)) == pytest.approx(expected)
    assert errors.by_order(pair(own, data), [2, 9]) == pytest.approx({2: expected[2]})
    ranking = sorted(expected, key=lambda order: -np.linalg.norm(projected(data, order)))
    for rank in range(len(ranking) + 2):
        found = replace(errors, rank=rank).ranked(pair(own, data))
        assert found == pytest.approx(expected[ranking[min(rank, len(ranking) - 1)]])


@KINDS
def test_fqc_error_by_loops(kind):
    data, own = kind(7), kind(8)
    correlations = []
    for i in range(N):
        for j in range(i, N):
            a, b = (np.array([projected(part, order)[i, j] for order in range(1, L + 1)]) for part in (data, own))
            correlations.append(np.vdot(b, a).real / (np.linalg.norm(a) * np.linalg.norm(b)))
    found = InvariantErrors(constraint_of(data), COS_THETA)(["fqc_error"], pair(own, data))["fqc_error"]
    assert found == pytest.approx(1 - np.mean(correlations))


@given(st.integers(0, 100), st.sampled_from([ball, disc]), st.integers(0, L), st.integers(0, 5))
def test_all_vanish_for_an_intensity_that_has_the_invariants(seed, kind, circular, rank):
    """Also for one that is rotated: the data know B_l, not I_lm."""
    own = kind(seed)
    found = InvariantErrors(constraint_of(own, seed), COS_THETA, rank, circular)(METRICS, pair(own, own))
    assert max(found.values()) < 1e-12


@KINDS
def test_shells_and_orders_that_the_data_do_not_know_do_not_count(kind):
    data, own = kind(9), kind(9).copy()
    known = np.ones(N, bool)
    known[1] = False
    constraint = replace(constraint_of(data), known=dict.fromkeys(range(L + 1), known))
    own[..., 1] *= 5
    matrices = {order: matrix for order, matrix in constraint.projection_matrices.items() if order != 4}
    constraint = replace(constraint, projection_matrices=matrices)
    if kind is ball:
        own[:, 4] *= 3
    else:
        own[4] *= 3
    for order in (0, 2):
        found = InvariantErrors(constraint, COS_THETA, 0, order)(METRICS, pair(own, data))
        assert max(found.values()) < 1e-12


def test_no_data_no_error():
    empty = ReciprocalConstraint({2: np.zeros((N, 0))}, None, dict.fromkeys(range(3), np.ones(N, bool)), Q)
    errors = InvariantErrors(empty, COS_THETA)
    assert set(errors(METRICS, pair(ball(0), ball(0))).values()) == {0.0}
    assert errors.by_order(pair(ball(0), ball(0))) == {}
