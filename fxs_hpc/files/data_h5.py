"""data.h5: the reconstructions of one run, in the layout of the reference program (read by `files.reconstructions`).

Fields; d = (N, n_theta, n_phi), in the plane (N, n_phi)
------
configuration/internal_grid/real_grid, reciprocal_grid : d + (3,) f8, [r, theta, phi] in A, rad and [q, theta, phi] in 1/A, rad; in the
    plane d + (2,), [r, phi] and [q, phi]
computed_on : attribute, a line of text for each device that the reconstructions ran on
configuration/reciprocity_coefficient, xray_wavelength [A] : scalars
projection_matrices/<order> : (N, min(N, 2l+1)) V_l as used; in the plane (N,) c16
deg_2_invariant : (L+1, N, N) f8 (c16 in the plane), V_l V_l^+ of the data on the grid of the reconstruction; optional
reconstruction_results/<id>/real_density, last_real_density, initial_density : d, real where the density is
.../last_cleaned_density : d, the last density after a Fourier transform and back: without the isolated hot voxels that no q <= q_max knows
.../reciprocal_density, last_reciprocal_density : d complex, the amplitude of the density after the modulus constraint
.../support_mask, last_support_mask, initial_support : d bool
.../error_dict/main, error_dict/real/<metric>, error_dict/reciprocal/<metric> : (n_steps,) f8
.../final_error : smallest main error; .../fxs_unknowns/<order> (2l+1, 2l+1) c16, I_lm = sum_o V_l[:, o] U_l[o, m], m = -l..l
    (the unit matrix for l = 0 and where V_l = 0); in the plane one data set (L+1,) c16, I_n = V_n u_n
.../last_deg2_invariant : (L+1, N, N) f8 (c16 in the plane), B_l of the last density, L the highest order used; .../loop_iterations,
    n_particles (n_steps, 1), the number assumed in each step
.../n_particles_fraction, n_particles_gradients : (n_estimates,) f8; each estimate of the number of particles over the number assumed before
    (1 = settled), and d ln error / d ln N there; empty if the number was given
stats/run_time : s

Densities are compressed (they are zero outside the support); amplitudes are not (they do not shrink).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from fxs_hpc.files.atomic import replacing
from fxs_hpc.harmonics.grids import AngularGrid, CircleGrid, RadialGrid

RESULTS = "reconstruction_results"


@dataclass(frozen=True)
class RunDescription:
    """What all reconstructions of a run share; projection matrices by order, (N, n_l), where there are any up to `max_order`."""

    radial: RadialGrid
    angular: AngularGrid | CircleGrid
    wavelength: float
    projection_matrices: Mapping[int, NDArray]
    max_order: int
    n_particles: float
    loop_iterations: int
    run_time: float
    invariants: NDArray | None = None
    computed_on: Sequence[str] = ()


@dataclass(frozen=True)
class Reconstruction:
    """One finished reconstruction; see the module's text for shapes.

    unknowns : U_l (n_l, 2l+1) in the real basis; u_n (1, 1) complex in the plane.
    particles : estimates of the number of particles, see `fluctuation.phasing.Progress`; empty if the number was given.
    """

    real_density: NDArray
    last_real_density: NDArray
    last_cleaned_density: NDArray
    initial_density: NDArray
    reciprocal_density: NDArray[np.complexfloating]
    last_reciprocal_density: NDArray[np.complexfloating]
    support_mask: NDArray[np.bool_]
    last_support_mask: NDArray[np.bool_]
    initial_support: NDArray[np.bool_]
    errors: Mapping[str, Sequence[float]]
    best_error: float
    unknowns: Mapping[int, NDArray]
    last_deg2_invariant: NDArray
    particles: Mapping[str, Sequence[float]] = field(default_factory=dict)


def write_data(path: Path, run: RunDescription, reconstructions: Iterable[tuple[int, Reconstruction]]) -> None:
    """Write data.h5; reconstructions are taken one at a time, so that they need not fit into memory together."""
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        _describe(file, run)
        file.attrs["computed_on"] = list(run.computed_on)
        for key, reconstruction in reconstructions:
            _write(file.create_group(f"{RESULTS}/{key}"), reconstruction, run)


def _grid(radii: NDArray[np.float64], angular: AngularGrid | CircleGrid) -> NDArray[np.float64]:
    angles = (angular.phi,) if isinstance(angular, CircleGrid) else (angular.theta, angular.phi)
    return np.stack(np.meshgrid(radii, *angles, indexing="ij"), axis=-1)


def _describe(file: h5py.File, run: RunDescription) -> None:
    grids = file.create_group("configuration/internal_grid")
    for name, radii in (("real_grid", run.radial.r), ("reciprocal_grid", run.radial.q)):
        grid = grids.create_dataset(name, data=_grid(radii, run.angular), chunks=True, compression="gzip", compression_opts=1, shuffle=True)
        grid.attrs["n_ndim"] = grid.shape[-1]
        grid.attrs["type"] = "NestedArray"
    file["configuration/reciprocity_coefficient"] = float(run.radial.reciprocity)
    file["configuration/xray_wavelength"] = float(run.wavelength)
    matrices = file.create_group("projection_matrices")
    matrices.attrs["type"] = "list"
    for order in range(run.max_order + 1):
        matrices[str(order)] = _complete(run.projection_matrices.get(order), order, run.radial)
    if run.invariants is not None:
        _write_by_order(file, "deg_2_invariant", run.invariants)
    file["stats/run_time"] = float(run.run_time)


def _complete(matrix: NDArray | None, order: int, radial: RadialGrid) -> NDArray:
    """V_l with all of its columns, V_n as a vector."""
    if radial.dimensions == 2:
        return np.zeros(radial.n_points, complex) if matrix is None else matrix[:, 0].astype(complex)
    full = np.zeros((radial.n_points, min(radial.n_points, 2 * order + 1)))
    if matrix is not None:
        full[:, : matrix.shape[1]] = matrix
    return full


def _write_by_order(group: h5py.Group, name: str, invariants: NDArray) -> None:
    """One chunk per order; orders that are 0 throughout take no space."""
    stored = group.create_dataset(name, invariants.shape, invariants.dtype, chunks=(1, *invariants.shape[1:]))
    for order, values in enumerate(invariants):
        if values.any():
            stored[order] = values


def _write(group: h5py.Group, found: Reconstruction, run: RunDescription) -> None:
    packed = {"chunks": (1, *found.real_density.shape[1:]), "compression": "gzip", "compression_opts": 1, "shuffle": True}
    densities = ("real_density", "last_real_density", "last_cleaned_density", "initial_density")
    for name in (*densities, "support_mask", "last_support_mask", "initial_support"):
        group.create_dataset(name, data=getattr(found, name), **packed)
    for name in ("reciprocal_density", "last_reciprocal_density"):
        group[name] = getattr(found, name)
    missing = run.max_order + 1 - len(found.last_deg2_invariant)
    _write_by_order(group, "last_deg2_invariant", np.pad(found.last_deg2_invariant, ((0, missing), (0, 0), (0, 0))))
    for space in ("real", "reciprocal"):
        group.create_group(f"error_dict/{space}")
    for name, values in found.errors.items():
        group[f"error_dict/{name}"] = np.asarray(values, float)
    group["final_error"] = found.best_error
    group["loop_iterations"] = run.loop_iterations
    assumed = found.particles.get("assumed", [run.n_particles] * len(found.errors["main"]))
    group["n_particles"] = np.asarray(assumed, float)[:, None]
    for name, series in (("n_particles_fraction", "fraction"), ("n_particles_gradients", "gradient")):
        group[name] = np.asarray(found.particles.get(series, ()), float)
    if run.radial.dimensions == 2:
        group["fxs_unknowns"] = np.array([_factor(found.unknowns.get(order)) for order in range(run.max_order + 1)], complex)
        return
    unknowns = group.create_group("fxs_unknowns")
    unknowns.attrs["type"] = "tuple"
    for order in range(run.max_order + 1):
        found_one = found.unknowns.get(order)
        unknowns[str(order)] = np.eye(2 * order + 1, dtype=complex) if found_one is None else complex_unknown(found_one)


def _factor(unknown: NDArray | None) -> complex:
    return 1.0 if unknown is None else complex(unknown[0, 0])


def complex_unknown(unknown: NDArray[np.float64]) -> NDArray[np.complex128]:
    """U_l (n, 2l+1) in the basis (I_l0, sqrt2 Re I_lm, sqrt2 Im I_lm) -> unitary (2l+1, 2l+1) for m = -l..l.

    Rows beyond n, which meet zero columns of V_l, complete the matrix.
    """
    n_rows, width = unknown.shape
    order = (width - 1) // 2
    complete = np.vstack([unknown, scipy.linalg.null_space(unknown).T]) if n_rows < width else unknown
    result = np.zeros((width, width), complex)
    result[:, order] = complete[:, 0]
    positive = (complete[:, 1 : order + 1] + 1j * complete[:, order + 1 :]) / np.sqrt(2)
    result[:, order + 1 :] = positive
    signs = (-1.0) ** np.arange(1, order + 1)
    result[:, :order] = (signs * positive.conj())[:, ::-1]
    return result
