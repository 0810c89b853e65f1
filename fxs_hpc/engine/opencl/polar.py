"""Polar factors on a device: weights of the iteration, and where the matrices of all orders lie."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from fxs_hpc.engine.fft import LANES

_SMALLEST = {np.dtype(np.float64): 1e-17, np.dtype(np.float32): 1e-8}
"""Singular values from here on (of the norm) have become 1 when the iteration ends."""

_BEND = {np.dtype(np.float64): 1e-5, np.dtype(np.float32): 1e-2}
"""Smallest value that the weights are made for. Smaller ones grow a step later: in exchange X^T X + I/c stays positive definite in the
arithmetic used, whatever X (I/c is then some hundred roundings)."""

COMPLETION = {np.dtype(np.float64): 1e-16, np.dtype(np.float32): 1e-8}
"""Multiple of the identity that is added to a matrix of norm 1: below rounding, but enough for directions that it does not hold."""


def _halley(smallest: float) -> tuple[float, float, float]:
    """Weights (a, b, c) of x (a + b x^2) / (1 + c x^2), optimal on [smallest, 1].

    Y. Nakatsukasa, Z. Bai, F. Gygi, SIAM J. Matrix Anal. Appl. 31, 2700 (2010).
    """
    d = (4 * (1 - smallest**2) / smallest**4) ** (1 / 3)
    root = math.sqrt(1 + d)
    a = root + 0.5 * math.sqrt(8 - 4 * d + 8 * (2 - smallest**2) / (smallest**2 * root))
    b = (a - 1) ** 2 / 4
    return a, b, a + b - 1


def weights(dtype: DTypeLike) -> list[tuple[float, float, float]]:
    """(1/c, b/c, (a - b/c)/c) of each step, until every singular value from the smallest on is 1 to rounding."""
    kind = np.dtype(dtype)
    smallest, rounding, steps = _SMALLEST[kind], float(np.finfo(kind).eps), []
    while 1 - smallest > 4 * rounding:
        a, b, c = _halley(min(max(smallest, _BEND[kind]), 1 - 1e-9))
        steps.append((1 / c, b / c, (a - b / c) / c))
        smallest = min(smallest * (a + b * smallest**2) / (1 + c * smallest**2), 1.0)
    return steps


@dataclass(frozen=True)
class OrderPlace:
    """The overlap matrix (2l+1, columns) of order l, stored `width` numbers a row, at `matrix` of the matrices and `scratch`."""

    l: int
    columns: int
    width: int
    matrix: int
    scratch: int

    @property
    def rows(self) -> int:
        """2l + 1."""
        return 2 * self.l + 1


@dataclass(frozen=True)
class PolarLayout:
    """Places of all matrices; `matrices` and `scratch` are the numbers that one member needs."""

    orders: tuple[OrderPlace, ...]
    matrices: int
    scratch: int

    @classmethod
    def of(cls, columns: dict[int, int]) -> "PolarLayout":
        """For order -> number of columns; orders without columns have no matrix."""
        orders, matrix, scratch = [], 0, 0
        for l, count in sorted(columns.items()):
            if not count:
                continue
            width = -(-count // LANES) * LANES
            orders.append(OrderPlace(l, count, width, matrix, scratch))
            matrix += (2 * l + 1) * width
            scratch += 2 * (2 * l + 1) * width + 2 * width**2
        return cls(tuple(orders), matrix, scratch)

    def table(self) -> np.ndarray:
        """(count, 5) i4 as kernels/polar.cl reads it, the largest first."""
        biggest = sorted(self.orders, key=lambda order: -order.rows * order.columns**2)
        rows = [(order.rows, order.columns, order.width, order.matrix, order.scratch) for order in biggest]
        return np.array(rows, np.int32).reshape(-1, 5)
