"""Sums in Fourier space against sums written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.fluctuation.pattern_correlation import Correlator, blocks, unpacked
from fxs_hpc.fluctuation.pattern_sums import FrameTable, Sums
from fxs_hpc.fluctuation.patterns import PolarPattern

N_PHI, N_Q = 12, 7
IMAGE = np.ones((3, 4))


def patterns(seed, count, static, deviating=0.4):
    """Patterns of which a part has masks of their own."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        mask = static * (random.random(static.shape) > 0.2) if random.random() < deviating else None
        values = random.poisson(3.0, static.shape) * (static if mask is None else mask)
        made.append(PolarPattern(values.astype(float), mask, bool(random.random() < 0.8), 1.0, IMAGE, IMAGE > 0))
    return made


def summed(correlator, made, batch=3, workers=1):
    sums = Sums.zero(N_PHI, len(correlator.correlated), N_Q, IMAGE.shape, FrameTable.empty(len(made), N_Q))
    for start in range(0, len(made), batch):
        correlator.add(sums, list(enumerate(made))[start : start + batch], workers)
    return sums


def result(correlator, sums, workers=1):
    return np.concatenate([values for _, values in blocks(sums, correlator, workers)])


def written_out(made, static, indices, each):
    """C by loops over angles."""
    data, pairs, ratios, counts = (np.zeros((len(indices), len(indices), N_PHI)) for _ in range(4))
    for pattern in made:
        if not pattern.good:
            continue
        mask = static if pattern.mask is None else pattern.mask
        one, two = np.zeros_like(data), np.zeros_like(data)
        for delta in range(N_PHI):
            shifted = np.roll(pattern.values, -delta, axis=0)[:, indices]
            one[..., delta] = pattern.values[:, indices].T @ shifted
            two[..., delta] = mask[:, indices].T @ np.roll(mask, -delta, axis=0)[:, indices]
        data += one
        pairs += two
        ratios += np.divide(one, two, out=np.zeros_like(one), where=two > 0)
        counts += two > 0
    top, bottom = (ratios, counts) if each else (data, pairs)
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)


@pytest.mark.parametrize("each", [False, True])
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 9), workers=st.sampled_from([1, 3]))
def test_correlations_are_the_sums_over_pairs_of_points(each, seed, batch, workers):
    static = (np.random.default_rng(seed + 1).random((N_PHI, N_Q)) > 0.3).astype(float)
    static[:, 2] = 0
    made = patterns(seed, 8, static)
    indices = np.array([0, 2, 3, 6]) if seed % 2 else np.arange(N_Q)
    correlator = Correlator(static, indices, each)
    found = result(correlator, summed(correlator, made, batch, workers), workers)
    expected = written_out(made, static, indices, each)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.allclose(found, expected, rtol=1e-11, atol=1e-11, equal_nan=True)


def test_the_same_bits_for_any_number_of_threads():
    static = np.ones((N_PHI, N_Q))
    made = patterns(3, 10, static)
    correlator = Correlator(static, np.arange(N_Q))
    one, three = (result(correlator, summed(correlator, made, 4, workers), workers) for workers in (1, 3))
    assert np.array_equal(one, three)


@pytest.mark.parametrize("each", [False, True])
def test_sums_of_parts_add_up(each):
    static = np.ones((N_PHI, N_Q))
    made = patterns(4, 9, static)
    correlator = Correlator(static, np.arange(N_Q), each)
    whole = summed(correlator, made)
    parts = []
    for numbers in (range(0, 5), range(5, 9)):
        part = Sums.zero(N_PHI, N_Q, N_Q, IMAGE.shape, FrameTable.empty(len(made), N_Q))
        correlator.add(part, [(number, made[number]) for number in numbers], 1)
        parts.append(part)
    parts[0].absorb(parts[1])
    assert np.allclose(result(correlator, parts[0]), result(correlator, whole), equal_nan=True)
    assert parts[0].regular == whole.regular and np.array_equal(parts[0].frames.state, whole.frames.state)
    assert np.allclose(parts[0].frames.rings, whole.frames.rings, equal_nan=True)


def test_means():
    static = np.ones((N_PHI, N_Q))
    static[3, 1] = 0
    made = patterns(5, 6, static)
    sums = summed(Correlator(static, np.arange(N_Q)), made)
    good = [(p.values, static if p.mask is None else p.mask) for p in made if p.good]
    assert sums.intensity == pytest.approx(sum(v.sum(axis=0) for v, _ in good))
    assert sums.coverage == pytest.approx(sum(m.sum(axis=0) for _, m in good))
    assert sums.means == pytest.approx(sum(v.sum(axis=0) / m.sum(axis=0) for v, m in good))
    assert (sums.image == len(good)).all() and sums.frames.state.tolist() == [p.good for p in made]


def test_unpacked_gives_back_a_hermitian_matrix():
    random = np.random.default_rng(6)
    waves = random.normal(size=(5, 4)) + 1j * random.normal(size=(5, 4))
    gram = waves.conj().T @ waves
    packed = np.triu(gram.real) + np.tril(gram.imag.T, -1)
    assert unpacked(packed[None], slice(1, 3))[0] == pytest.approx(gram[1:3])
