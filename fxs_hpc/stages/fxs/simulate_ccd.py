"""simulate_ccd: shapes -> density -> intensity -> invariants -> cross-correlations.

The density is sampled at the grid points. Where the settings leave the angular grid open it is free of aliasing: the intensity of
an amplitude of order L has exact coefficients up to L. Hankel weights are computed on the fly (half a second at N = 512, L = 128):
no weight files are written. The model is cut to its own radius in model_density.vts; ccd.h5 holds it on the whole grid.
"""

import math
from pathlib import Path

import numpy as np

from fxs_hpc.config.simulate_ccd import SimulateCcd
from fxs_hpc.errors import SettingsError
from fxs_hpc.files.ccd import write_ccd
from fxs_hpc.files.vts import write_vts
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.correlation import CrossCorrelation, correlation_angles, correlation_blocks, ewald_cosine
from fxs_hpc.fluctuation.invariants import average_intensity, invariants_of, of_particles
from fxs_hpc.fluctuation.scattering import density_to_intensity
from fxs_hpc.harmonics.grids import AngularGrid, RadialGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.stages.cores import limited
from fxs_hpc.stages.fxs import settings_copy
from fxs_hpc.stages.fxs.context import Context, Plan

_MARGIN = 1.1  # outermost shell of model_density.vts in units of the particle's radius


def build_shapes(settings: SimulateCcd) -> tuple[shapes.Shape, ...]:
    """The shapes of the settings, random orientations drawn from the seed."""
    given = settings.shapes
    return shapes.build(
        given.types, given.centers, given.sizes, given.densities, given.random_orientation, settings.seed
    )


def grids(settings: SimulateCcd, solids: tuple[shapes.Shape, ...]) -> tuple[RadialGrid, AngularGrid]:
    """Radial and angular grid of the settings; what they leave open is chosen here."""
    if settings.dimensions != 3:
        raise SettingsError(f"dimensions: {settings.dimensions} is not available yet in simulate_ccd; use dimensions: 3")
    given, fourier = settings.grid, settings.fourier_transform
    x, n, order = fourier.reciprocity_coefficient, given.n_radial_points, given.max_order
    radius = settings.shape_size / 2 if settings.shape_size else shapes.outer_radius(solids)
    q_max = given.max_q or x * n / (given.oversampling * radius)
    radial = RadialGrid(n, q_max, x, fourier.type)
    ewald_cosine(radial.q, settings.cross_correlation.xray_wavelength)
    if radial.r_max < shapes.outer_radius(solids):
        raise SettingsError(
            f"the shapes reach {shapes.outer_radius(solids):.4g} A, the grid only R = x N / q_max = {radial.r_max:.4g} A; "
            "raise grid.n_radial_points or fourier_transform.reciprocity_coefficient, or lower grid.max_q"
        )
    chosen = AngularGrid.alias_free(order, order)
    angular = AngularGrid(given.n_theta or chosen.n_theta, given.n_phi or chosen.n_phi)
    if angular.max_order < order:
        raise SettingsError(
            f"grid: {angular.n_theta} x {angular.n_phi} angles cannot carry max_order {order}; use n_theta >= {order + 1} and "
            f"n_phi >= {2 * order + 1}, or 0 to have them chosen"
        )
    return radial, angular


def plan(settings: SimulateCcd, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes."""
    radial, angular = grids(settings, build_shapes(settings))
    order, n_q = settings.grid.max_order, radial.n_points
    matrices = 8 * (order + 1) * n_q**2
    coefficients = 16 * (order + 1) ** 2 * n_q
    directions = angular.n_theta * angular.n_phi
    density = 8 * n_q * directions
    block = 8 * 32 * directions * 4 * context.threads
    correlation = 8 * n_q**2 * 2 * order
    disk = correlation + matrices // 2 + density // 20
    if settings.save_vtk_intensity:
        disk += 16 * n_q * directions
    lines = (
        f"grid: {n_q} shells to q = {radial.q_max:.6g} 1/A and r = {radial.r_max:.6g} A, {angular.n_theta} x {angular.n_phi} "
        f"angles, orders to {order}",
        f"correlation: {n_q} x {n_q} x {2 * order}",
    )
    return Plan(200_000_000 + density + matrices + max(matrices, block) + 2 * coefficients, disk, lines)


def _order_note(settings: SimulateCcd, radial: RadialGrid, solids: tuple[shapes.Shape, ...]) -> str | None:
    needed = math.ceil(2 * radial.q_max * shapes.outer_radius(solids))
    if settings.grid.max_order >= needed // 2:
        return None
    return (
        f"  note: the amplitude of this object has orders up to about {needed // 2} at q_max, grid.max_order is "
        f"{settings.grid.max_order}: fine detail at high q is cut off"
    )


def _write_model(settings: SimulateCcd, context: Context, run: int, model: shapes.Model) -> None:
    if not (settings.save_vtk_density and settings.IO.files.ccd.options.save_model_vtk):
        return
    shells = slice(0, int((model.r <= _MARGIN * shapes.outer_radius(model.shapes)).sum()) + 1)
    path = context.workspace.file("model_density", run=run)
    write_vts(path, model.r[shells], model.theta, model.phi, {"density": model.density[shells]})


def _simulate(settings: SimulateCcd, context: Context, run: int, threads: int) -> tuple[CrossCorrelation, shapes.Model]:
    """Invariants and model; the correlation itself is left to be computed while it is written."""
    solids = build_shapes(settings)
    radial, angular = grids(settings, solids)
    order = settings.grid.max_order
    density = shapes.density_on(solids, radial.r, angular.theta, angular.phi, threads)
    model = shapes.Model(solids, radial.r, angular.theta, angular.phi, density)
    _write_model(settings, context, run, model)
    context.say(f"  density of {len(solids)} shapes on {radial.n_points} x {angular.n_theta} x {angular.n_phi} points")
    transform = SphericalTransform(angular, order)
    intensity = density_to_intensity(density, radial, transform, workers=threads)
    if settings.save_vtk_intensity:
        field = transform.synthesise(intensity).transpose(2, 0, 1)
        path = context.workspace.file("model_intensity", run=run)
        write_vts(path, radial.q, angular.theta, angular.phi, {"intensity": field})
    invariants = of_particles(invariants_of(intensity, workers=threads), settings.n_particles)
    context.say(f"  invariants of orders 0..{order} at {radial.n_points} q up to {radial.q_max:.6g} 1/A")
    data = CrossCorrelation(
        dimensions=3,
        q=radial.q,
        delta=correlation_angles(order),
        wavelength=settings.cross_correlation.xray_wavelength,
        average_intensity=average_intensity(invariants[0]),
        invariants=invariants,
        n_particles=settings.n_particles,
    )
    return data, model


def run(settings: SimulateCcd, context: Context) -> Path:
    """Simulate and write ccd.h5 with its companions; returns the result folder."""
    solids = build_shapes(settings)
    note = _order_note(settings, grids(settings, solids)[0], solids)
    if note:
        context.say(note)
    workspace, options = context.workspace, settings.IO.files.ccd.options
    number = workspace.next_run("ccd_archive")
    target = workspace.file("ccd", run=number)
    cores = context.threads if isinstance(settings.n_processes, bool) else max(1, settings.n_processes)
    with limited(min(context.threads, cores)) as threads:
        data, model = _simulate(settings, context, number, threads)
        if options.save_settings:
            settings_copy.write(target.parent, "settings.yaml", settings, context, seed=settings.seed)
        method = settings.cross_correlation.method
        write_ccd(target, data, correlation_blocks(np.asarray(data.invariants), data.q, data.wavelength, method, workers=threads), model)
    context.say(f"  correlations by {method} in {target.name}, {target.stat().st_size / 1e9:.2f} GB")
    if options.save_symlink:
        workspace.link(target, workspace.file("ccd_symlink"))
    return target.parent
