"""The reciprocal-space constraint in the plane: the invariants fix I_n(q) up to one phase factor per order n.

V_n V_n^+ = B_n has rank one, I_n = V_n u_n, |u_n| = 1. The factor closest to an intensity in the sense of least squares with weight q is
u_n = s_n / |s_n|, s_n = sum_k q_k conj(V_n(q_k)) I_n(q_k).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fxs_hpc.engine.procrustes import ReciprocalConstraint


def phase_factors(overlap: NDArray) -> NDArray:
    """s / |s| element by element, 1 where s = 0."""
    modulus = np.abs(overlap)
    return np.divide(overlap, modulus, out=np.ones_like(overlap), where=modulus > 0)


def fixed_order(matrices: Mapping[int, NDArray], q: NDArray[np.float64], high_pass: float) -> int:
    """The even order n > 0 with the largest mean_q |V_n q| over the outer part of the rings; 0 if all vanish.

    Parameters
    ----------
    high_pass : inner fraction of the rings that does not count.
    """
    outer = slice(int(high_pass * len(q)), None)
    strengths = {n: float(np.mean(np.abs(v[outer, 0]) * q[outer])) for n, v in matrices.items() if n > 0 and n % 2 == 0 and v.shape[1]}
    strongest = max(strengths, key=lambda n: (strengths[n], -n), default=0)
    return strongest if strengths.get(strongest, 0.0) > 0 else 0


@dataclass(frozen=True)
class OrderRows:
    """A constraint as rows over the orders of the intensity's coefficients.

    Parameters
    ----------
    orders : (M,) the orders n of the rows.
    vectors : (M, N) complex V_n; 0 where an order is not projected.
    known : (M, N) 1 where the data count, 0 elsewhere.
    weights : (N,) of the fit, q.
    """

    orders: NDArray[np.int64]
    vectors: NDArray
    known: NDArray
    weights: NDArray


def order_rows(constraint: ReciprocalConstraint, orders: NDArray[np.int64], dtype: DTypeLike) -> OrderRows:
    """Rows for coefficients of these orders, in precision `dtype`; orders beyond them are dropped."""
    n_points = len(constraint.q)
    vectors = np.zeros((len(orders), n_points), np.result_type(dtype, np.complex64))
    known = np.zeros((len(orders), n_points), dtype)
    if constraint.spherical_average is not None:
        vectors[0], known[0] = constraint.spherical_average, constraint.known[0]
    row_of = {int(n): row for row, n in enumerate(orders)}
    for n, v in constraint.projection_matrices.items():
        if n and n in row_of:
            known[row_of[n]] = constraint.known[n]
            if v.shape[1]:
                vectors[row_of[n]] = v[:, 0]
    return OrderRows(orders, vectors, known, constraint.q.astype(dtype))


class PlaneProjection:
    """Projects intensity coefficients [n, q] onto the invariants."""

    def __init__(self, constraint: ReciprocalConstraint, orders: NDArray[np.int64], dtype: DTypeLike) -> None:
        self.rows = order_rows(constraint, orders, dtype)
        self._fitted = self.rows.vectors.conj() * self.rows.known * self.rows.weights
        self._free_of_fit = (orders == 0) | (orders == constraint.fixed_order)
        self._average = 1.0

    def scale_average(self, factor: float) -> None:
        """Order 0 is imposed `factor` times as large."""
        self._average = factor

    def factors(self, coefficients: NDArray, open_rings: NDArray) -> NDArray:
        """Phase factors u_n (M,) closest to coefficients (M, N), from the rings where `open_rings` (N,) is 1."""
        found = phase_factors(np.sum(self._fitted * (coefficients * open_rings), axis=1))
        found[self._free_of_fit] = 1
        return found

    def imposed(self, coefficients: NDArray, open_rings: NDArray) -> NDArray:
        """I'_n = V_n u_n (M, N) where the data count, I_n elsewhere."""
        goal = self.rows.vectors * self.factors(coefficients, open_rings)[:, None]
        goal[0] *= self._average
        return coefficients + (self.rows.known * open_rings) * (goal - coefficients)

    def errors(self, found: NDArray, imposed: NDArray, q_weights: NDArray[np.float64]) -> dict[str, float]:
        """How far an intensity is from the invariants.

        'l2_projection_diff': sum over the orders -n .. n of int |I'_n - I_n|^2 q dq / the same of |I'_n|^2, n the highest one projected;
        'deg2_invariant_l2_diff': mean over the orders n > 0 of |V V^+ - B|^2 / |V V^+|^2 with B of the intensity.
        """
        rows = self.rows
        stop = int(np.flatnonzero(rows.known.any(axis=1)).max(initial=0)) + 1
        multiplicity = np.where(rows.orders[:stop] > 0, 2.0, 1.0)
        lengths = [float(multiplicity @ (np.abs(part[:stop].astype(complex)) ** 2 @ q_weights)) for part in (imposed - found, imposed)]
        shares = _invariant_errors(rows.vectors[1:stop].astype(complex), found[1:stop].astype(complex), rows.known[1:stop])
        return {
            "l2_projection_diff": lengths[0] / lengths[1] if lengths[1] > 0 else float("nan"),
            "deg2_invariant_l2_diff": float(np.mean(shares)) if len(shares) else 0.0,
        }


def _invariant_errors(vectors: NDArray, intensities: NDArray, known: NDArray) -> NDArray[np.float64]:
    """|V V^+ - I I^+|^2 over the known rings / |V V^+|^2, of the rows whose V is not 0.

    With a = V, b = I there, and c the part of b at right angles to a, |a a^+ - b b^+|^2 = (|a|^2 - |b|^2)^2 + 2 |a|^2 |c|^2.
    """
    norms = np.sum(np.abs(vectors) ** 2, axis=1) ** 2
    a, b = (part[norms > 0] * known[norms > 0] for part in (vectors, intensities))
    a_squared, b_squared = (np.sum(np.abs(part) ** 2, axis=1) for part in (a, b))
    along = np.sum(a.conj() * b, axis=1) / np.where(a_squared > 0, a_squared, 1)
    beside = np.sum(np.abs(b - along[:, None] * a) ** 2, axis=1)
    return ((a_squared - b_squared) ** 2 + 2 * a_squared * beside) / norms[norms > 0]


def plane_invariants(coefficients: NDArray, orders: NDArray[np.int64], max_order: int) -> NDArray[np.complex128]:
    """B_n(q1, q2) = I_n(q1) conj(I_n(q2)), (L+1, N, N), of coefficients [row, q] with these orders."""
    found = np.zeros((max_order + 1, coefficients.shape[1], coefficients.shape[1]), complex)
    for n, row in zip(orders, coefficients.astype(complex), strict=True):
        if n <= max_order:
            found[n] = np.outer(row, row.conj())
    return found
