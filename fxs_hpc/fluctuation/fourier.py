"""Densities and amplitudes of the ball, and the Fourier transform between their harmonic coefficients (see `field_transform`)."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.field_transform import FieldTransform
from fxs_hpc.fluctuation.so3 import find_rotation, refine_rotation, rotation_of
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.harmonics.wigner import Coefficients, rotate


def point_inverted(field: NDArray) -> NDArray:
    """f(-x) of a field (n_theta, n_phi, ...) on a grid with an even number of azimuths."""
    return np.roll(field[::-1], field.shape[1] // 2, axis=1)


class BallTransform(FieldTransform):
    """`FieldTransform` in three dimensions: fields [theta, phi, r], n_phi even, spherical harmonics up to l_max."""

    def __init__(
        self,
        radial: RadialGrid,
        angular: AngularGrid,
        l_max: int,
        convention: str = "exact",
        dtype: type[np.floating] = np.float64,
    ) -> None:
        if angular.n_phi % 2:
            raise DataError(f"a 3D angular grid needs an even number of azimuths, found n_phi = {angular.n_phi}")
        super().__init__(radial, angular, l_max, convention, dtype)
        self.angular = angular
        self._spherical = SphericalTransform(angular, l_max)

    @property
    def _parity(self) -> NDArray[np.float64]:
        return np.array((-1.0) ** np.arange(self.l_max + 1))[:, None, None]

    def _analyse_one(self, field: NDArray[np.floating]) -> Coefficients:
        return self._spherical.analyse(field)

    def _synthesise_one(self, coef: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._spherical.synthesise(coef)

    def _by_orders(self, coef: Coefficients, matrices: NDArray[np.floating]) -> Coefficients:
        n = matrices.shape[-1]
        result = np.zeros_like(coef)
        for l, matrix in enumerate(matrices):
            for start in range(0, coef.shape[-1], n):
                shells = slice(start, start + n)
                result[: l + 1, l, :, shells] = coef[: l + 1, l, :, shells] @ matrix.astype(coef.dtype, copy=False)
        return result

    def point_inverted(self, field: NDArray) -> NDArray:
        """f(-x) of a field (n_theta, n_phi, N)."""
        return point_inverted(field)

    def rotated(self, coef: Coefficients, angles: NDArray[np.float64]) -> Coefficients:
        """Coefficients of the field turned by Euler angles (alpha, beta, gamma)."""
        return rotate(coef, angles)

    def rotation_matrix(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rz(alpha) Ry(beta) Rz(gamma), (3, 3)."""
        return np.asarray(rotation_of(angles).as_matrix())

    def find_rotation(self, f: Coefficients, g: Coefficients, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """Euler angles (3,) of the best rotation of all; see `so3`."""
        return find_rotation(f, g, weights).angles

    def refine_rotation(self, f: Coefficients, g: Coefficients, weights: NDArray[np.floating]) -> NDArray[np.float64]:
        """Euler angles (3,) of the best rotation near none; see `so3`."""
        return refine_rotation(f, g, weights, np.zeros(3)).angles
