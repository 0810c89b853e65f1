"""Legendre products on the hemisphere against the transform of the full sphere."""

import numpy as np
import pytest

from fxs_hpc.engine.layout import fold, unfold
from fxs_hpc.engine.polar import multiply, polar_matrices
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

GRID, ORDER, N, STORED = AngularGrid(32, 64), 31, 3, 16
TOLERANCE: dict[type, float] = {np.float64: 1e-12, np.float32: 2e-5}


def coefficients(rng: np.random.Generator) -> np.ndarray:
    coef = np.zeros((ORDER + 1, ORDER + 1, 2, STORED))
    for m in range(ORDER + 1):
        coef[m, m:, :, :N] = rng.normal(size=(ORDER + 1 - m, 2, N))
    coef[0, :, 1] = 0
    return coef


def spectra(field: np.ndarray, parities: int) -> np.ndarray:
    """Twice the azimuthal spectra of even and odd part of field (n_theta, n_phi, N): [parity, theta, m, 2, r]."""
    north, south = fold(np.moveaxis(field, -1, 0), float)
    found = np.fft.rfft(np.stack([north + south, north - south])[:parities], axis=2)[:, :, : ORDER + 1]
    return np.stack([found.real, found.imag], axis=3)


@pytest.mark.parametrize("parities", [1, 2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_analysis(dtype: type, parities: int) -> None:
    field = np.random.default_rng(1).normal(size=(GRID.n_theta, GRID.n_phi, N))
    expected = SphericalTransform(GRID, ORDER).analyse(field)
    if parities == 1:
        expected[:, 1::2] = 0
    found: np.ndarray = np.zeros((ORDER + 1, ORDER + 1, 2, STORED), dtype)
    multiply(polar_matrices(GRID, ORDER, dtype).analyse(spectra(field, parities).astype(dtype), found, (0, 1)[:parities]))
    np.testing.assert_allclose(found[..., :N], expected, rtol=0, atol=TOLERANCE[dtype])
    assert not found[..., N:].any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_synthesis(dtype: type) -> None:
    coef = coefficients(np.random.default_rng(2))
    expected = SphericalTransform(GRID, ORDER).synthesise(coef[..., :N])
    spectrum = np.zeros((2, GRID.n_theta // 2, ORDER + 1, 2, STORED), dtype)
    multiply(polar_matrices(GRID, ORDER, dtype).synthesise(coef.astype(dtype), spectrum, (0, 1)))
    rows = np.zeros((2, GRID.n_theta // 2, GRID.n_phi // 2 + 1, STORED), complex)
    rows[:, :, : ORDER + 1] = spectrum[..., 0, :] + 1j * spectrum[..., 1, :]
    even, odd = np.fft.irfft(rows, GRID.n_phi, axis=2, norm="forward")
    found = np.moveaxis(unfold(np.stack([even + odd, even - odd]), N), 0, -1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=10 * TOLERANCE[dtype])


def test_rings_where_nothing_shows_are_left_out() -> None:
    matrices = polar_matrices(GRID, ORDER, float)
    assert matrices.first_ring[0] == 0
    assert matrices.first_ring[ORDER] > 0
    assert matrices.first_order[0][3] == 4 and matrices.first_order[1][3] == 3


def test_order_zero_alone() -> None:
    spectrum = np.ones((1, GRID.n_theta // 2, 1, 2, STORED))
    found = np.zeros((1, 1, 2, STORED))
    multiply(polar_matrices(GRID, 0, float).analyse(spectrum, found, (0,)))
    np.testing.assert_allclose(found, GRID.theta_weights.sum() / 2 * 2 * np.pi / GRID.n_phi / np.sqrt(4 * np.pi))
