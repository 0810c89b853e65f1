"""From invariants to the constraint: regridding, factors, masks, and the particle's size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import j1

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.fluctuation.phasing_data import (
    ConstraintOptions,
    above_line,
    inside_limits,
    largest_distance,
    real_factor,
    reciprocal_constraint,
    regrid,
)

Q = np.linspace(0.01, 0.3, 30)
NEW = np.linspace(0.0, 0.35, 50)
INSIDE = (NEW >= Q[0]) & (NEW <= Q[-1])


@given(arrays(float, 4, elements=st.floats(-2, 2)))
def test_cubic_regridding_is_exact_for_cubics(coefficients):
    found = regrid(np.polynomial.Polynomial(coefficients)(10 * Q), Q, NEW, "cubic")
    np.testing.assert_allclose(found[INSIDE], np.polynomial.Polynomial(coefficients)(10 * NEW[INSIDE]), atol=1e-10)
    assert not found[~INSIDE].any()


@given(arrays(float, 2, elements=st.floats(-2, 2)))
def test_linear_regridding_is_exact_for_lines(coefficients):
    values = np.stack([coefficients[0] + coefficients[1] * Q, Q], axis=-1)
    found = regrid(values, Q, NEW, "linear")
    np.testing.assert_allclose(found[INSIDE, 0], coefficients[0] + coefficients[1] * NEW[INSIDE], atol=1e-12)
    np.testing.assert_allclose(found[INSIDE, 1], NEW[INSIDE])


def test_nearest_regridding_and_the_same_grid():
    values = np.random.default_rng(0).normal(size=(30, 3))
    np.testing.assert_array_equal(regrid(values, Q, Q + 0.003, "nearest")[:-1], values[:-1])
    for kind in ("nearest", "linear", "cubic"):
        np.testing.assert_allclose(regrid(values, Q, Q, kind), values, atol=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_real_factor(seed, width, is_complex):
    """V V^T is the best approximation of rank `width` of Re(M M^+)."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(8, width)) + (1j * rng.normal(size=(8, width)) if is_complex else 0)
    v = real_factor(matrix, 1e-9)
    product = (matrix @ matrix.conj().T).real
    eigenvalues, vectors = np.linalg.eigh(product)
    best = vectors[:, -width:] * eigenvalues[-width:] @ vectors[:, -width:].T
    assert v.dtype == float and v.shape[1] <= width
    np.testing.assert_allclose(v @ v.T, best, atol=1e-9 * eigenvalues[-1])


def test_real_factor_drops_what_is_negligible():
    left, _, right = np.linalg.svd(np.random.default_rng(1).normal(size=(9, 5)), full_matrices=False)
    v = real_factor(left * [1, 0.5, 1e-3, 1e-8, 0] @ right, 1e-6)
    assert v.shape == (9, 3)
    assert real_factor(np.zeros((9, 5)), 1e-6).shape == (9, 0)


def data(**changes):
    rng = np.random.default_rng(2)
    values = {
        "dimensions": 3,
        "wavelength": 1.0,
        "max_order": 4,
        "average_intensity": 1 + Q,
        "q": Q,
        "delta": np.zeros(4),
        "projection_matrices": [rng.normal(size=(30, 2 * l + 1)) for l in range(5)],
        "q_id_limits": np.array([[0, 30], [0, 30], [5, 20], [0, 30], [7, 7]]),
    }
    return InvariantData(**{**values, **changes})


EVERYWHERE = [np.ones(30, bool)] * 5


def test_constraint():
    found = reciprocal_constraint(data(), Q, ConstraintOptions(range(5), n_particles=4, scale=2.0), EVERYWHERE)
    np.testing.assert_allclose(found.spherical_average, 2 * 2 * np.sqrt(np.pi) * (1 + Q) / 2)
    assert found.max_order == 4 and [found.projection_matrices[l].shape[1] for l in (1, 2, 3, 4)] == [0, 5, 0, 9]
    given = data().projection_matrices[4]
    np.testing.assert_allclose(found.projection_matrices[4] @ found.projection_matrices[4].T, 4 * given @ given.T, atol=1e-10)
    wider = reciprocal_constraint(data(), NEW, ConstraintOptions([0, 2]), [np.ones(50, bool)] * 5)
    np.testing.assert_array_equal(wider.known[2], INSIDE)


def test_what_is_not_there_is_refused():
    with pytest.raises(DataError, match="order 6.*end at 4.*extract"):
        reciprocal_constraint(data(), Q, ConstraintOptions([0, 6]), EVERYWHERE)
    matrices = [*data().projection_matrices[:4], np.full((30, 9), np.nan)]
    with pytest.raises(DataError, match="order 4 holds NaN"):
        reciprocal_constraint(data(projection_matrices=matrices), Q, ConstraintOptions(range(5)), EVERYWHERE)


def test_masks():
    np.testing.assert_array_equal(np.flatnonzero(inside_limits(data(), 2, Q)), np.arange(5, 20))
    assert not inside_limits(data(), 4, Q).any()
    np.testing.assert_array_equal(above_line(3, Q, ((2, 0.1), (4, 0.21))), Q >= 0.155)


def sphere(q, radius):
    x = q * radius
    return ((np.sin(x) - x * np.cos(x)) / x**3) ** 2


def test_largest_distance_from_data_that_begin_at_q_0():
    """As correlate makes them."""
    q = np.linspace(0, 0.4, 128)
    assert largest_distance(q, sphere(np.maximum(q, 1e-3), 70.0)) == pytest.approx(140, rel=0.03)


@pytest.mark.parametrize("radius", [40.0, 70.0, 120.0])
@pytest.mark.parametrize("q", [np.linspace(0.001, 0.4, 256), np.linspace(0.008, 0.2, 100), np.linspace(0.01, 0.4, 200)])
def test_largest_distance_of_a_sphere_is_its_diameter(radius, q):
    """Within a few per cent, or what q_max resolves."""
    assert largest_distance(q, sphere(q, radius)) == pytest.approx(2 * radius, rel=0.03, abs=np.pi / q[-1])


def test_largest_distance_of_two_spheres_spans_both():
    q = np.linspace(0.001, 0.4, 300)
    assert largest_distance(q, sphere(q, 20) * (1 + np.sinc(q * 100 / np.pi))) == pytest.approx(140, rel=0.05)


# --- the plane


def plane_data(**changes):
    rng = np.random.default_rng(3)
    vectors = [(rng.normal(size=(30, 1)) + 1j * rng.normal(size=(30, 1))) * (1 + n) for n in range(5)]
    values = {"dimensions": 2, "projection_matrices": [(1 + Q[:, None]) * (-1 + 0j), *vectors[1:]]}
    return data(**{**values, **changes})


def test_plane_constraint():
    found = reciprocal_constraint(plane_data(), Q, ConstraintOptions(range(5), n_particles=4, scale=3.0), EVERYWHERE)
    np.testing.assert_allclose(found.spherical_average, 3 * (1 + Q) / 2)
    assert found.fixed_order == 0 and all(v.shape == (30, 1) and v.dtype == complex for v in found.projection_matrices.values())
    assert not found.projection_matrices[1].any() and not found.projection_matrices[3].any()
    np.testing.assert_allclose(found.projection_matrices[2], 3 * plane_data().projection_matrices[2])
    odd = reciprocal_constraint(plane_data(), Q, ConstraintOptions(range(5), odd_orders_to_0=False), EVERYWHERE)
    assert odd.projection_matrices[3].any()


def test_plane_vectors_are_interpolated_with_their_phases():
    smooth = [np.exp(1j * n - Q[:, None] * n) * (1 + 2j * Q[:, None]) for n in range(5)]
    found = reciprocal_constraint(plane_data(projection_matrices=smooth), NEW, ConstraintOptions(range(5)), [np.ones(50, bool)] * 5)
    expected = np.exp(4j - NEW * 4) * (1 + 2j * NEW)
    np.testing.assert_allclose(found.projection_matrices[4][INSIDE, 0], expected[INSIDE], atol=1e-6)
    assert not found.projection_matrices[4][~INSIDE].any()


def test_plane_order_0_from_either_source_and_the_fixed_order():
    options = ConstraintOptions(range(5), use_averaged_intensity=False, radial_high_pass=0.2)
    found = reciprocal_constraint(plane_data(), Q, options, EVERYWHERE)
    np.testing.assert_allclose(found.spherical_average, 1 + Q)
    assert found.fixed_order == 4


@pytest.mark.parametrize("radius", [40.0, 90.0])
@pytest.mark.parametrize("q", [np.linspace(0.001, 0.4, 256), np.linspace(0.008, 0.2, 100)])
def test_largest_distance_of_a_disc_is_its_diameter(radius, q):
    disc = (2 * j1(q * radius) / (q * radius)) ** 2
    assert largest_distance(q, disc, dimensions=2) == pytest.approx(2 * radius, rel=0.05, abs=np.pi / q[-1])
