"""Projection matrices turned so that the intensity they stand for, taken as it is, is as positive as possible.

B_l fixes V_l up to an orthogonal matrix. Phasing finds these matrices anew in every step; what profits from a good choice here is
whatever uses V_l as coefficients directly: the low-resolution density guess, the initial support, intensity_guess.vts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.projection_matrices import coefficients
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

_CHECK_EVERY = 10


def _columns(coef: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Real harmonics (N, 2l+1) of one order: inverse of `projection_matrices.coefficients`."""
    parts = coef[1 : order + 1, order].reshape(2 * order, coef.shape[-1]) * np.sqrt(2)
    return np.concatenate([coef[0, order, :1], parts]).T


def _turned(fixed: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """`fixed` times the orthogonal matrix that brings it nearest to `target` (Procrustes)."""
    left, _, right = np.linalg.svd(fixed.T @ target[:, : fixed.shape[1]])
    return fixed @ (left @ right)


def _step(
    fixed: Sequence[NDArray], field: NDArray[np.float64], transform: SphericalTransform
) -> tuple[list[NDArray], NDArray[np.float64]]:
    coef = transform.analyse(np.maximum(field, 0))
    turned = [_turned(matrix, _columns(coef, order)) if matrix.any() else matrix for order, matrix in enumerate(fixed)]
    return turned, transform.synthesise(coefficients(turned))


def made_positive(matrices: Sequence[NDArray], n_iterations: int, error_change_limit: float) -> tuple[NDArray, ...]:
    """V_l W_l with orthogonal W_l found by alternating between positivity and the given V_l.

    Orders are brought in two by two, l <= 2, 4, .. L; each time at most `n_iterations` steps, or until the relative change of the
    intensity over a step, looked at every 10th step, falls below `error_change_limit`. Returns matrices of the same shapes and with
    the same V_l V_l^T.
    """
    current = [np.ascontiguousarray(matrix.real) for matrix in matrices]
    for top in range(min(2, len(current) - 1), len(current) + 1, 2):
        count = min(top, len(current) - 1) + 1
        transform = SphericalTransform(AngularGrid.alias_free(count - 1, count - 1), count - 1)
        active = current[:count]
        field = transform.synthesise(coefficients(active))
        for iteration in range(n_iterations):
            active, new = _step(active, field, transform)
            change = np.abs(new - field).sum() if iteration % _CHECK_EVERY == 0 else np.inf
            field = new
            if change <= error_change_limit * np.abs(new).sum():
                break
        current[:count] = active
        if count == len(current):
            break
    return tuple(current)
