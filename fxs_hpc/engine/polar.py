"""Legendre transforms along theta on the half sphere as matrix products, one per azimuthal order and parity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.legendre import legendre_table

_NEGLIGIBLE = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-8}
"""Legendre functions below this (of a maximum near 1) do not show in the working precision: rings near the pole at high m."""

Product = tuple[NDArray, NDArray, NDArray]
"""(a, b, out) of one matrix product a @ b, all views of fixed buffers."""


@dataclass(frozen=True)
class PolarMatrices:
    """Legendre matrices of one grid, per azimuthal order m and parity p (orders l of that parity, l >= m).

    first_ring[m], first_order[p][m]; synthesis[p][m]: (rings, orders); analysis[p][m]: (orders, rings), the latter with quadrature
    weights for both hemispheres.
    """

    l_max: int
    first_ring: list[int]
    first_order: list[list[int]]
    synthesis: list[list[NDArray]]
    analysis: list[list[NDArray]]

    def synthesise(self, coefficients: NDArray, spectrum: NDArray, parities: tuple[int, ...]) -> list[Product]:
        """Products that turn coefficients[m, l, 2, r] into spectrum[parity, theta, m, 2, r] (polar rings must be zero before)."""
        return [
            (self.synthesis[p][m], _orders(coefficients, m, self.first_order[p][m], self.l_max), _rings(spectrum[i], m, self.first_ring[m]))
            for i, p in enumerate(parities)
            for m in range(self.l_max + 1)
            if self.first_order[p][m] <= self.l_max
        ]

    def analyse(self, spectrum: NDArray, coefficients: NDArray, parities: tuple[int, ...]) -> list[Product]:
        """Products that turn spectrum[parity, theta, m, 2, r] into coefficients[m, l, 2, r]."""
        return [
            (self.analysis[p][m], _rings(spectrum[i], m, self.first_ring[m]), _orders(coefficients, m, self.first_order[p][m], self.l_max))
            for i, p in enumerate(parities)
            for m in range(self.l_max + 1)
            if self.first_order[p][m] <= self.l_max
        ]


def _orders(coefficients: NDArray, m: int, first: int, l_max: int) -> NDArray:
    view = coefficients[m, first : l_max + 1 : 2]
    return view.reshape(view.shape[0], -1)


def _rings(spectrum: NDArray, m: int, first: int) -> NDArray:
    view = spectrum[first:, m]
    return view.reshape(view.shape[0], -1)


def polar_matrices(grid: AngularGrid, l_max: int, dtype: DTypeLike) -> PolarMatrices:
    """Matrices of `grid` for orders up to `l_max`."""
    half = grid.n_theta // 2
    table = legendre_table(l_max, grid.cos_theta[:half])
    weights = grid.theta_weights[:half] * (2 * np.pi / grid.n_phi)
    visible = np.abs(table).max(axis=1) > _NEGLIGIBLE[np.dtype(dtype)]
    first_ring = [int(np.argmax(rings)) for rings in visible]
    first_order = [[m + (m + p) % 2 for m in range(l_max + 1)] for p in range(2)]
    synthesis: list[list[NDArray]] = [[], []]
    analysis: list[list[NDArray]] = [[], []]
    for p in range(2):
        for m in range(l_max + 1):
            block = table[m, first_order[p][m] :: 2, first_ring[m] :]
            synthesis[p].append(np.ascontiguousarray(block.T, dtype=dtype))
            analysis[p].append(np.ascontiguousarray(block * weights[first_ring[m] :], dtype=dtype))
    return PolarMatrices(l_max, first_ring, first_order, synthesis, analysis)


def multiply(products: list[Product]) -> None:
    """Carry the products out, in order."""
    for a, b, out in products:
        np.matmul(a, b, out=out)
