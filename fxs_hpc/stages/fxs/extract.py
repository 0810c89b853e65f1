"""extract: cross-correlations -> rotational invariants B_l -> projection matrices V_l.

Orders above max_order that the angles resolve are solved for as well, so that they do not leak into those that are kept.
"""

from pathlib import Path

import h5py
import numpy as np

from fxs_hpc.config.extract import DataSetSettings, Extract
from fxs_hpc.errors import InputFileError, SettingsError
from fxs_hpc.files.ccd import open_ccd
from fxs_hpc.files.proj_data import write_proj_data
from fxs_hpc.files.vts import write_vts
from fxs_hpc.fluctuation import extraction, projection_matrices
from fxs_hpc.fluctuation.circular import components
from fxs_hpc.fluctuation.correlation import CrossCorrelation, ewald_cosine
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.fluctuation.positivity import made_positive
from fxs_hpc.fluctuation.preparation import Preparation, arc_mask, custom_mask, prepared_blocks
from fxs_hpc.harmonics.grids import AngularGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.parallel.threads import over
from fxs_hpc.report import invariants as pictures
from fxs_hpc.stages.cores import limited
from fxs_hpc.stages.fxs import settings_copy
from fxs_hpc.stages.fxs.context import Context, Plan


def preparation(settings: DataSetSettings, data: CrossCorrelation) -> Preparation:
    """What the settings want done to the correlation before it is solved."""
    modify, mask = settings.modify_cc, settings.cc_mask
    chosen = None
    if mask.type == "pixel_arc":
        arc = mask.pixel_arc
        chosen = arc_mask(data.q, data.delta, data.wavelength, arc.pixel_size, arc.mask_at_pi)
    elif mask.type == "pixel_custom":
        custom = mask.pixel_custom
        sizes = len(data.q), len(data.delta)
        chosen = custom_mask(*sizes, custom.n_masked_pixels_phi, custom.n_masked_pixels_q, custom.mask_at_pi)
    return Preparation(modify.subtract_average_intensity, modify.pi_periodicity, modify.q1q2_symmetric, chosen)


def checked(settings: Extract, path: Path, data: CrossCorrelation) -> h5py.Dataset:
    """The correlation I1I1 of the file, if it is one this command can read."""
    if settings.dimensions != 3:
        raise SettingsError(f"dimensions: {settings.dimensions} is not available yet in extract; use dimensions: 3")
    if data.dimensions not in (None, settings.dimensions):
        raise InputFileError(f"{path}: holds {data.dimensions}D correlations, the settings say dimensions: {settings.dimensions}")
    if "I1I1" not in data.correlation:
        raise InputFileError(f"{path}: has no field cross_correlation/I1I1, only {', '.join(data.correlation) or 'none'}")
    correlation = data.correlation["I1I1"]
    expected = (len(data.q), len(data.q), len(data.delta))
    if correlation.shape != expected or len(data.average_intensity) != len(data.q):
        raise InputFileError(
            f"{path}: cross_correlation/I1I1 has shape {correlation.shape}, radial_points, angular_points and "
            f"average_intensity ({len(data.average_intensity)}) ask for {expected}"
        )
    if not np.isfinite(data.average_intensity).all():
        raise InputFileError(f"{path}: average_intensity holds NaN or infinite values; leave out the radial points that were not measured")
    if not np.allclose(data.delta, 2 * np.pi * np.arange(len(data.delta)) / len(data.delta), atol=1e-6):
        raise InputFileError(f"{path}: angular_points must run over [0, 2 pi) in even steps")
    return correlation


def plan(settings: Extract, context: Context) -> Plan:
    """Memory and disk that `run` needs, in bytes; looks into the input file for its size."""
    path = context.workspace.find("ccd")
    with open_ccd(path) as data:
        checked(settings, path, data)
        n_q, n_delta, cosine = len(data.q), len(data.delta), ewald_cosine(data.q, data.wavelength)
    order = extraction.limited_order(settings.max_order, n_delta)
    solver = settings.cross_correlation.datasets.I1I1
    step = 2 if solver.assume_zero_odd_orders else 1
    solved = extraction.solved_order(order, n_delta, cosine) // step + 1
    components_held = solved if solver.bl_extraction_method.startswith("back") else n_delta // 2 + 1
    kept, matrix = order + 1, 8 * n_q**2
    vectors = 8 * n_q * min(kept, n_q) ** 2
    stored = matrix * kept // step if settings.IO.files.invariants.options.save_invariant else 0
    memory = 500_000_000 + matrix * (components_held + kept) + (matrix * solved if solver.bl_extraction_method == "lstsq" else 0)
    lines = (
        f"correlation: {n_q} x {n_q} x {n_delta} from {path.name}",
        f"orders 0..{order} by {solver.bl_extraction_method}, {solved} orders solved",
    )
    return Plan(memory + 40 * n_q * n_delta * 8 + vectors, stored + stored // 8 + vectors, lines)


def solve(settings: Extract, data: CrossCorrelation, correlation: h5py.Dataset, workers: int) -> InvariantData:
    """Invariants and projection matrices of a correlation."""
    solver = settings.cross_correlation.datasets.I1I1
    n_q, n_delta = len(data.q), len(data.delta)
    order = extraction.limited_order(settings.max_order, n_delta)
    blocks = prepared_blocks(correlation, data.average_intensity, preparation(solver, data))
    cosine = ewald_cosine(data.q, data.wavelength)
    invariants = extraction.invariants_from(
        blocks, solver.bl_extraction_method, order, n_delta, cosine, solver.assume_zero_odd_orders, workers=workers
    )
    if solver.modify_cc.subtract_average_intensity:
        invariants[0] = 4 * np.pi * np.multiply.outer(data.average_intensity, data.average_intensity)
    if solver.bl_enforce_psd:
        invariants[:] = over(extraction.nearest_psd, invariants, workers)
    lower, upper = (limit.line if limit.type == "line" else None for limit in (solver.bl_q_limits.min, solver.bl_q_limits.max))
    limits = projection_matrices.q_limits(data.q, order, lower, upper)
    matrices = projection_matrices.projection_matrices(invariants, limits, settings.bl_eig_sort_mode, workers)
    low, optimise = settings.low_resolution_intensity_approximation, settings.optimize_projection_matrices
    coarse = matrices[: low.max_order + 1]
    if optimise.use:
        coarse = made_positive(coarse, low.n_iterations, low.error_change_limit)
        matrices = made_positive(matrices, optimise.n_iterations, optimise.error_change_limit)
    return InvariantData(
        dimensions=3,
        wavelength=data.wavelength,
        max_order=order,
        average_intensity=data.average_intensity,
        q=data.q,
        delta=data.delta,
        projection_matrices=matrices,
        q_id_limits=limits,
        invariants=invariants,
        invariant_masks=projection_matrices.limit_masks(limits, n_q),
        low_resolution_coefficients=coarse,
        n_particles=data.n_particles,
    )


def _draw(settings: Extract, folder: Path, found: InvariantData) -> None:
    options = settings.IO.files.invariants.options
    q, invariants, masks = found.q, np.asarray(found.invariants), np.asarray(found.invariant_masks)
    if options.plot_first_invariants:
        pictures.plot_moduli(folder / "first_I1I1_Bl.png", q, invariants, "Invariants $|B_l(q_1, q_2)|$")
        pictures.plot_arguments(folder / "first_arg_of_I1I1_Bl.png", q, invariants, "Phase of the invariants (0 or π where they are real)")
        pictures.plot_masks(folder / "mask_of_I1I1_Bl.png", q, masks, "Pairs of momentum transfers in use")
    if options.plot_first_invariants_from_proj_matrices:
        products = [matrix @ matrix.conj().T for matrix in found.projection_matrices[: pictures.FIRST_ORDERS[-1] + 1]]
        path = folder / "first_I1I1_proj_matrices_to_Bl.png"
        pictures.plot_moduli(path, q, products, "Invariants of the projection matrices, $|V_l V_l^+|$")
    if options.plot_first_projection_matrix_error_estimates:
        path = folder / "first_I1I1_proj_matrix_error_estimates.png"
        title = "What the projection matrices leave out of the invariants"
        pictures.plot_factor_errors(path, q, invariants, found.projection_matrices, title)
    if options.save_intensity_vtk:
        angular = AngularGrid.alias_free(found.max_order, 0)
        coef = projection_matrices.coefficients(found.projection_matrices)
        field = SphericalTransform(angular, found.max_order).synthesise(coef).transpose(2, 0, 1)
        write_vts(folder / "intensity_guess.vts", q, angular.theta, angular.phi, {"intensity": field})


def _draw_components(settings: Extract, folder: Path, data: CrossCorrelation, correlation: h5py.Dataset) -> None:
    blocks = prepared_blocks(correlation, data.average_intensity, preparation(settings.cross_correlation.datasets.I1I1, data))
    orders = np.array([order for order in pictures.FIRST_ORDERS if order <= len(data.delta) // 2])
    parts = components(blocks, len(data.q), len(data.delta), orders)
    title = "Circular components of the correlation, $|C_n(q_1, q_2)|$"
    pictures.plot_moduli(folder / "first_I1I1_Cn.png", data.q, parts, title, "C", orders.tolist())


def run(settings: Extract, context: Context) -> Path:
    """Extract and write proj_data.h5 with its companions; returns the result folder."""
    workspace, options = context.workspace, settings.IO.files.invariants.options
    source = workspace.find("ccd")
    number = workspace.next_run("invariants_archive")
    target = workspace.file("invariants", run=number)
    with limited(context.threads) as threads, open_ccd(source) as data:
        correlation = checked(settings, source, data)
        order = extraction.limited_order(settings.max_order, len(data.delta))
        if order < settings.max_order:
            context.say(f"  note: max_order {settings.max_order} is more than {len(data.delta)} angles resolve; {order} is used")
        context.say(f"  {source.resolve().name}: {correlation.shape[0]} q up to {data.q[-1]:.6g} 1/A, {len(data.delta)} angles")
        found = solve(settings, data, correlation, threads)
        if options.plot_first_ccn:
            _draw_components(settings, target.parent, data, correlation)
    context.say(f"  invariants and projection matrices of orders 0..{found.max_order}")
    _draw(settings, target.parent, found)
    settings_copy.write(target.parent, "extraction_settings.yaml", settings, context, inputs=[source.resolve()])
    stored = found if options.save_invariant else found.without_invariants()
    write_proj_data(target, stored)
    if options.create_symlink:
        workspace.link(target, workspace.file("invariant_symlink"))
    return target.parent
