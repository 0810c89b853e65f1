"""The compiled Fourier transforms against numpy's."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.engine import fft as module
from fxs_hpc.engine.azimuth import work_size
from fxs_hpc.engine.fft import LANES, factors, fft, result_tile

LENGTHS = [2, 3, 4, 5, 7, 8, 12, 14, 18, 20, 24, 30, 32, 50, 54, 128]
EDITION = int(hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()[:12], 16)


@cache
def compiled(length: int) -> Any:
    """Kernel(work) of one length; it returns the edition of the source so that the cache on disk knows it apart from others."""
    edition = EDITION

    @numba.njit(cache=True)
    def kernel(work):  # type: ignore[no-untyped-def]
        fft(work, length)
        return edition

    return kernel


def transform(signal: np.ndarray) -> np.ndarray:
    """FFT along axis 0 of (length, LANES) complex numbers."""
    length = len(signal)
    real = signal.real.dtype
    work = np.full(work_size(length), np.nan, real)
    tile = length * LANES
    work[:tile], work[tile : 2 * tile] = signal.real.ravel(), signal.imag.ravel()
    compiled(length)(work)
    start = result_tile(length) * tile
    re, im = work[start : start + 2 * tile].reshape(2, length, LANES)
    return re + 1j * im


def noise(length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(length, LANES)) + 1j * rng.normal(size=(length, LANES))


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths(length: int) -> None:
    signal = noise(length)
    np.testing.assert_allclose(transform(signal), np.fft.fft(signal, axis=0), rtol=0, atol=1e-13 * length)


@pytest.mark.parametrize("length", [24, 30])
def test_single_precision(length: int) -> None:
    signal = noise(length).astype(np.complex64)
    found = transform(signal)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, np.fft.fft(signal, axis=0), rtol=0, atol=2e-6 * length)


@given(st.integers(0, 2**31), st.sampled_from([24, 30, 32]))
def test_parseval(seed: int, length: int) -> None:
    signal = noise(length, seed)
    found = transform(signal)
    np.testing.assert_allclose((np.abs(found) ** 2).sum(axis=0), length * (np.abs(signal) ** 2).sum(axis=0), rtol=1e-12)


@given(st.integers(0, 2**31), st.sampled_from([24, 30, 32]))
def test_exchanged_parts_give_the_inverse(seed: int, length: int) -> None:
    signal = noise(length, seed)
    spectrum = transform(signal)
    swapped = transform(spectrum.imag + 1j * spectrum.real)
    np.testing.assert_allclose((swapped.imag + 1j * swapped.real) / length, signal, atol=1e-13)


@given(st.integers(2, 1000))
def test_factors_multiply_to_the_length(length: int) -> None:
    assert np.prod(factors(length)) == length
    assert result_tile(length) in (0, 2)


def test_only_compiled_code_may_call_it() -> None:
    with pytest.raises(TypeError, match="compiled function"):
        fft(np.zeros(work_size(4)), 4)
