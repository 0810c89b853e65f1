"""Between the full sphere and the folded hemispheres."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.engine.fft import LANES
from fxs_hpc.engine.layout import fold, padded, unfold, unfold_parity, zeros
from fxs_hpc.harmonics.grids import AngularGrid

GRID = AngularGrid(8, 12)


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 6))
def test_folding_loses_nothing(n_radial: int, quarter: int, half_phi: int) -> None:
    field = np.random.default_rng(n_radial).normal(size=(n_radial, 4 * quarter, 2 * half_phi))
    folded = fold(field, float)
    assert folded.shape == (2, 2 * quarter, 2 * half_phi, padded(n_radial))
    assert not folded[..., n_radial:].any()
    assert np.array_equal(unfold(folded, n_radial), field)


def test_second_hemisphere_holds_the_antipodes() -> None:
    directions = np.moveaxis(GRID.directions(), -1, 0)
    folded = fold(directions, float)
    np.testing.assert_allclose(folded[1], -folded[0], atol=1e-15)
    np.testing.assert_array_equal(np.moveaxis(folded[0, ..., :3], -1, 0), directions[:, :4])


def test_parts_of_either_parity() -> None:
    """A + iB with A = x y even, B = z odd."""
    x, y, z = np.moveaxis(GRID.directions(), -1, 0)
    even, odd = fold((x * y)[None], float)[0], fold(z[None], float)[0]
    np.testing.assert_allclose(unfold_parity(np.stack([even, odd]), 1)[0], x * y + 1j * z, atol=1e-15)


@given(st.integers(1, 10**5))
def test_padding(n_radial: int) -> None:
    assert padded(n_radial) % LANES == 0
    assert 0 <= padded(n_radial) - n_radial < LANES


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_arrays_start_on_a_cache_line(dtype: type) -> None:
    for size in (1, 7, 100):
        array = zeros((size, 3), dtype)
        assert array.dtype == dtype and array.shape == (size, 3) and array.flags.c_contiguous and array.flags.writeable
        assert array.ctypes.data % 64 == 0
        assert not array.any()
