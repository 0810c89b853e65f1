"""`orient-peak`: the rotation samples that explain enough peaks of each raw frame, and how many peaks each explains.

Ranks take every P-th frame; frames do not depend on each other, so the files are the same for any number of ranks. The tree of samples is
held once per node. Files of an earlier run are removed where a frame has no candidates any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Frames, Peaks
from fxs_hpc.config.emc.orientation import Lattice, Rotations
from fxs_hpc.emc.detector import Pixels
from fxs_hpc.emc.orientation_search import Rule, Shell, in_shell, search, shell
from fxs_hpc.emc.peaks import centroids
from fxs_hpc.emc.quaternions import sample_count
from fxs_hpc.emc.sample_tree import SampleTree, empty_tree, filling, memory
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.emc import candidates, peaks, quaternions, rec_vectors
from fxs_hpc.files.emc.file_lists import FileLists
from fxs_hpc.parallel.communicator import first, share
from fxs_hpc.parallel.partition import interleaved
from fxs_hpc.parallel.threads import over
from fxs_hpc.stages.emc import frame_results, inputs
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.progress import shown

COUNTS = "orient-peak/num_prob_orien.dat"
BATCH = 64
"""Frames that one thread works on between two reports of progress."""


@dataclass(frozen=True)
class FrameSearch:
    """The search in one frame after another.

    Attributes
    ----------
    keys : Peaks
        Which peaks, and frames with how many of them, are looked at.
    pixels : Pixels
    place : int32[rows * columns]
        `pixels.positions()`.
    unit : float
        1/Angstrom per pixel unit.
    rule : Rule
    samples : float64[N, 5]
    tree : SampleTree
    """

    keys: Peaks
    pixels: Pixels
    place: NDArray[np.int32]
    unit: float
    rule: Rule
    samples: NDArray[np.float64]
    tree: SampleTree

    @cached_property
    def points(self) -> Shell:
        """Lattice points that peaks may belong to."""
        return shell(self.rule)

    def peaks_of(self, path: str) -> NDArray[np.float64]:
        """Peaks of the frame described by `path`, 1/Angstrom."""
        keys = self.keys
        patches = peaks.read(path)
        sizes = patches.sizes
        used = patches.selected((sizes >= keys.min_patch_sz) & (sizes <= keys.max_patch_sz))
        try:
            q = centroids(used, self.pixels.q, self.place) * self.unit
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        return q[in_shell(self.rule, q)]

    def __call__(self, paths: Sequence[str]) -> list[candidates.Explained]:
        """Candidates of the frames whose peaks are in `paths`."""
        frames = [self.peaks_of(path) for path in paths]
        tried = [frame if self.keys.min_num_peak <= len(frame) <= self.keys.max_num_peak else frame[:0] for frame in frames]
        found = search(tried, self.rule, self.points, self.samples, self.tree)
        return [candidates.Explained(one.rotation, one.explained, len(frame)) for one, frame in zip(found, frames)]


def run(context: Context) -> None:
    """Search all frames."""
    lists = inputs.lists(context)
    find = frame_search(context)
    first(context.ranks, lambda: _begin(context, lists, find))
    mine = interleaved(len(lists), context.ranks.rank, context.ranks.size)

    def some(numbers: Sequence[int]) -> list[tuple[int, float]]:
        found = find([lists.peak[number] for number in numbers])
        for number, one in zip(numbers, found):
            candidates.write_frame(lists.orientation[number], one)
        return [(len(one.rotation), one.peaks.max() / one.of_peaks if len(one.rotation) else np.nan) for one in found]

    batches = [mine[start : start + BATCH] for start in range(0, len(mine), BATCH)]
    steps = [batches[start : start + context.threads] for start in range(0, len(batches), context.threads)]
    results: list[tuple[int, float]] = []
    for step in shown(steps, len(steps), "frames", context.ranks, context.say):
        results += chain.from_iterable(over(some, step, context.threads))
    parts = context.ranks.all_gather(np.array(results).reshape(-1, 2))
    frame_results.settle(context.ranks)
    table = np.empty((len(lists), 2))
    for rank, part in enumerate(parts):
        table[rank :: context.ranks.size] = part
    first(context.ranks, lambda: _finish(context, table))


def plan(context: Context) -> Plan:
    """Memory for the tree of samples and the file that it is made of, disk for the candidates as far as they can be guessed."""
    path = context.config.path(context.config.section(Rotations).quat_file)
    count = quaternions.read_count(path) if path.exists() else sample_count(quaternions.num_div_of(path))
    pixels = rec_vectors.read_header(context.home / "make-detector" / "rec-vectors.bin").pixels
    frames = context.config.section(Frames).num_raw_data or len(inputs.lists(context))
    return Plan(
        memory=2 * 10**8,
        shared=memory(count) + 36 * pixels + quaternions.size(count),
        disk=frames * 20 * max(100, count // 1000),
        lines=(f"{count} rotations; shared: {memory(count) / 1e6:.0f} MB for their tree, the others are pages of the quaternion file",),
    )


def frame_search(context: Context) -> FrameSearch:
    """The search that config.ini describes, its tables held once per node."""
    section = context.config.section
    geometry, grid = inputs.geometry(context), inputs.voxel_grid(context)
    unit = geometry.pixel_to_inverse_angstrom
    keys = section(Peaks)
    rule = Rule(grid, geometry.q_min * unit, geometry.limit(section(Lattice).res_cutoff) * unit, keys.min_num_peak)
    pixels = inputs.pixels(context, geometry.shape)
    place = share(context.ranks, pixels.positions)
    path = context.config.path(section(Rotations).quat_file)
    count = first(context.ranks, lambda: quaternions.read_count(path))
    if not count:
        raise InputFileError(f"{path}: no rotations in it; {quaternions.AGAIN} again")
    samples = quaternions.mapped(path)
    return FrameSearch(keys, pixels, place, unit, rule, samples, _tree(context, samples))


def _tree(context: Context, samples: NDArray[np.float64]) -> SampleTree:
    """The tree of samples, once per node, made by all ranks of the node together."""
    ranks = context.ranks
    tree = empty_tree(len(samples), ranks.shared)
    for _ in filling(tree, samples, ranks.shared((5,), np.int64), ranks.node_rank, ranks.node_size):
        ranks.barrier()
    return tree


def _begin(context: Context, lists: FileLists, find: FrameSearch) -> None:
    (context.home / COUNTS).unlink(missing_ok=True)
    for folder in {path.rpartition("/")[0] for path in lists.orientation}:
        Path(folder).mkdir(parents=True, exist_ok=True)
    if not len(find.points.modulus):
        raise DataError(
            f"the lattice has no reflection between {1 / find.rule.outer:.3g} and {1 / max(find.rule.inner, 1e-9):.3g} Angstrom; "
            f"check aux/basis-vec.dat and res_cutoff"
        )
    context.say(f"{len(find.samples)} rotations, {len(find.points.modulus)} reflections to {1 / find.rule.outer:.3g} Angstrom")


def _finish(context: Context, table: NDArray[np.float64]) -> None:
    """Write the number of candidates of each frame, which says that all is there, and say what was found."""
    counts = table[:, 0].astype(np.int64)
    candidates.write_counts(context.home / COUNTS, counts)
    found = counts > 0
    context.say(f"{np.count_nonzero(found)} of {len(counts)} frames have candidate orientations, {counts.sum()} in all")
    if found.any():
        context.say(
            f"  {np.median(counts[found]):.0f} per frame (median), {counts.max()} at most; the best of a frame explains "
            f"{100 * np.median(table[found, 1]):.0f} % of its peaks (median)"
        )
    else:
        context.say("  note: none; check the cell (figures of make-powder), gw, min_num_peak and max_num_peak")
