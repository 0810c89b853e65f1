"""Trimmed Hankel products against the full matrices."""

import numpy as np
import pytest

from fxs_hpc.engine.polar import multiply
from fxs_hpc.engine.radial import radial_matrices
from fxs_hpc.harmonics.grids import RadialGrid
from fxs_hpc.harmonics.hankel import hankel_matrices, phase

ORDER, N, STORED = 31, 40, 48
GRID = RadialGrid(N, 0.1)
TOLERANCE: dict[type, float] = {np.float64: 1e-13, np.float32: 1e-6}


@pytest.mark.parametrize(("n_in", "n_out"), [(STORED, STORED), (16, STORED), (STORED, 16), (32, 16)])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products(dtype: type, direction: str, n_in: int, n_out: int) -> None:
    """Whatever the target held before: it may be a buffer that other products fill as well."""
    hankel = hankel_matrices(GRID, ORDER, direction)
    source: np.ndarray = np.zeros((ORDER + 1, ORDER + 2, 2, n_in), dtype)
    inside = min(n_in, N)
    for l in range(ORDER + 1):
        source[: l + 1, l, :, :inside] = np.random.default_rng(l).normal(size=(l + 1, 2, inside))
    target: np.ndarray = np.full((ORDER + 1, ORDER + 2, 2, n_out), np.nan, dtype)
    multiply(radial_matrices(hankel, dtype).transform(source, target))
    for l in range(ORDER + 1):
        expected = phase(l) * source[: l + 1, l, :, :inside].astype(float) @ hankel[l][:inside, :n_out]
        found = target[: l + 1, l, :, : expected.shape[-1]]
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * 10 * np.abs(hankel[l]).max())
        assert not target[: l + 1, l, :, expected.shape[-1] :].any()
        assert np.isnan(target[l + 1 :, l]).all()


def test_high_orders_leave_small_radii_out() -> None:
    matrices = radial_matrices(hankel_matrices(GRID, ORDER), np.float64)
    assert matrices.first_in[0] == matrices.first_out[0] == 0
    assert matrices.first_in[ORDER] > 0 and matrices.first_out[ORDER] > 0
