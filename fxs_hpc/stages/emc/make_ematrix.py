"""`make-Ematrix`: which pixels see which reflections in each rotation that is a candidate of some frame."""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.orientation import Lattice, Maps, Rotations
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.files.emc import candidates, peak_maps, quaternions, rec_vectors
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.peak_map_files import ENTRIES, MapFiles, make_maps

PER_ROTATION = 40
"""Boxes of a rotation, as a guess for plans."""


def run(context: Context) -> None:
    """Make the maps at res_cutoff."""
    make_maps(context, _files(context), first(context.ranks, lambda: _relevant(context)))


def plan(context: Context) -> Plan:
    """Memory for the pixel tables and a piece of the maps."""
    relevant = len(_relevant(context))
    total = quaternions.read_count(_files(context).samples)
    pixels = rec_vectors.read_header(context.home / "make-detector" / "rec-vectors.bin").pixels
    entries = PER_ROTATION * relevant
    return Plan(
        memory=10**8 + 24 * min(entries, ENTRIES) * 2,
        disk=2 * peak_maps.size(total, entries),
        lines=(f"{relevant} of {total} rotations are candidates of some frame",),
        shared=pixels * 80 + 8 * total,
    )


def _files(context: Context) -> MapFiles:
    section, path = context.config.section, context.config.path
    maps = section(Maps)
    return MapFiles(path(section(Rotations).quat_file), section(Lattice).res_cutoff, path(maps.r2peak_file), path(maps.peak2r_file))


def _relevant(context: Context) -> NDArray[np.int64]:
    """Rotations that are candidates of some frame."""
    found = candidates.read(context.config.path(context.config.section(Reduction).prob_orien_file))
    return np.unique(found.rotation).astype(np.int64)
