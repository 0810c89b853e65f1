"""Moving a density to the origin: phasing from invariants does not fix where the particle lies."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Geometry, PlaneGeometry
from fxs_hpc.fluctuation.field_transform import density_fields, density_of
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.harmonics.grids import AngularGrid


@dataclass(frozen=True)
class Centring:
    """Centre of mass of densities on one geometry, and the shift that brings it to the origin.

    Parameters
    ----------
    geometry : the grids, in space or in the plane.
    convention : scale of the Hankel transforms, see `harmonics.hankel.hankel_matrices`.
    """

    geometry: Geometry | PlaneGeometry
    convention: str = "exact"

    def centre_of_mass(self, density: NDArray, support: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Of the positive part of Re rho inside the support, (dimensions,) in A; the origin where there is none.

        Outside the support HIO leaves feedback, and negative values would let the total vanish.
        """
        mass = np.where(support, np.maximum(np.real(density), 0), 0).astype(np.float64)
        radial, angular = self.geometry.radial, self.geometry.angular
        by_direction = np.tensordot(radial.r_weights * radial.r, mass, axes=1)
        weights = angular.solid_angle if isinstance(angular, AngularGrid) else np.full(angular.shape, 2 * np.pi / angular.n_phi)
        total = float((np.tensordot(radial.r_weights, mass, axes=1) * weights).sum())
        moment = ((by_direction * weights)[..., None] * angular.directions()).reshape(-1, radial.dimensions).sum(axis=0)
        return moment / total if total > 0 else np.zeros(radial.dimensions)

    def centred(self, density: NDArray, support: NDArray[np.bool_]) -> NDArray:
        """The density with its centre of mass at the origin, IFT(FT(rho) exp(i q.c)); band limited."""
        centre = self.centre_of_mass(density, support)
        if isinstance(self.geometry, Geometry):
            return self._shifted_in_space(density, centre)
        moved = self._disc.density(self._disc.shifted(self._disc.amplitude(density), centre))
        return moved if np.iscomplexobj(density) else moved.real

    @cached_property
    def _disc(self) -> DiscTransform:
        assert isinstance(self.geometry, PlaneGeometry)
        return DiscTransform(self.geometry.radial, self.geometry.angular, self.geometry.amplitude_order, self.convention)

    @cached_property
    def _ball(self) -> BallTransform:
        assert isinstance(self.geometry, Geometry)
        return BallTransform(self.geometry.radial, self.geometry.angular, self.geometry.amplitude_order, self.convention)

    def _shifted_in_space(self, density: NDArray, centre: NDArray[np.float64]) -> NDArray:
        ball = self._ball
        amplitude = ball.synthesise(ball.amplitude(ball.analyse(density_fields(np.moveaxis(density, 0, -1)))))
        moved = ball.synthesise(ball.density(ball.analyse(ball.shifted(amplitude, centre))))
        return np.ascontiguousarray(np.moveaxis(density_of(moved), -1, 0))
