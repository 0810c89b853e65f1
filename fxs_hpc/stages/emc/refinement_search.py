"""After the last round: frames that reduce-data left out, and second lattices."""

from collections.abc import Mapping
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.emc.background import Background
from fxs_hpc.emc.refinement.intensities import Heights, fit_heights
from fxs_hpc.emc.refinement.judging import accepted, unexplained_pixels
from fxs_hpc.emc.refinement.observations import Observations, observe
from fxs_hpc.emc.refinement.optimiser import Found
from fxs_hpc.emc.refinement.rounds import BlockResult, Model, RoundEnd
from fxs_hpc.emc.refinement.search import LEAST_GAIN, SearchGrid, search, search_grid, second_lattice
from fxs_hpc.files.emc import radial_background
from fxs_hpc.parallel.communicator import share
from fxs_hpc.parallel.partition import interleaved
from fxs_hpc.parallel.threads import over
from fxs_hpc.stages.emc import inputs
from fxs_hpc.stages.emc import refinement_state as state
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.refinement_inputs import Problem

FRAMES = 16
"""Left-out frames that are searched together."""


def _grid(context: Context, made: Problem, model: Model) -> SearchGrid:
    grid = search_grid(model, made.options)
    return grid._replace(rotations=share(context.ranks, lambda: grid.rotations))


class RawFrames:
    """Usable pixels and radial backgrounds of raw frames; read by one thread at a time."""

    def __init__(self, context: Context, made: Problem) -> None:
        keys = context.config.section(Background)
        self._radial = inputs.lists(context).radial
        self._source = inputs.frame_source(context)
        self._index = inputs.pixels(context, made.geometry.shape).index
        self._limit = min(keys.hot_pix_thres, float(np.iinfo(np.int16).max))
        self._bins = keys.qlen
        self._lock = Lock()
        self.left = np.setdiff1d(np.arange(len(self._radial)), made.raw_id)
        """Numbers of the frames that reduce-data left out."""

    def read(self, frames: NDArray[np.int64]) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Photons int16[n, pixels] (-1 where dead) and backgrounds float64[n, bins]."""
        with self._lock:
            counts = np.array([self._source.read(int(frame)).ravel()[self._index] for frame in frames])
            background = np.array([radial_background.read(self._radial[int(frame)], self._bins) for frame in frames])
        return np.where((counts < 0) | (counts > self._limit), -1, counts).astype(np.int16), background


def recovered_frames(
    context: Context, made: Problem, model: Model, results: list[BlockResult], end: RoundEnd
) -> tuple[Mapping[str, NDArray], RoundEnd]:
    """Search the raw frames without candidates; heights from those found as well.

    Returns
    -------
    columns : mapping
        Of group `frames`, of the recovered frames in the order of the raw ones; on every rank.
    end : RoundEnd
        With heights from all frames.
    """
    raw, grid = RawFrames(context, made), _grid(context, made, model)
    pieces = [raw.left[at : at + FRAMES] for at in range(0, len(raw.left), FRAMES)]
    own = [pieces[place] for place in interleaved(len(pieces), context.ranks.rank, context.ranks.size)]
    found = over(lambda frames: _searched(made, model, grid, raw, frames), own, context.threads)
    columns = _gathered(context, [part[0] for part in found])
    context.say(f"recovery: {len(columns.get('phi', []))} of {len(raw.left)} frames that reduce-data left out show a crystal")
    return columns, end._replace(heights=_heights_of_all(context, model, results, end, [part[1:] for part in found]))


def _heights_of_all(
    context: Context, model: Model, results: list[BlockResult], end: RoundEnd, recovered: list[tuple[Observations, int]]
) -> Heights:
    """Heights from the accepted frames and the recovered ones, which come last whoever found them."""
    everybody = sorted((part for rank in context.ranks.all_gather(recovered) for part in rank), key=lambda part: part[1])
    behind = [part[0] for part in everybody] if context.ranks.rank == context.ranks.size - 1 else []
    seen = [*(_rescaled(result.seen, np.exp(-end.log_scale)) for result in results), *behind]
    used = [*end.accepted, *(np.ones(len(part.bright), bool) for part in behind)]
    return fit_heights(seen, model.lattice.unique, used, lambda array: np.concatenate(context.ranks.all_gather(array)))


def _rescaled(seen: Observations, factor: float) -> Observations:
    """Observations with phi times `factor`."""
    return seen._replace(
        slope=(seen.slope * np.float32(factor)).astype(np.float32),
        total=seen.total * np.array([factor, 1, 1, factor, factor**2]),
        bound=seen.bound / factor,
    )


def _searched(
    made: Problem, model: Model, grid: SearchGrid, raw: RawFrames, frames: NDArray[np.int64]
) -> tuple[dict[str, NDArray], Observations, int]:
    """Columns and observations of those of some raw frames that show a crystal, and the number of the first."""
    photons, background = raw.read(frames)
    found = search(model, made.options, grid, photons, background)
    seen = _observed(made, model, photons, background, found)
    left = unexplained_pixels(seen, model.lattice.unique, model.heights, made.options.bright_sigmas, made.options.shape_error)
    good = accepted(found.gain, seen.bright, left, made.options.largest_share, made.options.few, LEAST_GAIN)
    kept = found.of(good)
    columns = state.columns(kept, seen.bright[good], left[good])
    columns |= {"raw_id": frames[good], "recovered": np.ones(int(good.sum()), bool)}
    return columns, _observed(made, model, photons[good], background[good], kept), int(frames[0])


def _observed(made: Problem, model: Model, photons: NDArray, background: NDArray, found: Found) -> Observations:
    return observe(
        model.pixels,
        model.lattice,
        model.shape.variances,
        made.options.limit,
        photons,
        background,
        found.rotation,
        found.state,
        np.isfinite(found.gain),
        sigmas=made.options.bright_sigmas,
    )


def second_lattices(
    context: Context, made: Problem, model: Model, blocks: list[tuple[int, int]], found: list[Found]
) -> Mapping[str, NDArray]:
    """Columns of group `second`: second lattices of the frames that are not accepted; on every rank."""
    grid = _grid(context, made, model)

    def one(place: int) -> dict[str, NDArray]:
        low, high = blocks[place]
        wanted = np.flatnonzero(~found[place].accepted & np.isfinite(found[place].gain))
        photons, background = made.frames.read_photons(low, high)[wanted], made.frames.read_background(low, high)[wanted]
        both = second_lattice(model, made.options, grid, photons, background, found[place].of(wanted))
        good = both.present & (both.unexplained <= np.maximum(made.options.few, made.options.largest_share * both.bright))
        second = both.second.of(both.present)._replace(accepted=good[both.present])
        columns = state.columns(second, both.bright[both.present], both.unexplained[both.present])
        return columns | {"frame": wanted[both.present] + low, "first_log_likelihood": both.first.gain[both.present]}

    columns = _gathered(context, over(one, range(len(blocks)), context.threads))
    context.say(f"second lattices: {len(columns.get('phi', []))} found, {int(np.sum(columns.get('accepted', 0)))} explain their frame")
    return columns


def _gathered(context: Context, parts: list[dict[str, NDArray]]) -> dict[str, NDArray]:
    """Columns of all ranks, by raw or reduced number of the frame."""
    every = [part for rank in context.ranks.all_gather(parts) for part in rank if len(part["phi"])]
    if not every:
        return {}
    joined = {key: np.concatenate([part[key] for part in every]) for key in every[0]}
    order = np.argsort(joined["raw_id" if "raw_id" in joined else "frame"], kind="stable")
    return {key: values[order] for key, values in joined.items()}
