"""Projection matrices turned so that the intensity they stand for, taken as it is, is as positive as possible.

B_l fixes V_l up to an orthogonal matrix, in the plane B_n fixes v_n up to a phase. Phasing finds these matrices anew in every step;
what profits from a good choice here is whatever uses V_l as coefficients directly: the low-resolution density guess, the initial
support, intensity_guess.vts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.projection_matrices import coefficients
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

_CHECK_EVERY = 10


class _Space:
    """The orders 0 .. order in space: spherical harmonics, an orthogonal matrix per order."""

    def __init__(self, order: int) -> None:
        self._transform = SphericalTransform(AngularGrid.alias_free(order, order), order)

    def intensity(self, matrices: Sequence[NDArray]) -> NDArray[np.float64]:
        return self._transform.synthesise(coefficients(matrices))

    def turned(self, fixed: Sequence[NDArray], field: NDArray[np.float64]) -> list[NDArray]:
        coef = self._transform.analyse(field)
        return [_turned(matrix, _columns(coef, order)) if matrix.any() else matrix for order, matrix in enumerate(fixed)]


class _Plane:
    """The orders 0 .. order in the plane: Fourier series, a phase per order."""

    def __init__(self, order: int) -> None:
        self._transform = CircularTransform(CircleGrid.alias_free(order, order), order)

    def intensity(self, vectors: Sequence[NDArray]) -> NDArray[np.float64]:
        return np.asarray(self._transform.synthesise(np.stack([vector[:, 0] for vector in vectors])), np.float64)

    def turned(self, fixed: Sequence[NDArray], field: NDArray[np.float64]) -> list[NDArray]:
        coef = self._transform.analyse(field)
        overlaps = [np.vdot(vector, values) for vector, values in zip(fixed, coef, strict=True)]
        return [vector * (s / abs(s) if s else 1) for vector, s in zip(fixed, overlaps, strict=True)]


def _columns(coef: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Real harmonics (N, 2l+1) of one order: inverse of `projection_matrices.coefficients`."""
    parts = coef[1 : order + 1, order].reshape(2 * order, coef.shape[-1]) * np.sqrt(2)
    return np.concatenate([coef[0, order, :1], parts]).T


def _turned(fixed: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """`fixed` times the orthogonal matrix that brings it nearest to `target` (Procrustes)."""
    left, _, right = np.linalg.svd(fixed.T @ target[:, : fixed.shape[1]])
    return fixed @ (left @ right)


def made_positive(matrices: Sequence[NDArray], n_iterations: int, error_change_limit: float, dimensions: int = 3) -> tuple[NDArray, ...]:
    """V_l W_l with orthogonal W_l (in two dimensions v_n times a phase) found by alternating between positivity and the given V_l.

    Orders are brought in two by two, l <= 2, 4, .. L; each time at most `n_iterations` steps, or until the relative change of the
    intensity over a step, looked at every 10th step, falls below `error_change_limit`. Returns matrices of the same shapes and with
    the same V_l V_l^+.
    """
    current = [np.ascontiguousarray(matrix if dimensions == 2 else matrix.real) for matrix in matrices]
    for top in range(min(2, len(current) - 1), len(current) + 1, 2):
        count = min(top, len(current) - 1) + 1
        surroundings = _Plane(count - 1) if dimensions == 2 else _Space(count - 1)
        current[:count] = _alternated(surroundings, current[:count], n_iterations, error_change_limit)
        if count == len(current):
            break
    return tuple(current)


def _alternated(surroundings: _Space | _Plane, matrices: list[NDArray], n_iterations: int, error_change_limit: float) -> list[NDArray]:
    field = surroundings.intensity(matrices)
    for iteration in range(n_iterations):
        matrices = surroundings.turned(matrices, np.maximum(field, 0))
        new = surroundings.intensity(matrices)
        change = np.abs(new - field).sum() if iteration % _CHECK_EVERY == 0 else np.inf
        field = new
        if change <= error_change_limit * np.abs(new).sum():
            break
    return matrices
