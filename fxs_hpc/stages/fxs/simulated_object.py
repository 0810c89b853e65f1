"""What the simulations of `simulate_ccd` in space and in the plane share: their radial grid, and what they hand over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from numpy.typing import NDArray

from fxs_hpc.config.simulate_ccd import SimulateCcd
from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation.correlation import CrossCorrelation, ewald_cosine
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.shapes import Body, Model, outer_radius
from fxs_hpc.harmonics.grids import RadialGrid

MARGIN = 1.1
"""Outermost ring of pictures of the model in units of the particle's radius."""


@dataclass(frozen=True)
class Simulated:
    """Everything but the correlation, its blocks (slice of q1, values), which are computed as they are written, and the model."""

    data: CrossCorrelation
    blocks: Iterator[tuple[slice, NDArray]]
    model: Model | PlaneModel


def radial_grid(settings: SimulateCcd, bodies: Sequence[Body]) -> RadialGrid:
    """Radial grid of the settings; where they leave max_q open it follows from oversampling.

    Raises
    ------
    SettingsError
        The object does not fit into the grid, or q is out of reach at this wavelength.
    """
    given, fourier = settings.grid, settings.fourier_transform
    x, n, outer = fourier.reciprocity_coefficient, given.n_radial_points, outer_radius(bodies)
    radius = settings.shape_size / 2 if settings.shape_size else outer
    radial = RadialGrid(n, given.max_q or x * n / (given.oversampling * radius), x, fourier.type, settings.dimensions)
    ewald_cosine(radial.q, settings.cross_correlation.xray_wavelength)
    if radial.r_max < outer:
        raise SettingsError(
            f"the shapes reach {outer:.4g} A, the grid only R = x N / q_max = {radial.r_max:.4g} A; "
            "raise grid.n_radial_points or fourier_transform.reciprocity_coefficient, or lower grid.max_q"
        )
    return radial


def shells_of(model: Model | PlaneModel) -> slice:
    """The inner radial points, those that hold the object and one more."""
    return slice(0, int((model.r <= MARGIN * outer_radius(model.shapes)).sum()) + 1)
