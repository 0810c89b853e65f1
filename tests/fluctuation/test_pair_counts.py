"""Weights of counted pairs: nothing changes where there is no noise, and less noise gets through where there is."""

import numpy as np
import pytest

from fxs_hpc.fluctuation import extraction, plane_extraction
from fxs_hpc.fluctuation.correlation import correlation_blocks, ewald_cosine
from fxs_hpc.fluctuation.pair_counts import weights_in_plane, weights_in_space
from fxs_hpc.fluctuation.preparation import Preparation, prepared_blocks

Q, N_DELTA, ORDER = np.array([0.1, 0.2]), 32, 2
COSINE = ewald_cosine(Q, 2.0)
PAIRS = 200.0


def correlation():
    """A strongly modulated C (2, 2, n_delta), even in Delta and with even orders only, so that both geometries may have made it."""
    delta = 2 * np.pi * np.arange(N_DELTA) / N_DELTA
    return np.multiply.outer(np.array([[1.0, 1.2], [1.2, 1.5]]), 1.05 + np.cos(2 * delta))


def in_plane(values, weigh=None):
    blocks = prepared_blocks(values, Q, Preparation(subtract_average_intensity=False))
    return plane_extraction.invariants_from(blocks, "lstsq", ORDER, len(Q), N_DELTA, weigh=weigh)


def in_space(values, weigh=None):
    blocks = prepared_blocks(values, Q, Preparation(subtract_average_intensity=False))
    return extraction.invariants_from(blocks, "lstsq", ORDER, N_DELTA, COSINE, weigh=weigh)


def weights(solve, found):
    if solve is in_plane:
        return weights_in_plane(found, N_DELTA)
    return weights_in_space(found, COSINE, N_DELTA)


def test_exact_data_give_the_same_invariants():
    found = in_plane(correlation())
    np.testing.assert_allclose(in_plane(correlation(), weights(in_plane, found)), found, atol=1e-12)
    even = np.zeros((ORDER + 1, 2, 2))
    even[::2] = np.array([[3.0, 2.0], [2.0, 4.0]])
    values = np.concatenate([block for _, block in correlation_blocks(even, Q, 2.0)])
    blocks = prepared_blocks(values, Q, Preparation(subtract_average_intensity=False))
    weigh = weights_in_space(even, COSINE, values.shape[-1])
    np.testing.assert_allclose(weigh(slice(0, 2)) * values, np.broadcast_to(values.mean(axis=-1, keepdims=True), values.shape), rtol=1e-9)
    found = extraction.invariants_from(blocks, "lstsq", ORDER, values.shape[-1], COSINE, weigh=weigh)
    np.testing.assert_allclose(found, even, atol=1e-8)


def test_weights_are_inverse_to_what_is_expected():
    found = in_plane(correlation())
    values = weights_in_plane(found, N_DELTA)(slice(0, 2))
    expected = correlation() / correlation().mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(values, 1 / np.maximum(expected, 0.01), rtol=1e-8)
    mean = np.array([2.0, 3.0])
    shifted = weights_in_plane(found, N_DELTA, mean)(slice(1, 2))
    total = correlation()[1:] + np.multiply.outer(mean[1:], mean)[..., None]
    np.testing.assert_allclose(shifted, total.mean(axis=-1, keepdims=True) / total, rtol=1e-8)


@pytest.mark.parametrize("solve", [in_plane, in_space])
def test_counted_pairs_leave_less_noise(solve):
    rng = np.random.default_rng(0)
    exact = PAIRS * correlation()
    truth = solve(exact, weights(solve, solve(exact)))
    plain, weighted = [], []
    for _ in range(60):
        counted = rng.poisson(exact).astype(float)
        first = solve(counted)
        plain.append(np.abs(first - solve(exact))[2] ** 2)
        weighted.append(np.abs(solve(counted, weights(solve, first)) - truth)[2] ** 2)
    assert np.mean(weighted) < 0.9 * np.mean(plain)
