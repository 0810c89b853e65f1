"""What the EMC engine will need, before anything is read but headers."""

from math import ceil, pi

import numpy as np

from fxs_hpc.config.emc.background import Background
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.emc.expansion import peak_cubes
from fxs_hpc.emc.reflections import complete_reflections
from fxs_hpc.emc.work_blocks import FRAMES
from fxs_hpc.files.emc import candidates, quaternions
from fxs_hpc.files.emc.reduced import is_store
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.emc_inputs import PHOTON_BYTES, SearchFiles

PROGRAM = 250_000_000
"""Interpreter, libraries and compiled kernels of one rank; two thirds of it private, the rest shared with the other ranks of a node."""
PAIR_BYTES = 4 + 4 + 4 + 8 + 8 + 2
"""Of a candidate: rotation, evaluation and what serves it, log-likelihoods, flags."""
ROTATION_BYTES = 32 + 8 + 4 + 4 + 8
KEPT = 12
"""Rotations kept of each frame, at the start of a run."""


def emc_plan(context: Context, files: SearchFiles) -> Plan:
    """Memory, disk and missing inputs of EMC on the ranks of the context."""
    missing = tuple(str(path) for path in (files.samples, files.r2peak, files.candidates) if not path.is_file())
    if missing:
        return Plan(0, 0, missing=missing)
    geometry = inputs.geometry(context)
    pixels = inputs.pixels(context, geometry.shape)
    count = pixels.prefix(geometry.limit(files.resolution))
    unit = geometry.pixel_to_inverse_angstrom
    grid = inputs.voxel_grid(context)
    reflections = complete_reflections(grid, geometry.q_min * unit, geometry.limit(files.resolution) * unit)
    found = candidates.read(files.candidates)
    ranks = context.ranks.size
    frames, pairs = ceil(len(found) / ranks), ceil(len(found.rotation) / ranks)
    rotations = min(pairs, len(found.visited()))
    voxels, cubes = len(reflections.voxels), len(peak_cubes(reflections).slot)
    # Pixels within reach of a reflection, by the area of the detector that its support covers.
    per_rotation = ceil(reflections.count * grid.tolerance / unit / geometry.D * pi * (grid.tolerance / unit) ** 2 * 2)
    memory = {
        "program": PROGRAM,
        "photons": _photon_bytes(context, frames, count),
        "backgrounds": 8 * frames * (context.config.section(Background).qlen + 1),
        "candidates": pairs * PAIR_BYTES + rotations * ROTATION_BYTES,
        "model": cubes * 40 + voxels * 8 * (14 + 2 * ceil(np.log2(1 + len(found) / FRAMES))),
        "mapped files": _mapped_bytes(context, files, ranks),
        "assigned": frames * KEPT * (per_rotation * PHOTON_BYTES + 60),
    }
    shared = 28 * count + 4 * geometry.shape[0] * geometry.shape[1] + 36 * len(pixels) + 4 * len(found.rotation)
    shared += 8 * quaternions.read_count(files.samples)
    disk = voxels * 16 + len(found) * 300
    lines = (
        f"{len(found)} frames with {len(found.rotation)} candidates of {quaternions.read_count(files.samples)} rotations, "
        f"{reflections.count} reflections with {voxels} voxels, {count} pixels",
        "memory of a rank: " + ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in memory.items()),
        f"disk for each flag {disk / 1e6:.1f} MB",
    )
    return Plan(sum(memory.values()), disk, lines, shared=shared)


def _mapped_bytes(context: Context, files: SearchFiles, ranks: int) -> int:
    """Pages of the samples, the map and the photons that a rank touches. The system takes them back when memory is short."""
    data = context.config.path(context.config.section(Reduction).mpi_datafile)
    photons = data.stat().st_size // ranks if data.is_file() and not is_store(data) else 0
    return files.samples.stat().st_size + files.r2peak.stat().st_size + photons


def _photon_bytes(context: Context, frames: int, count: int) -> int:
    """Two blocks of photons, or all of them once, and a block as it comes from disk."""
    keys = context.config.section(Reconstruction)
    whole = frames * count * PHOTON_BYTES
    if keys.iter_data_block is None:
        return whole * 2 if whole <= keys.frame_memory * 1e6 else int(1.5 * keys.frame_memory * 1e6)
    return whole * 2 if keys.iter_data_block == 1 else 3 * ceil(whole / keys.iter_data_block)
