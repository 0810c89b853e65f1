"""Pictures and VTK files of a phasing run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Geometry
from fxs_hpc.files.data_h5 import Reconstruction
from fxs_hpc.files.vts import write_plane_vts, write_vts
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.fluctuation.phasing import ORDER_ERROR
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid
from fxs_hpc.report.invariants import plot_moduli
from fxs_hpc.report.phasing import plot_error_metrics, plot_invariant_errors
from fxs_hpc.report.plane import PlanePanel, plot_plane
from fxs_hpc.report.sections import Panel, SphericalAxes, centre_of_mass, plot_sections, principal_frame
from fxs_hpc.stages.fxs.phasing_problem import Problem
from fxs_hpc.stages.fxs.workspace import Workspace

_MARGIN = 1.1
"""Outermost shell of the real-space VTK files in units of the initial support's radius."""

_SHOWN_FIRST = 3
"""Best reconstructions in the picture of the errors by order."""


def _chosen(selection: slice | bool | tuple, count: int) -> set[int]:
    """Ranks (0 = best) that a selection of the settings names."""
    if isinstance(selection, bool):
        return set(range(count)) if selection else set()
    return set(range(count)[selection]) if isinstance(selection, slice) else {int(rank) for rank in selection if int(rank) < count}


def shown(settings: Reconstruct, count: int) -> int:
    """How many of `count` reconstructions get VTK files: those that the settings choose, and the worst."""
    chosen = _chosen(settings.IO.files.reconstructions.options.generate_vtk_files, count)
    return len(chosen | {count - 1}) if chosen else 0


def _symbol(settings: Reconstruct) -> str:
    """What the invariants are called: B_l of spherical, B_n of circular harmonics."""
    return "B_l" if settings.dimensions == 3 else "B_n"


def draw_one(
    settings: Reconstruct, workspace: Workspace, folder: Path, problem: Problem, number: int, found: Reconstruction, rank: int, count: int
) -> None:
    """VTK files and pictures of one reconstruction, where the settings ask for them."""
    options = settings.IO.files.reconstructions.options
    if rank in _chosen(options.plot_reconstructed_deg2_invariants, count):
        title = f"Invariants of reconstruction {number}"
        plot_moduli(folder / f"{number}_out_Bl.png", problem.geometry.radial.q, found.last_deg2_invariant, title, symbol=_symbol(settings))
    plane = not isinstance(problem.geometry, Geometry)
    if plane and options.generate_2d_images:
        _draw_plane(workspace, folder, problem, number, found)
    chosen = _chosen(options.generate_vtk_files, count)
    if rank in chosen or (chosen and rank == count - 1):
        suffix = "" if rank in chosen else "_worst_error"
        _write_vtk(workspace, folder, problem, f"{number}{suffix}", found)
        if not plane:
            _draw_sections(folder / f"density_{number}{suffix}.png", problem, number, found)


def _shells(problem: Problem) -> int:
    """How many shells are shown."""
    radial = problem.geometry.radial
    inside = problem.initial_support.reshape(radial.n_points, -1).any(axis=1)
    return min(int(np.searchsorted(radial.r, radial.r[inside].max() * _MARGIN)) + 1, radial.n_points)


def _path(workspace: Workspace, key: str, folder: Path, name: str) -> Path:
    """The file as IO names it, seen from `folder`: a resumed run may have been begun on another day."""
    return folder / os.path.relpath(workspace.file(key, run=0, reconstruction=name), workspace.folder("results", run=0))


def _write_vtk(workspace: Workspace, folder: Path, problem: Problem, name: str, found: Reconstruction) -> None:
    radial, cut = problem.geometry.radial, _shells(problem)
    densities = {
        "cleaned_density": found.last_cleaned_density.real,
        "best_density": found.real_density.real,
        "best_support": found.support_mask,
        "last_density": found.last_real_density.real,
        "last_support": found.last_support_mask,
        "initial_density": found.initial_density.real,
        "initial_support": found.initial_support,
    }
    intensities = {
        "best_intensity": np.abs(found.reciprocal_density) ** 2,
        "last_intensity": np.abs(found.last_reciprocal_density) ** 2,
    }
    inner = {label: values[:cut] for label, values in densities.items()}
    for key, nodes, fields in (("real_vtk", radial.r[:cut], inner), ("reciprocal_vtk", radial.q, intensities)):
        _write_grid(_path(workspace, key, folder, name), nodes, problem.geometry.angular, fields)


def _write_grid(path: Path, nodes: NDArray[np.float64], angular: AngularGrid | CircleGrid, fields: Mapping[str, NDArray]) -> None:
    if isinstance(angular, CircleGrid):
        write_plane_vts(path, nodes, angular.phi, fields)
    else:
        write_vts(path, nodes, angular.theta, angular.phi, fields)


def _draw_plane(workspace: Workspace, folder: Path, problem: Problem, number: int, found: Reconstruction) -> None:
    """Density and intensity side by side; in two files where the settings name two."""
    radial, angular, cut = problem.geometry.radial, problem.geometry.angular, _shells(problem)
    density = PlanePanel("last density", found.last_real_density.real[:cut])
    modulus = np.abs(found.last_reciprocal_density) ** 2
    intensity = PlanePanel("intensity", modulus, logarithmic=True, r=radial.q, radius=float(radial.q[-1]), unit="1/Å")
    paths = [_path(workspace, key, folder, str(number)).with_suffix(".png") for key in ("result_image", "result_image_intensity")]
    title = f"reconstruction {number}, last error {found.errors['main'][-1]:.2e}, best {found.best_error:.2e}"
    separate = {} if paths[0] == paths[1] else {paths[0]: [density], paths[1]: [intensity]}
    for path, panels in (separate or {paths[0]: [density, intensity]}).items():
        plot_plane(path, panels, radial.r[:cut], angular.phi, float(radial.r[cut - 1]), title)


def _draw_sections(path: Path, problem: Problem, number: int, found: Reconstruction) -> None:
    radial, angular, cut = problem.geometry.radial, problem.geometry.angular, _shells(problem)
    assert isinstance(angular, AngularGrid)
    axes = SphericalAxes(radial.r[:cut], angular.theta, angular.phi)
    cleaned = np.ascontiguousarray(np.moveaxis(found.last_cleaned_density.real[:cut], 0, -1))
    support = np.ascontiguousarray(np.moveaxis(found.last_support_mask[:cut].astype(float), 0, -1))
    panels = [Panel("last density, after a Fourier transform and back", cleaned), Panel("support", support)]
    subtitle = f"reconstruction {number}, last error {found.errors['main'][-1]:.2e}, best {found.best_error:.2e}"
    centre = centre_of_mass(cleaned, axes)
    plot_sections(path, panels, axes, float(radial.r[cut - 1]), principal_frame(cleaned, axes, centre), subtitle, centre=centre)


def draw_run(
    settings: Reconstruct,
    folder: Path,
    problem: Problem,
    data: InvariantData,
    errors: Mapping[int, Mapping[str, Sequence[float]]],
    best_first: Sequence[int],
) -> None:
    """Error curves of all reconstructions and the invariants that went in."""
    options = settings.IO.files.reconstructions.options
    by_order = {ORDER_ERROR.format(order=order): order for order in options.plot_invariant_error or ()}
    if options.plot_error_metrics:
        kept = {number: {name: values for name, values in found.items() if name not in by_order} for number, found in errors.items()}
        plot_error_metrics(folder / "error_metrics.png", kept, best_first)
    if by_order:
        shown_first = {n: {by_order[name]: errors[n][name] for name in by_order if name in errors[n]} for n in best_first[:_SHOWN_FIRST]}
        plot_invariant_errors(folder / "invariant_error.png", shown_first, _symbol(settings))
    if options.plot_first_used_invariants:
        constraint = problem.constraints.reciprocal
        title = "Invariants used, on the grid of the reconstruction"
        plot_moduli(folder / "first_Bl.png", constraint.q, used_invariants(problem), title, symbol=_symbol(settings))
    _draw_input(settings, folder, data)


def _draw_input(settings: Reconstruct, folder: Path, data: InvariantData) -> None:
    """The invariants of the input, V V^+, of the orders asked for."""
    options = settings.IO.files.invariants.options
    if not options.plot_first_invariants:
        return
    chosen = [order for order in options.plot_range or () if order <= data.max_order]
    matrices = [np.asarray(data.projection_matrices[order]) for order in chosen or range(data.max_order + 1)]
    products = [matrix @ matrix.conj().T for matrix in matrices]
    title = "Invariants of the input, from its projection matrices"
    plot_moduli(folder / "input_Bl.png", data.q, products, title, symbol=_symbol(settings), orders=chosen)


def used_invariants(problem: Problem) -> NDArray:
    """V_l V_l^+ (L+1, N, N) on the grid of the reconstruction, of the orders that are imposed; 0 for the others."""
    constraint = problem.constraints.reciprocal
    plane = not isinstance(problem.geometry, Geometry)
    used = np.zeros((constraint.max_order + 1, len(constraint.q), len(constraint.q)), complex if plane else float)
    for order, matrix in constraint.projection_matrices.items():
        used[order] = matrix @ matrix.conj().T
    if constraint.spherical_average is not None:
        used[0] = np.outer(constraint.spherical_average, constraint.spherical_average)
    return used
