"""simulate_ccd in space: solids on a spherical grid."""

from dataclasses import dataclass

import numpy as np

from fxs_hpc.config.simulate_ccd import SimulateCcd
from fxs_hpc.errors import SettingsError
from fxs_hpc.files.vts import write_vts
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation, correlation_angles, correlation_blocks
from fxs_hpc.fluctuation.invariants import average_intensity, invariants_of, of_particles
from fxs_hpc.fluctuation.scattering import density_to_intensity
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.stages.fxs.context import Context, Plan
from fxs_hpc.stages.fxs.simulated_object import Simulated, radial_grid, shells_of


@dataclass(frozen=True)
class BallSimulation:
    """Simulation of solids; see `ball_simulation`."""

    settings: SimulateCcd
    bodies: tuple[shapes.Shape, ...]
    radial: RadialGrid
    angular: AngularGrid

    def plan(self, threads: int) -> Plan:
        """Memory and disk in bytes."""
        order, n_q = self.settings.grid.max_order, self.radial.n_points
        matrices = 8 * (order + 1) * n_q**2
        coefficients = 16 * (order + 1) ** 2 * n_q
        directions = self.angular.n_theta * self.angular.n_phi
        density = 8 * n_q * directions
        block = 8 * 32 * directions * 4 * threads
        disk = 8 * n_q**2 * 2 * order + matrices // 2 + density // 20
        if self.settings.save_vtk_intensity:
            disk += 16 * n_q * directions
        lines = (
            f"grid: {n_q} shells to q = {self.radial.q_max:.6g} 1/A and r = {self.radial.r_max:.6g} A, {self.angular.n_theta} x "
            f"{self.angular.n_phi} angles, orders to {order}",
            f"correlation: {n_q} x {n_q} x {2 * order}",
        )
        return Plan(200_000_000 + density + matrices + max(matrices, block) + 2 * coefficients, disk, lines)

    def simulated(self, context: Context, run: int, threads: int) -> Simulated:
        """Invariants and model; writes the pictures."""
        settings, radial, angular, order = self.settings, self.radial, self.angular, self.settings.grid.max_order
        density = shapes.density_on(self.bodies, radial.r, angular.theta, angular.phi, threads)
        model = shapes.Model(self.bodies, radial.r, angular.theta, angular.phi, density)
        self._draw(context, run, model)
        context.say(f"  density of {len(self.bodies)} shapes on {radial.n_points} x {angular.n_theta} x {angular.n_phi} points")
        transform = SphericalTransform(angular, order)
        intensity = density_to_intensity(density, radial, transform, workers=threads)
        if settings.save_vtk_intensity:
            field = transform.synthesise(intensity).transpose(2, 0, 1)
            path = context.workspace.file("model_intensity", run=run)
            write_vts(path, radial.q, angular.theta, angular.phi, {"intensity": field})
        invariants = of_particles(invariants_of(intensity, workers=threads), settings.n_particles)
        wavelength, method = settings.cross_correlation.xray_wavelength, settings.cross_correlation.method
        data = CrossCorrelation(
            dimensions=3,
            q=radial.q,
            delta=correlation_angles(order),
            wavelength=wavelength,
            average_intensity=average_intensity(invariants[0]),
            invariants=invariants,
            n_particles=settings.n_particles,
        )
        return Simulated(data, correlation_blocks(np.asarray(invariants), radial.q, wavelength, method, workers=threads), model)

    def _draw(self, context: Context, run: int, model: shapes.Model) -> None:
        if not (self.settings.save_vtk_density and self.settings.IO.files.ccd.options.save_model_vtk):
            return
        shells = shells_of(model)
        path = context.workspace.file("model_density", run=run)
        write_vts(path, model.r[shells], model.theta, model.phi, {"density": model.density[shells]})


def ball_simulation(settings: SimulateCcd) -> BallSimulation:
    """Solids and grids of the settings; what they leave open is chosen here.

    Raises
    ------
    SettingsError
        The grids cannot carry what is asked for.
    """
    given, order = settings.shapes, settings.grid.max_order
    solids = shapes.build(given.types, given.centers, given.sizes, given.densities, given.random_orientation, settings.seed)
    radial = radial_grid(settings, solids)
    chosen = AngularGrid.alias_free(order, order)
    angular = AngularGrid(settings.grid.n_theta or chosen.n_theta, settings.grid.n_phi or chosen.n_phi)
    if angular.max_order < order:
        raise SettingsError(
            f"grid: {angular.n_theta} x {angular.n_phi} angles cannot carry max_order {order}; use n_theta >= {order + 1} and "
            f"n_phi >= {2 * order + 1}, or 0 to have them chosen"
        )
    return BallSimulation(settings, solids, radial, angular)
