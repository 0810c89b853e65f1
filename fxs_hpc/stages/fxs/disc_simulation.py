"""simulate_ccd in the plane: figures on a polar grid."""

from dataclasses import dataclass

import numpy as np

from fxs_hpc.config.simulate_ccd import SimulateCcd
from fxs_hpc.errors import SettingsError
from fxs_hpc.files.vts import write_plane_vts
from fxs_hpc.fluctuation import plane_shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.invariants import of_particles
from fxs_hpc.fluctuation.plane_scattering import correlation_angles, correlation_blocks, intensity_harmonics, invariants_of
from fxs_hpc.fluctuation.plane_shapes import PlaneModel, PlaneShape
from fxs_hpc.fluctuation.shapes import outer_radius
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import CircleGrid, RadialGrid
from fxs_hpc.report.plane import PlanePanel, plot_plane
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.simulated_object import MARGIN, Simulated, radial_grid, shells_of


@dataclass(frozen=True)
class DiscSimulation:
    """Simulation of figures of the plane; see `disc_simulation`."""

    settings: SimulateCcd
    bodies: tuple[PlaneShape, ...]
    radial: RadialGrid
    angular: CircleGrid

    def plan(self, threads: int) -> Plan:
        """Memory and disk in bytes."""
        order, n_q, n_phi = self.settings.grid.max_order, self.radial.n_points, self.angular.n_phi
        n_delta = len(correlation_angles(order))
        invariants, field = 16 * (order + 1) * n_q**2, 16 * n_q * n_phi
        lines = (
            f"grid: {n_q} rings to q = {self.radial.q_max:.6g} 1/A and r = {self.radial.r_max:.6g} A, {n_phi} angles, orders to {order}",
            f"correlation: {n_q} x {n_q} x {n_delta}",
        )
        memory = 250_000_000 + 2 * invariants + invariants // 2 + 8 * field + 4 * 8 * 32 * n_q * n_delta
        return Plan(memory, 8 * n_q**2 * n_delta + invariants // 2 + field // 4, lines)

    def simulated(self, context: Context, run: int, threads: int) -> Simulated:
        """Invariants and model; writes the pictures."""
        settings, radial, phi, order = self.settings, self.radial, self.angular.phi, self.settings.grid.max_order
        model = PlaneModel(self.bodies, radial.r, phi, plane_shapes.density_on(self.bodies, radial.r, phi))
        self._draw(context, run, model)
        context.say(f"  density of {len(self.bodies)} shapes on {radial.n_points} x {len(phi)} points")
        circular = CircularTransform(self.angular, order)
        harmonics = intensity_harmonics(model.density, radial, circular, workers=threads)
        if settings.save_vtk_intensity:
            field = circular.synthesise(harmonics).T
            write_plane_vts(context.workspace.file("model_intensity", run=run), radial.q, phi, {"intensity": field})
        invariants = of_particles(invariants_of(harmonics), settings.n_particles)
        data = CrossCorrelation(
            dimensions=2,
            q=radial.q,
            delta=correlation_angles(order),
            wavelength=settings.cross_correlation.xray_wavelength,
            average_intensity=np.sqrt(np.diagonal(invariants[0]).real),
            invariants=invariants,
            n_particles=settings.n_particles,
        )
        return Simulated(data, correlation_blocks(invariants, len(data.delta)), model)

    def _draw(self, context: Context, run: int, model: PlaneModel) -> None:
        if not (self.settings.save_vtk_density and self.settings.IO.files.ccd.options.save_model_vtk):
            return
        shells = shells_of(model)
        path, density = context.workspace.file("model_density", run=run), model.density[shells]
        write_plane_vts(path, model.r[shells], model.phi, {"density": density})
        panel = PlanePanel("density", density)
        plot_plane(path.with_suffix(".png"), [panel], model.r[shells], model.phi, MARGIN * outer_radius(model.shapes))


def disc_simulation(settings: SimulateCcd) -> DiscSimulation:
    """Figures and grids of the settings; what they leave open is chosen here.

    Raises
    ------
    SettingsError
        The grids cannot carry what is asked for.
    """
    given, order = settings.shapes, settings.grid.max_order
    figures = plane_shapes.build(given.types, given.centers, given.sizes, given.densities, given.random_orientation, settings.seed)
    radial = radial_grid(settings, figures)
    angular = CircleGrid(settings.grid.n_phi) if settings.grid.n_phi else CircleGrid.alias_free(order, order)
    if angular.max_order < order:
        raise SettingsError(
            f"grid: n_phi {angular.n_phi} cannot carry max_order {order}; use n_phi >= {2 * order + 1}, or 0 to have it chosen"
        )
    return DiscSimulation(settings, figures, radial, angular)
