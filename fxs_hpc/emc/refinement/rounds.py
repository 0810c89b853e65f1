"""Rounds of refinement: orientations of all frames against the heights, heights from all accepted frames, and again.

A caller who streams frames does for each block `refine_block`, then once for all of them `finish`. Nothing else passes between frames.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.refinement.common import COMMON, Geometry, normal_equations
from fxs_hpc.emc.refinement.intensities import Gather, Heights, alone, fit_heights
from fxs_hpc.emc.refinement.judging import FEW, LARGEST_SHARE, LEAST_GAIN, SHAPE_ERROR, accepted, unexplained_pixels
from fxs_hpc.emc.refinement.observations import BRIGHT_SIGMAS, Observations, observe
from fxs_hpc.emc.refinement.optimiser import NO_EXTRA, Found, Stage, refine
from fxs_hpc.emc.refinement.peak_model import LatticeTable, PeakShape
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.scoring import ArcCells, arc_cells
from fxs_hpc.emc.refinement.spots import LOG_PHI, LOG_VARIANCE, STATE, STRAIN
from fxs_hpc.emc.refinement.starts import Scorer, Starts, best_starts

JUDGEMENTS = 2
"""Times that heights and accepted frames are made from each other in a round."""


KNOWN = 3
"""Once the heights are known the scores rank better: accepted frames try a third fewer starts again, the others a third more."""


@dataclass(frozen=True)
class Options:
    """Choices that hold for all rounds.

    Attributes
    ----------
    start_limit, limit : float
        Cutoffs of the first round and of the others, 1/Angstrom.
    starts : int
        Different starts of a frame.
    start_error : float
        Expected error of a start, radian: the blur with which candidates are scored.
    cell_spread, width_spread : float
        Relative standard deviations of cell lengths and of s^2 between frames; 0: not refined per frame.
    common : bool[6]
        Which of `common.COMMON` are estimated.
    """

    start_limit: float
    limit: float
    starts: int = 8
    start_error: float = float(np.radians(1.2))
    cell_spread: float = 0.0
    width_spread: float = 0.0
    common: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(COMMON, bool))
    stop: float = 1e-2
    bright_sigmas: float = BRIGHT_SIGMAS
    shape_error: float = SHAPE_ERROR
    largest_share: float = LARGEST_SHARE
    few: int = FEW
    least_gain: float = LEAST_GAIN

    @property
    def free(self) -> NDArray[np.bool_]:
        """bool[8]: unknowns of a frame that are refined."""
        free = np.zeros(STATE, bool)
        free[: LOG_PHI + 1] = True
        free[STRAIN:LOG_VARIANCE] = self.cell_spread > 0
        free[LOG_VARIANCE] = self.width_spread > 0
        return free

    @property
    def prior(self) -> NDArray[np.float64]:
        """float64[8]: inverse variances of the frames' unknowns."""
        prior = np.zeros(STATE)
        prior[STRAIN:LOG_VARIANCE] = self.cell_spread**-2 if self.cell_spread > 0 else 0.0
        prior[LOG_VARIANCE] = self.width_spread**-2 if self.width_spread > 0 else 0.0
        return prior


@dataclass(frozen=True)
class Model:
    """What frames are compared with."""

    pixels: PixelTable
    lattice: LatticeTable
    proper: NDArray[np.float64]
    heights: NDArray[np.float64]
    shape: PeakShape
    geometry: Geometry = Geometry()

    @property
    def positive(self) -> NDArray[np.float64]:
        """Heights for the likelihood: those below zero count as zero."""
        return np.maximum(self.heights, 0.0)


class Plan(NamedTuple):
    """One round: cutoff (1/Angstrom), stages, and whether frames start again from their candidates (0: no; else number of starts)."""

    limit: float
    stages: list[Stage]
    starts: int
    score_limit: float


def plan(options: Options, model: Model, number: int) -> Plan:
    """Plan of round `number` (from 0). Rounds 0 and 1 use the candidates: round 1 knows the heights, and finds what round 0 missed."""
    limit = options.start_limit if number == 0 else options.limit
    # A start is within reach where its error moves a lattice point by less than a part of their distance.
    coarse = min(0.8 * options.start_limit, 0.42 * 2 * model.lattice.overlap / options.start_error)
    if number > 1:
        return Plan(limit, [Stage(0.0, limit, options.stop)], 0, coarse)
    stages = [Stage(0.0, coarse, 1.0)]
    while stages[-1].limit * 2 < limit:
        stages.append(Stage(0.0, stages[-1].limit * 2, 1.0))
    return Plan(limit, [*stages, Stage(0.0, limit, options.stop)], options.starts, coarse)


class BlockResult(NamedTuple):
    """What a block of frames gives: its orientations, what it says about the heights, and about the common unknowns (float64[6, 7])."""

    found: Found
    seen: Observations
    equations: NDArray[np.float64]


def refine_block(
    model: Model,
    options: Options,
    number: int,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    current: Found | None,
    candidates: list[NDArray[np.float64]] | None,
) -> BlockResult:
    """Round `number` of one block of frames.

    Parameters
    ----------
    photons, background : int16[n, pixels], float64[n, bins]
    current : Found, optional
        Result of the round before.
    candidates : list of float64[m, 3, 3], optional
        Orientations to start from; used in the first two rounds.
    """
    chosen = plan(options, model, number)
    found = _continued(model, options, chosen, photons, background, current) if current is not None else None
    if chosen.starts and candidates is not None:
        most = np.full(len(photons), chosen.starts)
        if found is not None:
            most = chosen.starts + np.where(found.accepted, -1, 1) * (chosen.starts // KNOWN)
        restarted = _restarted(model, options, chosen, photons, background, candidates, most)
        found = restarted if found is None else better(found, restarted)
    assert found is not None
    wanted = np.isfinite(found.gain)
    variances = model.shape.variances
    seen = observe(
        model.pixels,
        model.lattice,
        variances,
        options.limit,
        photons,
        background,
        found.rotation,
        found.state,
        wanted,
        sigmas=options.bright_sigmas,
    )
    return BlockResult(found, seen, _equations(model, options, number, photons, background, found))


def _equations(
    model: Model, options: Options, number: int, photons: NDArray[np.int16], background: NDArray[np.float64], found: Found
) -> NDArray[np.float64]:
    if number == 0 or not options.common.any():
        return np.zeros((COMMON, COMMON + 1))
    wanted = np.isfinite(found.gain) & found.accepted
    return normal_equations(
        model.pixels,
        model.lattice,
        model.positive,
        model.shape.variances,
        options.limit,
        photons,
        background,
        found.rotation,
        found.state,
        wanted,
        options.free,
        options.prior,
    )


def _continued(
    model: Model, options: Options, chosen: Plan, photons: NDArray[np.int16], background: NDArray[np.float64], current: Found
) -> Found:
    first = np.concatenate([[0], np.cumsum(np.isfinite(current.gain))]).astype(np.int64)
    started = np.isfinite(current.gain)
    starts = Starts(first, current.rotation[started], current.state[started])
    found = refined(model, options, chosen.stages[-1:], photons, background, starts)
    return found._replace(accepted=current.accepted)


def _restarted(
    model: Model,
    options: Options,
    chosen: Plan,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    candidates: list[NDArray[np.float64]],
    most: NDArray[np.int64],
) -> Found:
    scorer = Scorer(
        model.pixels,
        model.lattice,
        model.positive,
        model.shape.variances,
        options.start_error,
        chosen.score_limit,
        2.5 * options.start_error,
        model.proper,
        cells(model, chosen.score_limit),
    )
    return refined(model, options, chosen.stages, photons, background, best_starts(scorer, photons, background, candidates, most))


def cells(model: Model, limit: float) -> ArcCells:
    """Cells in which the photons of a frame are summed for scores: as wide as a peak, with room for those at the cutoff."""
    width = float(np.sqrt(model.shape.variances[1] + model.shape.variances[3] * limit**2))
    return arc_cells(model.pixels, limit + 3 * width, width)


def refined(
    model: Model,
    options: Options,
    stages: list[Stage],
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    starts: Starts,
    extra: NDArray[np.float32] = NO_EXTRA,
) -> Found:
    """`optimiser.refine` with a model and options."""
    return refine(
        model.pixels,
        model.lattice,
        model.positive,
        model.shape.variances,
        stages,
        photons,
        background,
        starts.first,
        starts.rotations,
        starts.states,
        options.free,
        options.prior,
        extra,
    )


def better(first: Found, second: Found) -> Found:
    """Of each frame the result with the larger likelihood."""
    take = second.gain > first.gain
    columns = {
        name: np.where(take.reshape(-1, *[1] * (a.ndim - 1)), b, a)
        for name, a, b in ((name, getattr(first, name), getattr(second, name)) for name in Found._fields)
    }
    return Found(**columns)._replace(accepted=first.accepted, evaluations=first.evaluations + second.evaluations)


class RoundEnd(NamedTuple):
    """What a round has found: heights (mean phi of the accepted frames is 1), per block unexplained pixels and accepted frames."""

    heights: Heights
    unexplained: list[NDArray[np.int32]]
    accepted: list[NDArray[np.bool_]]
    log_scale: float


def finish(results: list[BlockResult], model: Model, options: Options, gather: Gather = alone) -> RoundEnd:
    """Heights of all frames held here and elsewhere, and which frames they accept."""
    unique = model.lattice.unique
    seen = [result.seen for result in results]
    good = [result.found.accepted & np.isfinite(result.found.gain) for result in results]
    unexplained = [np.zeros(len(mine), np.int32) for mine in good]
    for _ in range(JUDGEMENTS):
        heights = fit_heights(seen, unique, good, gather)
        unexplained = [unexplained_pixels(block, unique, heights.value, options.bright_sigmas, options.shape_error) for block in seen]
        good = [
            accepted(result.found.gain, result.seen.bright, left, options.largest_share, options.few, options.least_gain)
            for result, left in zip(results, unexplained, strict=True)
        ]
    heights = fit_heights(seen, unique, good, gather)
    sums = [[np.exp(result.found.state[mine, LOG_PHI]).sum(), mine.sum()] for result, mine in zip(results, good, strict=True)]
    total, count = gather(np.array(sums, float).reshape(-1, 2)).sum(axis=0)
    scale = total / count if count and total > 0 else 1.0
    return RoundEnd(heights.scaled(float(scale)), unexplained, good, float(np.log(scale)))


def rescaled(found: Found, end: RoundEnd, block: int) -> Found:
    """Orientations of block number `block` after the round: phi on the common scale, accepted frames marked."""
    state = found.state.copy()
    state[:, LOG_PHI] -= end.log_scale
    return found._replace(state=state, accepted=end.accepted[block])


def equal_heights(lattice: LatticeTable) -> NDArray[np.float64]:
    """Heights to start from where nothing is known."""
    return np.ones(int(lattice.unique.max()) + 1)


def with_heights(model: Model, heights: NDArray[np.float64]) -> Model:
    """The model with other heights."""
    return replace(model, heights=heights)
