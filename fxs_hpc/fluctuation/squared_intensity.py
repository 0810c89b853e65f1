"""Harmonics and invariants of the square of an intensity, and the unknown transform between it and the intensity itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid
from fxs_hpc.harmonics.spherical import SphericalTransform

METHODS = ("procrustes", "direct")


def square_in_space(coef: NDArray[np.float64]) -> NDArray[np.float64]:
    """coef[m, l, re/im, q] of I^2 from those of I, to the same order and free of aliasing."""
    order = coef.shape[1] - 1
    transform = SphericalTransform(AngularGrid.alias_free(order, order), order)
    return transform.analyse(np.square(transform.synthesise(coef)))


def square_in_plane(harmonics: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Harmonics (L+1, N) of I^2 from those of I, to the same order and free of aliasing."""
    order = len(harmonics) - 1
    transform = CircularTransform(CircleGrid.alias_free(order, order), order)
    return np.asarray(transform.analyse(np.square(transform.synthesise(harmonics))), np.complex128)


def mixed_in_space(squared: NDArray[np.float64], coef: NDArray[np.float64]) -> NDArray[np.float64]:
    """B_l^(21)(q1, q2) = sum_m (I^2)_lm(q1) I_lm(q2)^* of real fields, (L+1, N, N); coef[m, l, re/im, q] of I^2 and I."""
    n_orders, n_q = coef.shape[1], coef.shape[-1]
    result = np.empty((n_orders, n_q, n_q))
    for order in range(n_orders):
        left, right = (part[: order + 1, order].reshape(-1, n_q) for part in (squared, coef))
        weights = np.where(np.arange(len(right)) < 2, 1.0, 2.0)  # m and -m contribute equally
        result[order] = (left * weights[:, None]).T @ right
    return result


def mixed_in_plane(squared: NDArray[np.complex128], harmonics: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """B_n^(21)(q1, q2) = (I^2)_n(q1) I_n(q2)^*, (L+1, N, N), of harmonics (L+1, N) of I^2 and I."""
    return np.asarray(squared[:, :, None] * harmonics[:, None].conj(), np.complex128)


def unknown_transform(
    mixed: NDArray, first: NDArray, second: NDArray, method: str = "procrustes", enforce_unitarity: bool = False
) -> NDArray:
    """W (k, k) with V2 W V^+ = B21: then (I^2)_lm = V2 W U where I_lm = V U.

    Parameters
    ----------
    mixed : B21 (N, N), rows for I^2. first, second : projection matrices V of I and V2 of I^2, (N, k), columns orthogonal to each other.
    method : 'procrustes', the unitary W for which V2 W is nearest to B21 V / w, w the squares of the columns of V [Schönemann 1966];
        'direct', the W for which V2 W V^+ is nearest to B21, with columns and rows of zeros where V and V2 have them.
    enforce_unitarity : of 'direct' the nearest unitary matrix is taken. In 'procrustes' strong columns of V2 count more.

    Notes
    -----
    Where 2l + 1 exceeds the number N of radial points, W is no unitary matrix: only 'direct' is right there.
    """
    if method not in METHODS:
        raise SettingsError(f"I2I1_unknown_tranrform_extraction_method {method!r} is unknown; use one of {', '.join(METHODS)}")
    overlap = _divided(second.conj().T @ mixed @ first, _squares(first))
    if method == "direct":
        overlap = _divided(overlap.T, _squares(second)).T
        if not enforce_unitarity:
            return overlap
    left, _, right = np.linalg.svd(overlap)
    return np.asarray(left @ right)


def _divided(matrix: NDArray, sizes: NDArray[np.float64]) -> NDArray:
    """Columns divided by their sizes, zero where these are zero."""
    return np.divide(matrix, sizes, out=np.zeros_like(matrix), where=sizes > 0)


def _squares(matrix: NDArray) -> NDArray[np.float64]:
    return np.asarray((np.abs(matrix) ** 2).sum(axis=0))


def unknown_transforms(
    mixed: NDArray, first: Sequence[NDArray], second: Sequence[NDArray], method: str = "procrustes", enforce_unitarity: bool = False
) -> tuple[NDArray, ...]:
    """`unknown_transform` of every order; the identity where there is nothing to compare."""
    found = []
    for order, (v, v2) in enumerate(zip(first, second, strict=True)):
        nothing = not (v.any() and v2.any())
        found.append(np.eye(v.shape[1], dtype=v.dtype) if nothing else unknown_transform(mixed[order], v, v2, method, enforce_unitarity))
    return tuple(found)
