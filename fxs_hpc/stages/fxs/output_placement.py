"""What `output_density_modifiers` do to a finished reconstruction before it is stored."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Geometry, PlaneGeometry, Projected
from fxs_hpc.engine.plane_projection import fixed_order
from fxs_hpc.fluctuation.centring import Centring
from fxs_hpc.fluctuation.fourier import BallTransform
from fxs_hpc.fluctuation.placement import BallMove, PlaneMove, orientation
from fxs_hpc.fluctuation.plane_fourier import DiscTransform
from fxs_hpc.stages.fxs.phasing_problem import Problem


@dataclass(frozen=True)
class Side:
    """The last or the best state of a reconstruction: density, the same after a Fourier transform and back, support, amplitude."""

    density: NDArray
    cleaned: NDArray
    support: NDArray[np.bool_]
    projected: Projected


class Placement:
    """Moves the centre of mass of densities to the origin and, in the plane, turns them.

    Parameters
    ----------
    high_pass : inner fraction of the rings that does not count in the choice of the order that defines the orientation (see
        `engine.plane_projection.fixed_order`); None leaves the orientation alone.
    """

    def __init__(self, problem: Problem, high_pass: float | None) -> None:
        grids, convention = problem.geometry, problem.constraints.r_max_convention
        constraint = self._constraint = problem.constraints.reciprocal
        self._geometry, self._centring = grids, Centring(grids, convention)
        self._transform: DiscTransform | BallTransform
        self._turned = 0
        if isinstance(grids, PlaneGeometry):
            self._transform = DiscTransform(grids.radial, grids.angular, grids.amplitude_order, convention)
            if high_pass is not None:
                self._turned = constraint.fixed_order or fixed_order(constraint.projection_matrices, constraint.q, high_pass)
        else:
            self._transform = BallTransform(grids.radial, grids.angular, grids.amplitude_order, convention)

    def placed(self, side: Side) -> Side:
        """Density, support, amplitude and unknowns of the moved particle; its invariants are the same."""
        move = self._move(side)
        found, unknowns = side.projected, dict(side.projected.unknowns)
        if isinstance(move, PlaneMove):
            unknowns = {n: u * np.exp(-1j * n * move.angle) for n, u in unknowns.items()}
        projected = replace(found, amplitude=move.amplitude(found.amplitude).astype(found.amplitude.dtype), unknowns=unknowns)
        density, cleaned = (move.density(part).astype(part.dtype) for part in (side.density, side.cleaned))
        return Side(density, cleaned, move.support(side.support), projected)

    def _move(self, side: Side) -> PlaneMove | BallMove:
        centre = self._centring.centre_of_mass(side.density, side.support)
        if isinstance(self._geometry, Geometry):
            assert isinstance(self._transform, BallTransform)
            return BallMove(self._transform, self._geometry.angular, centre)
        assert isinstance(self._transform, DiscTransform)
        angle = 0.0
        if self._turned:
            factors = {n: complex(u[0, 0]) for n, u in side.projected.unknowns.items()}
            angle = orientation(self._constraint.projection_matrices, factors, self._constraint.q, self._turned)
        return PlaneMove(self._transform, centre, angle)


def placement(settings: Reconstruct, problem: Problem) -> Placement | None:
    """What the settings ask for; None where densities stay where they are.

    `fix_orientation` centres as well, as in the reference program.
    """
    modifiers = settings.output_density_modifiers
    orient = modifiers.fix_orientation and isinstance(problem.geometry, PlaneGeometry)
    if not (modifiers.shift_to_center or orient):
        return None
    return Placement(problem, settings.projections.reciprocal.SO_freedom.radial_high_pass if orient else None)
