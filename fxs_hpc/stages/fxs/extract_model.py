"""extract from shapes or a density: the harmonics of the intensity are computed, and no correlation is needed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.extract import Extract
from fxs_hpc.config.simulate_ccd import SimulateCcd
from fxs_hpc.files.density_files import read_density
from fxs_hpc.files.plane_density_files import read_plane_density
from fxs_hpc.fluctuation import correlation, invariants, plane_scattering, plane_shapes, scattering, shapes
from fxs_hpc.fluctuation import squared_intensity as square
from fxs_hpc.fluctuation.fourier_plane import Figures, PlaneDensity, as_pixels
from fxs_hpc.fluctuation.pattern_simulation import exact_coefficients
from fxs_hpc.fluctuation.plane_patterns import exact_harmonics
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.scatterers import DensityMap, Solids, as_cartesian
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import RadialGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.fxs.ball_simulation import BallSimulation
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.disc_simulation import DiscSimulation
from fxs_hpc.stages.fxs.extract_files import density_file
from fxs_hpc.stages.fxs.extract_source import Invariants, SourcePlan
from fxs_hpc.stages.fxs.pattern_objects import SAMPLES_PER_PERIOD
from fxs_hpc.stages.fxs.plane_target import PlaneSubject
from fxs_hpc.stages.fxs.simulate_ccd import simulation
from fxs_hpc.stages.fxs.space_target import SpaceSubject


@dataclass(frozen=True)
class ShapesSource:
    """Invariants of shapes, as `simulate_ccd` computes them."""

    settings: Extract
    context: Context

    @property
    def simulation(self) -> BallSimulation | DiscSimulation:
        """Shapes and grids."""
        given = self.settings
        tree: dict[str, Any] = {
            name: getattr(given, name)
            for name in ("dimensions", "structure_name", "seed", "grid", "fourier_transform", "shapes", "shape_size", "n_particles")
        }
        return simulation(SimulateCcd.model_validate({**tree, "cross_correlation": {"xray_wavelength": given.xray_wavelength}}))

    def plan(self, threads: int) -> SourcePlan:
        """As that of `simulate_ccd`."""
        found, order = self.simulation.plan(threads), min(self.settings.max_order, self.settings.grid.max_order)
        return SourcePlan(found.memory, self.settings.grid.n_radial_points, order + 1, found.lines[:1])

    def solved(self, threads: int) -> Invariants:
        """Invariants of all data sets."""
        chosen = self.simulation
        self.context.say(f"  {len(chosen.bodies)} shapes, {chosen.radial.n_points} q up to {chosen.radial.q_max:.6g} 1/A")
        order = self.settings.grid.max_order
        if isinstance(chosen, DiscSimulation):
            flat = plane_shapes.density_on(chosen.bodies, chosen.radial.r, chosen.angular.phi)
            circle = CircularTransform(chosen.angular, order)
            harmonics: NDArray = plane_scattering.intensity_harmonics(flat, chosen.radial, circle, workers=threads)
        else:
            density = shapes.density_on(chosen.bodies, chosen.radial.r, chosen.angular.theta, chosen.angular.phi, threads)
            transform = SphericalTransform(chosen.angular, order)
            harmonics = scattering.density_to_intensity(density, chosen.radial, transform, workers=threads)
        return assembled(self.settings, self.context, chosen.radial.q, harmonics)

    def draw_components(self, folder: Path) -> None:
        """There are no correlations."""


@dataclass(frozen=True)
class DensitySource:
    """Invariants of a density from a file: its exact amplitudes at the radial points."""

    settings: Extract
    context: Context

    @property
    def path(self) -> Path:
        """The file."""
        return density_file(self.settings, self.context)

    def plan(self, threads: int) -> SourcePlan:
        """Reads the density."""
        subject, radial = self._read()
        words, memory = subject.grid(radial.q_max)
        harmonics = 16 * (self.settings.grid.max_order + 1) ** (self.settings.dimensions - 1) * radial.n_points
        line = f"density of radius {subject.radius:.4g} A from {self.path.name}: amplitudes on {words}, {radial.n_points} q"
        order = min(self.settings.max_order, self.settings.grid.max_order)
        return SourcePlan(300_000_000 + memory + 3 * harmonics, radial.n_points, order + 1, (line,))

    def solved(self, threads: int) -> Invariants:
        """Invariants of all data sets."""
        subject, radial = self._read()
        self.context.say(f"  {self.path.name}: radius {subject.radius:.4g} A, {radial.n_points} q up to {radial.q_max:.6g} 1/A")
        order = self.settings.grid.max_order
        if isinstance(subject, PlaneSubject):
            harmonics: NDArray = exact_harmonics(subject.target(radial.q_max, Alone()).amplitudes, radial.q, order)
        else:
            harmonics = exact_coefficients(subject.target(radial.q_max, Alone()).amplitudes, radial.q, order, threads)
        return assembled(self.settings, self.context, radial.q, harmonics)

    def draw_components(self, folder: Path) -> None:
        """There are no correlations."""

    def _read(self) -> tuple[SpaceSubject | PlaneSubject, RadialGrid]:
        """The object with its grid; where the settings leave max_q open it follows from oversampling."""
        found = read_plane_density(self.path) if self.settings.dimensions == 2 else read_density(self.path)
        grid = self._grid(radius_of(found))
        step = 2 * np.pi / grid.q_max / SAMPLES_PER_PERIOD
        if isinstance(found, DensityMap):
            return SpaceSubject(found), grid
        if isinstance(found, PlaneDensity):
            return PlaneSubject(found), grid
        if isinstance(found, shapes.Model):
            return SpaceSubject(Solids(found.shapes) if found.shapes else as_cartesian(found, step)), grid
        return PlaneSubject(Figures(found.shapes) if found.shapes else as_pixels(found, step)), grid

    def _grid(self, radius: float) -> RadialGrid:
        given, fourier = self.settings.grid, self.settings.fourier_transform
        x, n = fourier.reciprocity_coefficient, given.n_radial_points
        outer = self.settings.shape_size / 2 if self.settings.shape_size else radius
        q_max = given.max_q or x * n / (given.oversampling * outer)
        return RadialGrid(n, q_max, x, fourier.type, self.settings.dimensions)


def radius_of(found: DensityMap | PlaneDensity | shapes.Model | PlaneModel) -> float:
    """Radius in A of the ball about the origin that holds a density."""
    if isinstance(found, DensityMap | PlaneDensity):
        return found.radius
    if found.shapes:
        return shapes.outer_radius(found.shapes)
    filled = found.density.reshape(len(found.r), -1).any(axis=1)
    return float(found.r[filled].max(initial=found.r[0]))


def assembled(settings: Extract, context: Context, q: NDArray[np.float64], harmonics: NDArray) -> Invariants:
    """Invariants of the data sets that the settings name, up to the orders that they want, from the harmonics of I."""
    largest = settings.grid.max_order
    order = min(settings.max_order, largest)
    if order < settings.max_order:
        context.say(f"  note: max_order {settings.max_order} is more than grid.max_order; {order} is used")
    squared = len(settings.cross_correlation.datasets_to_process) > 1
    values = _in_plane(harmonics, squared) if settings.dimensions == 2 else _in_space(harmonics, squared)
    kept = {name: array[: order + 1] for name, array in values.items()}
    kept["I1I1"] = invariants.of_particles(kept["I1I1"], settings.n_particles)
    mean = np.sqrt(np.diagonal(kept["I1I1"][0]).real.clip(0) / (4 * np.pi if settings.dimensions == 3 else 1))
    angles = correlation.correlation_angles(largest) if settings.dimensions == 3 else plane_scattering.correlation_angles(largest)
    return Invariants(settings.dimensions, q, angles, settings.xray_wavelength, mean, settings.n_particles, kept)


def _in_space(coef: NDArray[np.float64], with_squared: bool) -> dict[str, NDArray]:
    """Data sets: I1I1, and those of the squared intensity."""
    plain: dict[str, NDArray] = {"I1I1": invariants.invariants_of(coef)}
    if not with_squared:
        return plain
    squared = square.square_in_space(coef)
    return {**plain, "I2I1": square.mixed_in_space(squared, coef), "I2I2": invariants.invariants_of(squared)}


def _in_plane(harmonics: NDArray[np.complex128], with_squared: bool) -> dict[str, NDArray]:
    plain: dict[str, NDArray] = {"I1I1": plane_scattering.invariants_of(harmonics)}
    if not with_squared:
        return plain
    squared = square.square_in_plane(harmonics)
    return {**plain, "I2I1": square.mixed_in_plane(squared, harmonics), "I2I2": plane_scattering.invariants_of(squared)}
