"""The inputs of the EMC engine: read, checked against each other, and held once per node where all ranks need them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Background
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.detector import Geometry, Pixels
from fxs_hpc.emc.expansion import DetectorTable, detector_table, raster_order
from fxs_hpc.emc.lattice import VoxelGrid
from fxs_hpc.emc.radial_background import radial_bins
from fxs_hpc.emc.reflections import complete_reflections
from fxs_hpc.emc.rules import OWN, REFERENCE
from fxs_hpc.emc.symmetry import LaueGroup
from fxs_hpc.emc.work_blocks import shares, work_blocks
from fxs_hpc.emc.workload import Model, Workload, workload
from fxs_hpc.files.emc import candidates, frame_store, peak_maps, quaternions, reduced, sym_op
from fxs_hpc.parallel.communicator import first, share
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.emc_engine import Task
from fxs_hpc.stages.emc.frame_stream import FrameStream, stream_edges

PHOTON_BYTES = 2
RULES = {"own": OWN, "reference": REFERENCE}


@dataclass(frozen=True)
class SearchFiles:
    """What makes one kind of EMC different from another: the cutoff in Angstrom, rotation samples, map and candidates."""

    resolution: float
    samples: Path
    r2peak: Path
    candidates: Path


def task(context: Context, files: SearchFiles) -> Task:
    """All that the engine needs on this rank."""
    keys = context.config.section(Reconstruction)
    geometry = inputs.geometry(context)
    pixels = inputs.pixels(context, geometry.shape)
    count = pixels.prefix(geometry.limit(files.resolution))
    table, group = model(context, geometry, files.resolution)
    source = frames(context, pixels)
    found = shared_candidates(context, files, source.count)
    blocks = work_blocks(found.counts)
    owned = shares(blocks, found.counts, context.ranks.size)
    own = blocks[owned[context.ranks.rank] : owned[context.ranks.rank + 1] + 1]
    low, high = int(own[0]), int(own[-1])
    edges = stream_edges(own, keys.iter_data_block, PHOTON_BYTES * count, keys.frame_memory * 1e6)
    order = raster_order(pixels.index[:count]).astype(np.int32)
    background = np.full((high - low, source.bins + 1), -1.0)
    background[:, :-1] = source.read_background(low, high)
    return Task(
        table,
        detector(context, geometry, pixels, count, table.reflections.grid),
        rank_workload(context, files, found, low, high, group),
        background,
        blocks,
        owned,
        FrameStream(source, order, edges),
        RULES[keys.emc_rules],
    )


def model(context: Context, geometry: Geometry, resolution: float) -> tuple[Model, LaueGroup]:
    """Reflections up to `resolution` and the Laue group of aux/sym-op.dat."""
    grid = inputs.voxel_grid(context)
    unit = geometry.pixel_to_inverse_angstrom
    reflections = complete_reflections(grid, geometry.q_min * unit, geometry.limit(resolution) * unit)
    group = first(context.ranks, lambda: sym_op.read(context.home / "aux" / "sym-op.dat", grid.lattice))
    return Model.of(reflections, group), group


def detector(context: Context, geometry: Geometry, pixels: Pixels, count: int, grid: VoxelGrid) -> DetectorTable:
    """The first `count` pixels in raster order, held once per node."""
    bins = context.config.section(Background).qlen

    @cache
    def table() -> DetectorTable:
        number = radial_bins(pixels.modulus, pixels.polar, geometry.q_max, bins).number(pixels.modulus[:count])
        voxels = pixels.q[:count] * (geometry.pixel_to_inverse_angstrom * grid.scale)
        return detector_table(
            voxels, pixels.polar[:count], np.where(number < 0, bins, number).astype(np.int32), pixels.index[:count], pixels.shape
        )

    def column(name: str) -> NDArray:
        return share(context.ranks, lambda: getattr(table(), name))

    return DetectorTable(*(column(name) for name in DetectorTable._fields[:-1]), columns=pixels.shape[1])  # type: ignore[misc, arg-type]


def frames(context: Context, pixels: Pixels) -> reduced.ReducedFrames:
    """The reduced frames."""
    keys = context.config.section(Reduction)
    photons, background = context.config.path(keys.mpi_datafile), context.config.path(keys.mpi_bgfile)
    bins = context.config.section(Background).qlen
    first(context.ranks, lambda: reduced.open_reduced(photons, background, len(pixels), bins, frame_store.pixel_order(pixels.index)).count)
    return reduced.open_reduced(photons, background, len(pixels), bins)


def shared_candidates(context: Context, files: SearchFiles, count: int) -> Candidates:
    """The candidates of all frames, held once per node."""
    read = cache(lambda: candidates.read(files.candidates, count, quaternions.read_count(files.samples)))
    first(context.ranks, lambda: len(read()))
    return Candidates(share(context.ranks, lambda: read().first), share(context.ranks, lambda: read().rotation))


def rank_workload(context: Context, files: SearchFiles, found: Candidates, low: int, high: int, group: LaueGroup) -> Workload:
    """The work on frames low .. high."""
    samples = quaternions.mapped(files.samples)
    weight_sum = first(context.ranks, lambda: float(np.sum(samples[:, 4])))
    entry_first = share(context.ranks, lambda: peak_maps.index(files.r2peak, len(samples)))
    own = Candidates(found.first[low : high + 1] - found.first[low], np.array(found.rotation[found.first[low] : found.first[high]]))
    return workload(low, own, samples, weight_sum, peak_maps.mapped(files.r2peak), entry_first, group)


def number_of_parts(context: Context) -> int:
    """Parts in which probabilities are written: the ranks for which the frames were ordered, on whatever number we run."""
    return context.config.section(Reduction).nproc


def rotation_count(files: SearchFiles) -> int:
    """Rotation samples there are."""
    return quaternions.read_count(files.samples)
