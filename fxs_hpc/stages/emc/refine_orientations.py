"""`refine-orientations`: orientations off the grid and intensities with error estimates.

Round n makes refine_dir/iter_flag-n, there as a whole or not at all: orientations.h5, total-phi.dat, hkl-val.dat, intens-mean-std.dat and
merged.hkl; refine_dir/history.jsonl has one JSON object for each round. Pictures, tables and the stream of `refinement_report` are made
when the rounds are over. Frames are cut into blocks of `refine_block`, whatever the number of ranks; all sums over blocks are taken in
their order, so that any number of ranks gives the same bits.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.reduction import Reduction
from fxs_hpc.config.emc.refinement import Refinement
from fxs_hpc.emc.refinement.ambiguity import reindexed, reindexed_rotations, require, resolve, spots_of
from fxs_hpc.emc.refinement.common import step
from fxs_hpc.emc.refinement.hot_pixels import bright_frames, hot, without
from fxs_hpc.emc.refinement.optimiser import Found
from fxs_hpc.emc.refinement.rounds import BlockResult, Model, RoundEnd, finish, refine_block, rescaled, with_heights
from fxs_hpc.errors import UsageError
from fxs_hpc.files.emc import orientations
from fxs_hpc.parallel.communicator import first
from fxs_hpc.parallel.partition import block
from fxs_hpc.parallel.threads import over
from fxs_hpc.stages.emc import refinement_output as output
from fxs_hpc.stages.emc import refinement_report
from fxs_hpc.stages.emc import refinement_state as state
from fxs_hpc.stages.emc.context import Context, Plan
from fxs_hpc.stages.emc.finished_runs import refine_folder
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.refinement_inputs import Candidates, Problem, Start, problem, starts
from fxs_hpc.stages.emc.refinement_search import recovered_frames, second_lattices
from fxs_hpc.stages.row import Standing

PROGRAM_BYTES = 250_000_000
OBSERVED_BYTES = 20_000
"""Of a frame, kept for the heights: about 130 peaks and 700 pixels with photons."""
FRAME_BYTES = 900
"""Of a frame in orientations.h5, for each round."""
GEOMETRY = slice(3, 6)
"""Shifts and distance among the common unknowns."""


def run(
    context: Context,
    rounds: int = 3,
    resume: bool = False,
    start: Start = "candidates",
    recover: bool = False,
    second_lattice: bool = False,
) -> None:
    """Refine.

    Parameters
    ----------
    rounds : int
        Number of the last round. The first two begin from the candidates, later ones go on from where they are.
    resume : bool
        Continue after the last complete iter_flag; begin where there is none.
    start : {'candidates', 'low-res'}
        From orient-peak's candidates with equal heights, or from the probabilities and intensities of low-res-emc.
    recover : bool
        After the last round search the raw frames that reduce-data left out; so does the key refine_recover.
    second_lattice : bool
        After the last round look for a second lattice in the frames that are not accepted; so does the key refine_second_lattice.
    """
    folder, keys = refine_folder(context.config), context.config.section(Refinement)
    recover, second_lattice = recover or keys.refine_recover, second_lattice or keys.refine_second_lattice
    last = first(context.ranks, lambda: _last(folder, resume))
    made = problem(context)
    candidates, heights, source = starts(context, made, start)
    blocks = _blocks(context, made.frames.count)
    made = _without_hot_pixels(context, made, blocks)
    standing = _begin(context, made, blocks, heights, last)
    context.say(
        f"{made.frames.count} frames, {made.model.heights.size} sets of equivalent reflections to {1 / made.options.limit:.3g} A, "
        f"{'continuing after round ' + str(standing.number) if last else 'from ' + source}"
    )
    for number in range(standing.number + 1, rounds + 1):
        standing = _round(context, made, candidates, blocks, standing, number, number == rounds, recover, second_lattice)
    if standing.number >= rounds and last and standing.number == _number(last):
        wanted = recover or second_lattice
        more = f"; --recover and --second-lattice come with another round, {standing.number + 1} for example" if wanted else ""
        context.say(f"round {standing.number} is there already; nothing to do{more}")
    first(context.ranks, lambda: refinement_report.write(context, made))


def standing(keys: EmcConfig) -> Standing:
    """How many rounds there are."""
    section = keys.section(Refinement)
    made = max(flag_folders(refine_folder(keys)), default=0)
    return Standing(made >= section.refine_rounds, f"iter_flag-{made}" if made else "", made, section.refine_rounds)


def plan(context: Context) -> Plan:
    """Memory of a rank: program, tables, a block of frames on each thread, what is kept of its frames; disk of the results."""
    path, keys = context.config.path, context.config.section(Reduction)
    needed = (path("aux/basis-vec.dat"), path("aux/sym-op.dat"), path("make-detector/rec-vectors.bin"), path(keys.mpi_datafile))
    missing = tuple(str(file) for file in needed if not file.exists())
    if missing:
        return Plan(0, 0, missing=missing)
    made = problem(context)
    block_frames = context.config.section(Refinement).refine_block
    pixels, frames = len(made.q), made.frames.count
    tables = pixels * 100 + len(made.model.lattice.modulus) * 100
    mine = -(-frames // context.ranks.size)
    memory = PROGRAM_BYTES + tables + context.threads * block_frames * 2 * pixels + mine * (OBSERVED_BYTES + 1500)
    lines = (f"{frames} frames in blocks of {block_frames}, {made.model.heights.size} sets of equivalent reflections",)
    return Plan(int(memory), frames * FRAME_BYTES, lines)


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _last(folder: Path, resume: bool) -> Path | None:
    found = list(flag_folders(folder).values())
    if found and not resume:
        raise UsageError(f"{folder} holds {found[-1].name} of an earlier run: continue it with --resume, move it away, or set refine_dir")
    return found[-1] if found else None


def _blocks(context: Context, count: int) -> list[tuple[int, int]]:
    """First and stop frame of the blocks of this rank."""
    size = context.config.section(Refinement).refine_block
    low, high = block(-(-count // size), context.ranks.rank, context.ranks.size)
    return [(number * size, min((number + 1) * size, count)) for number in range(low, high)]


def _without_hot_pixels(context: Context, made: Problem, blocks: list[tuple[int, int]]) -> Problem:
    if not context.config.section(Refinement).mask_hot_pixels:
        return made

    def one(part: tuple[int, int]) -> NDArray[np.int64]:
        photons, background = made.frames.read_photons(*part), made.frames.read_background(*part)
        return bright_frames(made.model.pixels, photons, background, made.options.bright_sigmas)

    found = sum(over(one, blocks, context.threads), np.zeros(len(made.q), np.int64))
    dead = hot(context.ranks.sum(found), made.frames.count)
    if dead.any():
        context.say(f"{int(dead.sum())} hot pixels are left out: they stand out of the background in too many frames")
    return replace(
        made, bins=np.where(dead, -1, made.bins).astype(np.int32), model=replace(made.model, pixels=without(made.model.pixels, dead))
    )


def _begin(context: Context, made: Problem, blocks: list[tuple[int, int]], heights: NDArray, last: Path | None) -> state.Standing:
    if last is None:
        return state.Standing(0, with_heights(made.model, heights), [])
    path = last / orientations.NAME
    stored = first(context.ranks, lambda: orientations.read(path))
    state.require_same(stored.settings, made, path)
    found = [state.found_of(stored.frames, low, high) for low, high in blocks]
    return state.Standing(stored.number, state.model_of(made, stored), found)


def gather(context: Context) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """All ranks' blocks in the order of the frames."""
    return lambda array: np.concatenate(context.ranks.all_gather(array))


def _round(
    context: Context,
    made: Problem,
    candidates: Candidates,
    blocks: list[tuple[int, int]],
    standing: state.Standing,
    number: int,
    final: bool,
    recover: bool,
    second_lattice: bool,
) -> state.Standing:
    clock = time.monotonic(), time.process_time()
    results = _refined(context, made, candidates, blocks, standing, number)
    results = _indexed(context, made, results, blocks, number)
    end = finish(results, standing.model, made.options, gather(context))
    found = [rescaled(result.found, end, place) for place, result in enumerate(results)]
    model = _updated(context, made, standing.model, results, end)
    extra = output.Extra()
    if final and recover:
        extra.recovered, end = recovered_frames(context, made, model, results, end)
    if final and second_lattice:
        extra.second = second_lattices(context, made, model, blocks, found)
    record = output.Record.of(context, number, found, end, model, clock)
    output.write(context, made, model, number, found, results, end, extra, record)
    context.say(record.line())
    if made.options.common[GEOMETRY].any():
        context.say(f"  {record.detector(made.geometry.D)}")
    return state.Standing(number, model, found)


def _refined(
    context: Context, made: Problem, candidates: Candidates, blocks: list[tuple[int, int]], standing: state.Standing, number: int
) -> list[BlockResult]:
    def one(place: int) -> BlockResult:
        low, high = blocks[place]
        photons, background = made.frames.read_photons(low, high), made.frames.read_background(low, high)
        current: Found | None = standing.found[place] if standing.found else None
        starting = candidates.of(low, high) if number <= 2 else None
        return refine_block(standing.model, made.options, number - 1, photons, background, current, starting)

    return over(one, range(len(blocks)), context.threads)


def _updated(context: Context, made: Problem, model: Model, results: list[BlockResult], end: RoundEnd) -> Model:
    """Model with the new heights and, where they are estimated, new widths and a new geometry."""
    model = with_heights(model, end.heights.value)
    if not made.options.common.any():
        return model
    equations = gather(context)(np.array([result.equations for result in results]).reshape(-1, *_shape(made))).sum(axis=0)
    if not equations.any():
        return model
    shape, geometry = step(equations, model.shape, model.geometry, made.options.common)
    return state.with_geometry(made, replace(model, shape=shape), geometry)


def _shape(made: Problem) -> tuple[int, int]:
    return len(made.options.common), len(made.options.common) + 1


def _indexed(context: Context, made: Problem, results: list[BlockResult], blocks: list[tuple[int, int]], number: int) -> list[BlockResult]:
    """The results with all frames indexed in the same way, where the lattice allows several."""
    if len(made.laws.matrices) == 1:
        return results
    spots = [spots_of(result.seen, np.isfinite(result.found.gain) & result.found.accepted) for result in results]
    spots = [part._replace(frame=part.frame + np.int32(low)) for part, (low, _) in zip(spots, blocks, strict=True)]
    gathered = [part for rank in context.ranks.gather(spots) for part in rank]
    choice = first(context.ranks, lambda: _chosen(context, made, gathered, number))
    turned = []
    for result, (low, high) in zip(results, blocks, strict=True):
        mine = choice[low:high]
        found = result.found._replace(rotation=reindexed_rotations(result.found.rotation, mine, made.laws))
        turned.append(result._replace(found=found, seen=reindexed(result.seen, mine, made.model.lattice, made.laws)))
    return turned


def _chosen(context: Context, made: Problem, gathered: list, number: int) -> NDArray[np.int64]:
    """Way of indexing of every frame; on rank 0."""
    spots = type(gathered[0])(*(np.concatenate(column) for column in zip(*gathered, strict=True)))
    count = made.frames.count
    start = np.zeros(count, np.int64) if number > 1 else None
    found = resolve(spots, count, made.model.lattice, made.laws, start)
    require(found, made.laws)
    context.say(f"  indexing: {len(made.laws.matrices)} ways, {found.decided:.0%} of the frames prefer theirs clearly")
    return found.choice
