"""Memory and disk that reconstructions take, before they are made."""

import math

from fxs_hpc.config.reconstruct import Reconstruct
from fxs_hpc.engine.interface import Geometry, PlaneGeometry
from fxs_hpc.engine.layout import padded
from fxs_hpc.stages.fxs.phasing_output import shown

_PROGRAM = 250_000_000
"""Bytes of a process without arrays."""

_DRAWING = 100_000_000
"""Bytes of what draws pictures and writes VTK files."""

_VTK_BYTES = 23
"""Of the two VTK files of a reconstruction, compressed, for each voxel."""


def _size(precision: str) -> int:
    return 4 if precision == "single" else 8


def _voxels(grids: Geometry | PlaneGeometry, shells: int) -> int:
    return shells * math.prod(grids.angular.shape)


def memory_each(grids: Geometry | PlaneGeometry, precision: str) -> int:
    """Bytes that one reconstruction needs in its process."""
    size, parts = _size(precision), 2 if grids.complex_density else 1
    stored = grids.radial.n_points if isinstance(grids, PlaneGeometry) else padded(grids.radial.n_points)
    voxels, hankel = _voxels(grids, stored), 2 * (grids.amplitude_order + 1) * stored**2
    if isinstance(grids, PlaneGeometry):
        return _PROGRAM + size * (20 * parts * voxels + hankel) + 13 * voxels
    spectra = grids.angular.n_theta * (grids.amplitude_order + 1) * 2 * stored
    coefficients = 2 * (grids.amplitude_order + 1) ** 2 * stored
    return _PROGRAM + size * parts * (6 * voxels + 3 * spectra + 4 * coefficients) + size * hankel + 13 * voxels


def _invariants(settings: Reconstruct, grids: Geometry | PlaneGeometry) -> int:
    """Bytes of B_l of the orders that are not 0."""
    used = settings.projections.reciprocal.used_order_ids
    orders = max(used) + 1 if grids.complex_density else sum(order % 2 == 0 for order in range(max(used) + 1))
    return orders * grids.radial.n_points**2 * (16 if isinstance(grids, PlaneGeometry) else 8)


def memory_storing(settings: Reconstruct, grids: Geometry | PlaneGeometry, precision: str) -> int:
    """Bytes that the process needs which writes the results and draws the pictures, one reconstruction at a time."""
    hankel = 2 * 8 * (grids.amplitude_order + 1) * grids.radial.n_points**2
    # In the plane densities are moved with matrices for m = -L .. L; invariants are held with their zero orders, last, best and padded.
    moving = 3 * hankel if isinstance(grids, PlaneGeometry) else hankel
    return memory_each(grids, precision) + _DRAWING + moving + 8 * _invariants(settings, grids)


def disk(settings: Reconstruct, grids: Geometry | PlaneGeometry, wanted: int, precision: str) -> int:
    """Bytes of `wanted` reconstructions in data.h5, of their checkpoints, and of the VTK files."""
    size, voxels, plane = _size(precision), _voxels(grids, grids.radial.n_points), isinstance(grids, PlaneGeometry)
    modifiers = settings.output_density_modifiers
    # Two amplitudes, and densities that are 0 outside their support; moved ones are not 0 anywhere.
    fields = 5.3 + (3 if modifiers.shift_to_center or (plane and modifiers.fix_orientation) else 0)
    invariants = _invariants(settings, grids)
    each = int(voxels * (fields * size + 0.1)) + int(voxels * size * 0.7) + invariants
    return wanted * each + shown(settings, wanted) * voxels * _VTK_BYTES + invariants * settings.IO.files.invariants.options.save_invariant
