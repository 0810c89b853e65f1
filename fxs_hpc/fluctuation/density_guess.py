"""Random starting densities and starting supports."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

Envelope = Literal["bump", "ball"]


def bump(r: NDArray[np.float64], radius: float, slope: float) -> NDArray[np.float64]:
    """exp(-s R^2 / (R^2 - r^2)) for r < R, else 0; (N,)."""
    inside = r < radius
    values = np.zeros_like(r)
    values[inside] = np.exp(-slope * radius**2 / (radius**2 - r[inside] ** 2))
    return values


def ball(r: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """1 for r < R, else 0; (N,)."""
    return (r < radius).astype(float)


def random_factor(shape: tuple[int, ...], signal_to_noise: float, seed: int, reconstruction: int) -> NDArray[np.float64]:
    """1 + U(0, 1) / SNR per voxel, a function of (seed, reconstruction) alone: the split over processes does not matter."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, reconstruction])))
    return 1 + generator.random(shape) / signal_to_noise


def intensity_coefficients(projection_matrices: dict[int, NDArray], order_0: NDArray, max_order: int) -> NDArray[np.float64]:
    """Coefficients [m, l, 2, q] of the intensity whose unknown matrices are all 1: column m of V_l is the order m."""
    coef = np.zeros((max_order + 1, max_order + 1, 2, len(order_0)))
    coef[0, 0, 0] = order_0
    for l, v in projection_matrices.items():
        for column in range(v.shape[1]):
            m, part = (column + 1) // 2, (column + 1) % 2
            coef[m, l, part if m else 0] = v[:, column] / (np.sqrt(2) if m else 1)
    return coef


def autocorrelation(radial: RadialGrid, angular: AngularGrid, intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse Fourier transform (N, n_theta, n_phi) of an intensity given by coefficients [m, l, 2, q] (even orders)."""
    transform = BallTransform(radial, angular, intensity.shape[0] - 1)
    return np.moveaxis(transform.synthesise(transform.density(intensity))[0], -1, 0)


def plane_autocorrelation(radial: RadialGrid, angular: CircleGrid, intensity: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Inverse Fourier transform (N, n_phi) of an intensity of the plane given by coefficients [n, q], n >= 0; its real part."""
    order = len(intensity) - 1
    field = CircularTransform(angular, order).synthesise(intensity).T
    return DiscTransform(radial, angular, order).density(field).real


def voxels(radial: RadialGrid, angular: AngularGrid | CircleGrid) -> NDArray[np.float64]:
    """Volumes of the points in real space, to be broadcast against a density."""
    if isinstance(angular, CircleGrid):
        return radial.r_weights[:, None] * (2 * np.pi / angular.n_phi)
    return radial.r_weights[:, None, None] * angular.solid_angle


def scaled(density: NDArray, volumes: NDArray[np.float64], total: float) -> NDArray:
    """`density` times the factor that makes int rho^2 = total; `volumes` as `voxels` gives them."""
    return density * np.sqrt(total / np.sum(np.abs(density) ** 2 * volumes))
