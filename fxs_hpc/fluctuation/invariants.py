"""Rotational invariants B_l of an intensity, and the data that phasing needs from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.parallel.threads import over


@dataclass(frozen=True)
class InvariantData:
    """What `extract` hands to `reconstruct`.

    Parameters
    ----------
    dimensions : 3 (or 2).
    wavelength : X-ray wavelength in A.
    max_order : highest harmonic order L.
    average_intensity : (N,) mean intensity <I>(q).
    q : (N,) radial points in 1/A, 2 pi included.
    delta : (n_delta,) angles of the correlation in rad.
    projection_matrices : per order l = 0..L an array (N, min(N, 2l+1)), V_l V_l^+ = B_l; zero rows outside `q_id_limits`.
        Real where B_l is real.
    q_id_limits : (L+1, 2) integers, rows [low, high) of V_l that carry data.
    invariants : B_l, (L+1, N, N), or None when they were not stored.
    invariant_masks : (L+1, N, N) bool, True where B_l is trusted, or None.
    low_resolution_coefficients : the first V_l, kept for a coarse intensity.
    n_particles : mean number of particles per pattern of the correlation, 0 if unknown.
    """

    dimensions: int
    wavelength: float
    max_order: int
    average_intensity: NDArray[np.float64]
    q: NDArray[np.float64]
    delta: NDArray[np.float64]
    projection_matrices: Sequence[NDArray]
    q_id_limits: NDArray[np.int64]
    invariants: NDArray | None = None
    invariant_masks: NDArray[np.bool_] | None = None
    low_resolution_coefficients: Sequence[NDArray] = field(default_factory=tuple)
    n_particles: float = 0

    def __post_init__(self) -> None:
        n_q, n_orders = len(self.q), self.max_order + 1
        if len(self.average_intensity) != n_q:
            raise DataError(f"average_intensity has {len(self.average_intensity)} values for {n_q} radial points")
        if len(self.projection_matrices) != n_orders or self.q_id_limits.shape != (n_orders, 2):
            raise DataError(
                f"max_order {self.max_order} asks for {n_orders} projection matrices and limits; found "
                f"{len(self.projection_matrices)} and {self.q_id_limits.shape}"
            )
        for order, matrix in enumerate(self.projection_matrices):
            if len(matrix) != n_q:
                raise DataError(f"projection matrix of order {order} has {len(matrix)} rows for {n_q} radial points")

    def without_invariants(self) -> "InvariantData":
        """The same data without the large B_l; their masks are kept."""
        return replace(self, invariants=None)


def invariants_of(coef: NDArray[np.float64], even_only: bool = True, workers: int = 1) -> NDArray[np.float64]:
    """B_l(q1, q2) = sum_m I_lm(q1) conj(I_lm(q2)) of a real intensity: real, symmetric, positive semidefinite.

    Parameters
    ----------
    coef : (L+1, L+1, 2, N) [m, l, re/im, q], m >= 0 of the intensity.
    even_only : leave odd orders at zero (|F|^2 of a real density is centrosymmetric).

    Returns
    -------
    (L+1, N, N) float64
    """
    n_orders, n_q = coef.shape[1], coef.shape[-1]
    invariants = np.zeros((n_orders, n_q, n_q))

    def multiply(order: int) -> None:
        rows = coef[: order + 1, order].reshape(-1, n_q).copy()
        rows[2:] *= np.sqrt(2)  # m and -m contribute equally
        np.matmul(rows.T, rows, out=invariants[order])

    over(multiply, range(0, n_orders, 2 if even_only else 1), workers)
    return invariants


def average_intensity(b_zero: NDArray[np.float64]) -> NDArray[np.float64]:
    """<I>(q) = sqrt(B_0(q, q) / 4 pi) of the order-0 invariant (N, N)."""
    return np.sqrt(np.diagonal(b_zero).real.clip(0) / (4 * np.pi))


def of_particles(invariants: NDArray, n_particles: float) -> NDArray:
    """Invariants (in space or in the plane) of patterns that hold `n_particles` independently oriented copies on average.

    Self terms add up, B_l -> Np B_l; the isotropic mean adds coherently, B_0 -> Np^2 B_0.
    """
    if n_particles == 1:
        return invariants
    scaled = invariants * n_particles
    scaled[0] *= n_particles
    return scaled
