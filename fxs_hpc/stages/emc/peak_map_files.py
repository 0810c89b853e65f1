"""Making r2peak and peak2r with several ranks, for the coarse and for the local stages.

Every rank makes the lists of a share of the rotations, then those of a share of the reflections, piece by piece, in files of its own that
the first rank puts together; memory stays bounded whatever the number of rotations.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.detector import Geometry, Pixels
from fxs_hpc.emc.peak_boxes import PixelCells, Sphere, peak_boxes, sphere, transposed
from fxs_hpc.emc.peak_maps import PeakMap
from fxs_hpc.emc.quaternions import rotation_matrices
from fxs_hpc.emc.reflections import Reflections, complete_reflections
from fxs_hpc.files.atomic import replacing
from fxs_hpc.files.emc import peak_maps, quaternions
from fxs_hpc.parallel.communicator import Communicator, first, share
from fxs_hpc.parallel.partition import balanced, block
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.progress import shown

ROTATIONS = 4096
"""Rotations that are worked on together."""
ENTRIES = 20_000_000
"""Entries of peak2r that a rank holds at a time (240 MB)."""


@dataclass(frozen=True)
class MapFiles:
    """Rotation samples, cutoff in Angstrom, and the maps to be made of them."""

    samples: Path
    resolution: float
    r2peak: Path
    peak2r: Path


def make_maps(context: Context, files: MapFiles, relevant: NDArray[np.int64] | None) -> None:
    """Make both maps.

    Parameters
    ----------
    files : MapFiles
    relevant : int64[m], optional
        Rotations to be looked at, ascending; the lists of the others stay empty. None = all.
    """
    ranks = context.ranks
    geometry = inputs.geometry(context)
    pixels = inputs.pixels(context, geometry.shape)
    unit = geometry.pixel_to_inverse_angstrom
    grid = inputs.voxel_grid(context)
    reflections = complete_reflections(grid, geometry.q_min * unit, geometry.limit(files.resolution) * unit)
    ewald = shared_sphere(ranks, geometry, pixels, pixels.prefix(geometry.limit(files.resolution)), grid.tolerance / unit)
    total = first(ranks, lambda: quaternions.read_count(files.samples))
    looked = np.arange(total) if relevant is None else relevant
    context.say(f"{len(looked)} of {total} rotations, {reflections.count} reflections, {len(ewald.cells.rank)} pixels")
    lists = _Lists(context, files, reflections, ewald, total, looked)
    counts = lists.write_r2peak()
    lists.write_peak2r(counts)
    context.say(f"{files.r2peak}, {files.peak2r}: {int(counts.sum())} boxes, {int(counts.sum()) / max(1, len(looked)):.1f} per rotation")


def shared_sphere(ranks: Communicator, geometry: Geometry, pixels: Pixels, count: int, radius: float) -> Sphere:
    """`peak_boxes.sphere`, its tables held once per node."""
    made = cache(lambda: sphere(pixels, count, geometry.beam, radius))
    arrays = [share(ranks, lambda name=name: getattr(made().cells, name)) for name in PixelCells._fields[:5]]  # type: ignore[misc]
    numbers = first(ranks, lambda: tuple(made().cells[5:]))
    cells = PixelCells(*arrays, *numbers)  # type: ignore[arg-type]
    return Sphere(geometry.beam, cells, pixels.shape[1], radius)


class _Lists:
    """Both maps of one set of rotations."""

    def __init__(
        self, context: Context, files: MapFiles, reflections: Reflections, ewald: Sphere, total: int, looked: NDArray[np.int64]
    ) -> None:
        self._context, self._ranks, self._files, self._ewald = context, context.ranks, files, ewald
        self._count, self._total, self._looked = reflections.count, total, looked
        self._positions = reflections.positions / (reflections.grid.tolerance / ewald.radius)

    def write_r2peak(self) -> NDArray[np.int64]:
        """Write the lists of all rotations; returns the number of entries of each reflection."""
        counts = np.zeros(self._count, np.int64)

        def counted() -> Iterator[PeakMap]:
            for part in self._own_rotations():
                counts[:] += np.bincount(part.entries[:, 0], minlength=self._count)
                yield part

        _put_together(self._ranks, self._files.r2peak, counted())
        return self._ranks.sum(counts)

    def write_peak2r(self, counts: NDArray[np.int64]) -> None:
        """Write the lists of all reflections, from the file of all rotations."""
        edges = balanced(counts, self._ranks.size)
        low, high = int(edges[self._ranks.rank]), int(edges[self._ranks.rank + 1])
        pieces = max(1, -(-int(counts[low:high].sum()) // ENTRIES))
        bounds = low + balanced(counts[low:high], pieces) if high > low else np.array([low])
        packed = peak_maps.mapped(self._files.r2peak)
        parts = (transposed(packed, int(a), counts[int(a) : int(b)]) for a, b in zip(bounds[:-1], bounds[1:], strict=True))
        _put_together(self._ranks, self._files.peak2r, parts)

    def _own_rotations(self) -> Iterator[PeakMap]:
        """The lists of this rank's rotations, some thousand at a time; together with the others' they are those of all rotations."""
        low, high = block(len(self._looked), self._ranks.rank, self._ranks.size)
        begin = 0 if low == 0 else self._rotation(low)
        samples = quaternions.mapped(self._files.samples)
        steps = range(low, high, ROTATIONS)
        for start in shown(steps, len(steps), "rotations", self._ranks, self._context.say):
            stop = min(start + ROTATIONS, high)
            numbers = self._looked[start:stop]
            found = peak_boxes(rotation_matrices(np.array(samples[numbers, :4])), self._positions, self._ewald)
            end = self._rotation(stop)
            yield _spread(found, numbers - begin, end - begin)
            begin = end

    def _rotation(self, place: int) -> int:
        """Where the rotations that are looked at from `place` on begin."""
        return int(self._looked[place]) if place < len(self._looked) else self._total


def _spread(found: PeakMap, places: NDArray[np.int64], count: int) -> PeakMap:
    """The lists of `found` at `places` among `count` lists, the others empty."""
    counts = np.zeros(count, np.int64)
    counts[places] = found.counts
    return PeakMap(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), found.entries)


def _put_together(ranks: Communicator, path: Path, parts: Iterator[PeakMap]) -> None:
    """Write the parts of all ranks, in order, as one file that appears when it is whole."""
    own = path.with_name(f".{path.stem}.part-{ranks.rank}{path.suffix}")
    try:
        peak_maps.write(own, parts)
        ranks.barrier()
        first(ranks, lambda: _concatenate(path, [path.with_name(f".{path.stem}.part-{rank}{path.suffix}") for rank in range(ranks.size)]))
    finally:
        own.unlink(missing_ok=True)


def _concatenate(path: Path, parts: list[Path]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 24)
