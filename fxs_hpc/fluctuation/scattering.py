"""From a real density on the grid to the spherical harmonic coefficients of its intensity |F|^2."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.harmonics.grids import RadialGrid
from fxs_hpc.harmonics.hankel import hankel_matrices, phase
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.parallel.threads import over

_BLOCK = 32


def density_coefficients(
    density: NDArray[np.floating], transform: SphericalTransform, workers: int = 1
) -> NDArray[np.float64]:
    """coef[m, l, re/im, r] of a real density (N, n_theta, n_phi); empty shells are skipped."""
    size = transform.l_max + 1
    coef = np.zeros((size, size, 2, len(density)))
    filled = np.flatnonzero(density.any(axis=(1, 2)))

    def analyse(start: int) -> None:
        shells = filled[start : start + _BLOCK]
        coef[..., shells] = transform.analyse(np.ascontiguousarray(np.moveaxis(density[shells], 0, -1), dtype=np.float64))

    over(analyse, range(0, len(filled), _BLOCK), workers)
    return coef


def amplitude_coefficients(
    coef: NDArray[np.float64], hankel: NDArray[np.float64], workers: int = 1
) -> NDArray[np.float64]:
    """Coefficients of F = A + iB of a real density from those of the density: even l make A, odd l make B.

    `hankel` are forward matrices (L+1, N, N) of `hankel_matrices`; the sign of (-i)^l is applied here.
    """
    result = np.zeros((*coef.shape[:3], hankel.shape[-1]))
    signs = phase(np.arange(coef.shape[1]))
    filled = np.flatnonzero(coef.any(axis=(0, 1, 2)))

    def transform(order: int) -> None:
        rows = coef[: order + 1, order][..., filled].reshape(-1, len(filled))
        result[: order + 1, order] = signs[order] * (rows @ hankel[order][filled]).reshape(order + 1, 2, -1)

    over(transform, range(len(signs)), workers)
    return result


def intensity_coefficients(
    coef: NDArray[np.float64], transform: SphericalTransform, workers: int = 1
) -> NDArray[np.float64]:
    """coef[m, l, re/im, q] of I = |F|^2 from those of F = A + iB (even l make A, odd l make B); odd orders are zero.

    A^2 + B^2 is the centrosymmetric part of (A + B)^2, so one real field is synthesised and its even orders are kept.
    """
    result = np.empty_like(coef)

    def square(start: int) -> None:
        block = slice(start, start + _BLOCK)
        field = transform.synthesise(np.ascontiguousarray(coef[..., block]))
        result[..., block] = transform.analyse(np.square(field, out=field))

    over(square, range(0, coef.shape[-1], _BLOCK), workers)
    result[:, 1::2] = 0
    return result


def density_to_intensity(
    density: NDArray[np.floating],
    radial: RadialGrid,
    transform: SphericalTransform,
    convention: str = "exact",
    workers: int = 1,
) -> NDArray[np.float64]:
    """coef[m, l, re/im, q] of |F|^2 of a real density (N, n_theta, n_phi) on the grids `radial` and `transform.grid`.

    Free of aliasing where the angular grid is `AngularGrid.alias_free(L, L)`; `convention` as in `hankel_matrices`.
    """
    coef = density_coefficients(density, transform, workers)
    hankel = hankel_matrices(radial, transform.l_max, "forward", convention, workers)
    return intensity_coefficients(amplitude_coefficients(coef, hankel, workers), transform, workers)
