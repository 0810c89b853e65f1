"""Hankel transforms between the shells of real and reciprocal space as matrix products, one per order l."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fxs_hpc.engine.layout import padded, zeros
from fxs_hpc.engine.polar import Product

_NEGLIGIBLE = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-9}
"""j_l(qr) below this share of its maximum does not show: high orders at small radii."""


@dataclass(frozen=True)
class RadialMatrices:
    """Hankel matrices with the sign of (-i)^l: matrices[l] (n_in, n_out) on padded shells, and their non-negligible ranges."""

    matrices: list[NDArray]
    first_in: list[int]
    first_out: list[int]

    def transform(self, source: NDArray, target: NDArray) -> list[Product]:
        """Products that turn source[m, l, 2, r] into target[m, l, 2, q]; the shells of both may be fewer.

        Where the result is negligible an empty sum writes zeros: the target may hold something else before.
        """
        n_in, n_out = source.shape[-1], target.shape[-1]
        products = []
        for l, matrix in enumerate(self.matrices):
            i, o = min(self.first_in[l], n_in), min(self.first_out[l], n_out)
            for part in range(2):
                rows, result = source[: l + 1, l, part], target[: l + 1, l, part]
                products.append((rows[:, :0], matrix[:0, :o], result[:, :o]))
                products.append((rows[:, i:], matrix[i:n_in, o:n_out], result[:, o:]))
        return [product for product in products if product[2].size]


def radial_matrices(hankel: NDArray[np.float64], dtype: DTypeLike) -> RadialMatrices:
    """Padded, signed and trimmed form of hankel (L+1, N, N) as made by `harmonics.hankel.hankel_matrices`."""
    size = padded(hankel.shape[1])
    matrices, first_in, first_out = [], [], []
    for l, matrix in enumerate(hankel):
        sign = (1, -1, -1, 1)[l % 4]
        square = zeros((size, size), dtype)
        square[: matrix.shape[0], : matrix.shape[1]] = sign * matrix
        row_scale = np.abs(matrix).max(axis=1).max() * (np.arange(1, len(matrix) + 1) / len(matrix)) ** 2
        visible = np.abs(matrix) / row_scale[:, None] > _NEGLIGIBLE[np.dtype(dtype)]
        matrices.append(square)
        first_in.append(int(np.argmax(visible.any(axis=1))))
        first_out.append(int(np.argmax(visible.any(axis=0))))
    return RadialMatrices(matrices, first_in, first_out)
