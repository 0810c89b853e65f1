"""The reciprocal-space constraint of fluctuation scattering: the known invariants fix I_l up to one orthogonal matrix per order."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import DTypeLike, NDArray

_SQRT2 = np.sqrt(2.0)


@dataclass(frozen=True)
class ReciprocalConstraint:
    """What the data say about the intensity.

    Parameters
    ----------
    projection_matrices : V_l (N, n_l), n_l <= 2l+1, real, for every order l > 0 that is projected; I_l = V_l U_l with U_l (n_l, 2l+1)
        of orthonormal rows in the basis (I_l0, sqrt2 Re I_lm, sqrt2 Im I_lm).
    spherical_average : I_00(q) (N,) that replaces the order 0 (already divided by sqrt(number of particles)), or None.
    known : per order the shells (N,) bool where the constraint holds; elsewhere the current coefficients stay.
    q : (N,) momentum transfer in 1/A; the fit of U_l weighs shells by q^2 (rings of the plane by q).

    In the plane V_n is a complex vector (N, 1), B_n = V_n V_n^+, I_n = V_n u_n with a phase factor u_n, and order 0 is I_0 = <I>(q).
    `fixed_order` is the order n > 0 whose u_n is set to 1 there, which fixes the rotation; 0 leaves it free.
    """

    projection_matrices: Mapping[int, NDArray]
    spherical_average: NDArray[np.float64] | None
    known: Mapping[int, NDArray[np.bool_]]
    q: NDArray[np.float64]
    fixed_order: int = 0

    @property
    def max_order(self) -> int:
        """Highest order that is projected."""
        return max([0, *self.projection_matrices])


def polar_factor(matrix: NDArray) -> NDArray[np.float64]:
    """Orthonormal factor X Y^T of matrix = X S Y^T, in double precision.

    The divide-and-conquer SVD fails now and then on finite, nearly rank-deficient matrices; QR iteration then does not.
    """
    double = matrix.astype(np.float64, copy=False)
    try:
        left, _, right = np.linalg.svd(double, full_matrices=False)
    except np.linalg.LinAlgError:
        left, _, right = scipy.linalg.svd(double, full_matrices=False, lapack_driver="gesvd")
    return left @ right


class ProcrustesProjection:
    """Projects intensity coefficients onto the invariants; see `ReciprocalConstraint`.

    Reference: J. J. Donatelli, P. H. Zwart, J. A. Sethian, PNAS 112, 10286 (2015), the multi-tiered iterative phasing projection.
    """

    def __init__(self, constraint: ReciprocalConstraint, n_stored: int, dtype: DTypeLike) -> None:
        self._n = len(constraint.q)
        self._dtype = np.dtype(dtype)
        self._orders: dict[int, tuple[NDArray, NDArray, NDArray]] = {}
        for l, v in sorted(constraint.projection_matrices.items()):
            known = np.zeros(n_stored, dtype)
            known[: self._n] = constraint.known[l]
            matrix = np.zeros((n_stored, v.shape[1]), dtype)
            matrix[: self._n] = v
            weight = np.zeros(n_stored, dtype)
            weight[: self._n] = constraint.q**2
            self._orders[l] = (np.ascontiguousarray(matrix * (weight * known)[:, None]), np.ascontiguousarray(matrix.T), known)
        self._average: NDArray | None = None
        if constraint.spherical_average is not None:
            self._unscaled = np.zeros(n_stored, dtype)
            self._unscaled[: self._n] = constraint.spherical_average
            self._average = self._unscaled
            self._average_known = np.zeros(n_stored, dtype)
            self._average_known[: self._n] = constraint.known[0]

    def scale_average(self, factor: float) -> None:
        """From now on order 0 is `factor` times that of the constraint."""
        if self._average is not None:
            self._average = self._unscaled * np.asarray(factor, self._dtype)

    @property
    def orders(self) -> Mapping[int, tuple[NDArray, NDArray, NDArray]]:
        """Per projected order: V_l (N, n) weighted by q^2 where the data count, V_l^T (n, N), and (N,) where they count (1) or not (0)."""
        return self._orders

    def unknowns(self, coefficients: NDArray) -> dict[int, NDArray[np.float64]]:
        """The orthogonal matrices U_l (n_l, 2l+1) closest to intensity coefficients [m, l, 2, q]."""
        return {l: self._unknown(coefficients, l).T for l in self._orders}

    def _unknown(self, coefficients: NDArray, l: int) -> NDArray[np.float64]:
        weighted, _, _ = self._orders[l]
        overlap = np.empty((2 * l + 1, weighted.shape[1]), self._dtype)
        np.matmul(coefficients[: l + 1, l, 0], weighted, out=overlap[: l + 1])
        np.matmul(coefficients[1 : l + 1, l, 1], weighted, out=overlap[l + 1 :])
        overlap[1:] *= self._dtype.type(_SQRT2)
        return polar_factor(overlap)

    def change(self, coefficients: NDArray, out: NDArray, keep: bool) -> None:
        """Write I'_lm - I_lm (keep) or I'_lm itself (not keep) of the projected orders to out[m, l, 2, q]; others stay as they are."""
        if self._average is not None:
            out[0, 0, 0] = self._average_known * (self._average - coefficients[0, 0, 0])
            if not keep:
                out[0, 0, 0] += coefficients[0, 0, 0]
        for l, (_, transposed, known) in self._orders.items():
            rotation = self._unknown(coefficients, l).astype(self._dtype)
            rotation[1:] /= self._dtype.type(_SQRT2)
            for rows, old, new in (
                (rotation[: l + 1], coefficients[: l + 1, l, 0], out[: l + 1, l, 0]),
                (rotation[l + 1 :], coefficients[1 : l + 1, l, 1], out[1 : l + 1, l, 1]),
            ):
                projected = rows @ transposed
                projected -= old
                projected *= known
                new[...] = projected
                if not keep:
                    new += old

    def errors(self, coefficients: NDArray, change: NDArray, q_weights: NDArray[np.float64]) -> dict[str, float]:
        """How far an intensity is from the invariants.

        'l2_projection_diff': sum over orders of int |I'_lm - I_lm|^2 q^2 dq / the same of |I'_lm|^2, where the data count;
        'deg2_invariant_l2_diff': mean over orders of |V V^T - B|^2 / |V V^T|^2 with B of the intensity.
        """
        n = self._n
        order = max([0, *self._orders])
        double = np.full(coefficients.shape[0], 2.0)
        double[0] = 1.0
        block = np.s_[: order + 1, : order + 1, :, :n]
        lengths = [
            np.einsum("mlcq,q,m->", part[block].astype(float) ** 2, q_weights, double[: order + 1])
            for part in (change, coefficients + change)
        ]
        shares = []
        for l, (_, transposed, known) in self._orders.items():
            expected = (transposed.T @ transposed)[:n, :n].astype(float)
            norm = np.sum(expected**2)
            if norm == 0:
                continue
            rows = np.concatenate([coefficients[: l + 1, l, 0, :n], coefficients[1 : l + 1, l, 1, :n]]).astype(float)
            rows[1:] *= _SQRT2
            mask = np.outer(known[:n], known[:n])
            shares.append(np.sum(mask * (expected - rows.T @ rows) ** 2) / norm)
        return {"l2_projection_diff": float(lengths[0] / lengths[1]), "deg2_invariant_l2_diff": float(np.mean(shares)) if shares else 0.0}


def invariants_of(coefficients: NDArray, n_radial: int, max_order: int) -> NDArray[np.float64]:
    """B_l(q1, q2) = sum_m I_lm(q1) I_lm(q2)^* (L+1, N, N) of real intensity coefficients [m, l, 2, q]."""
    found = np.zeros((max_order + 1, n_radial, n_radial))
    for l in range(max_order + 1):
        rows = coefficients[: l + 1, l, :, :n_radial].astype(np.float64)
        rows[1:] *= _SQRT2
        flat = rows.reshape(-1, n_radial)
        found[l] = flat.T @ flat
    return found
