"""extract: pictures of the invariants and of the projection matrices, and the intensity that the matrices stand for."""

from pathlib import Path

import numpy as np

from fxs_hpc.config.extract import Extract
from fxs_hpc.files.vts import write_plane_vts, write_vts
from fxs_hpc.fluctuation import projection_matrices
from fxs_hpc.fluctuation.data_sets import DataSet
from fxs_hpc.fluctuation.invariants import InvariantData
from fxs_hpc.harmonics.circular import CircularTransform
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid
from fxs_hpc.harmonics.spherical import SphericalTransform
from fxs_hpc.report import invariants as pictures
from fxs_hpc.report.plane import PlanePanel, plot_plane
from fxs_hpc.stages.fxs.extract_matrices import Found

_GUESS = "intensity_guess.vts"


def draw(settings: Extract, folder: Path, found: Found) -> None:
    """All pictures that the settings ask for."""
    options, letter = settings.IO.files.invariants.options, "n" if settings.dimensions == 2 else "l"
    for name, data in found.data_sets().items():
        if options.plot_first_invariants:
            _draw_invariants(folder, name, letter, found.data, data)
        if not data.projection_matrices:
            continue
        if options.plot_first_invariants_from_proj_matrices:
            products = [matrix @ matrix.conj().T for matrix in data.projection_matrices[: pictures.FIRST_ORDERS[-1] + 1]]
            path = folder / f"first_{name}_proj_matrices_to_Bl.png"
            product = "v_n v_n^+" if letter == "n" else "V_l V_l^+"
            title = f"Invariants of the projection matrices of {name}, $|{product}|$"
            pictures.plot_moduli(path, found.data.q, products, title, f"B_{letter}")
        if options.plot_first_projection_matrix_error_estimates:
            path = folder / f"first_{name}_proj_matrix_error_estimates.png"
            title = f"What the projection matrices of {name} leave out of the invariants"
            values, masks = np.asarray(data.invariants), np.asarray(data.masks)
            pictures.plot_factor_errors(path, found.data.q, values, masks, data.projection_matrices, title, letter)
    if options.save_intensity_vtk:
        _guess_in_plane(folder, found.data) if settings.dimensions == 2 else _guess_in_space(folder, found.data)


def _draw_invariants(folder: Path, name: str, letter: str, main: InvariantData, data: DataSet) -> None:
    q, values, symbol = main.q, np.asarray(data.invariants), f"B_{letter}"
    pictures.plot_moduli(folder / f"first_{name}_Bl.png", q, values, f"Invariants of {name}, $|{symbol}(q_1, q_2)|$", symbol)
    title = f"Phase of the invariants of {name}" + (" (0 or π where they are real)" if letter == "l" else "")
    pictures.plot_arguments(folder / f"first_arg_of_{name}_Bl.png", q, values, title, symbol)
    pictures.plot_masks(folder / f"mask_of_{name}_Bl.png", q, np.asarray(data.masks), f"Pairs of momentum transfers in use, {name}", letter)


def _guess_in_space(folder: Path, data: InvariantData) -> None:
    """The intensity of V_l with U_l = 1."""
    angular = AngularGrid.alias_free(data.max_order, 0)
    coef = projection_matrices.coefficients(data.projection_matrices)
    field = SphericalTransform(angular, data.max_order).synthesise(coef).transpose(2, 0, 1)
    write_vts(folder / _GUESS, data.q, angular.theta, angular.phi, {"intensity": field})


def _guess_in_plane(folder: Path, data: InvariantData) -> None:
    """The intensity of v_n with u_n = 1, as a picture too."""
    circle = CircleGrid.alias_free(data.max_order, data.max_order)
    harmonics = np.stack([vector[:, 0] for vector in data.projection_matrices])
    field = CircularTransform(circle, data.max_order).synthesise(harmonics).T
    write_plane_vts(folder / _GUESS, data.q, circle.phi, {"intensity": field})
    panels = [PlanePanel("linear", field, unit="1/Å"), PlanePanel("logarithmic", field, logarithmic=True, unit="1/Å")]
    subtitle = "Intensity of the projection matrices, all unknown phases 1"
    plot_plane((folder / _GUESS).with_suffix(".png"), panels, data.q, circle.phi, float(data.q[-1]), subtitle)
