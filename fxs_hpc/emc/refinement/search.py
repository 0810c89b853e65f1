"""Orientations searched over the whole rotation group with a known model, and a second lattice in the same frame."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, revision
from fxs_hpc.emc.quaternions import STEP, rotation_matrices, samples
from fxs_hpc.emc.refinement import spots
from fxs_hpc.emc.refinement.judging import unexplained_pixels
from fxs_hpc.emc.refinement.observations import observe
from fxs_hpc.emc.refinement.optimiser import NO_EXTRA, Found, Stage
from fxs_hpc.emc.refinement.rounds import Model, Options, cells, refined
from fxs_hpc.emc.refinement.spots import LOG_PHI, belongs, box, place_spot, profile, run, select_near, stands_alone
from fxs_hpc.emc.refinement.starts import Scorer, Starts, best_starts

REFINED = 40
"""Best orientations of a search that are refined."""
LEAST_GAIN = 60.0
"""Log likelihood that a second lattice, or a frame found by the search alone, has to gain."""
_LARGEST_GRID = 400_000


class SearchGrid(NamedTuple):
    """Orientations to try: float64[n, 3, 3] over the asymmetric unit, about `step` radian apart; |G| up to `limit` (1/Angstrom)."""

    rotations: NDArray[np.float64]
    step: float
    limit: float


def search_grid(model: Model, options: Options) -> SearchGrid:
    """Grid so fine that some orientation moves every lattice point below the coarse cutoff by less than a fifth of their distance."""
    limit = 0.85 * options.start_limit
    step = min(0.4 * 2 * model.lattice.overlap / limit, np.radians(4.5))
    number = int(np.ceil(STEP / step))
    while 50 * number**3 / len(model.proper) > _LARGEST_GRID:
        number -= 1
    rotations = rotation_matrices(samples(number)[0])
    trace = np.einsum("sij,nji->ns", model.proper, rotations)
    own = np.argmin(np.abs(model.proper - np.eye(3)).sum(axis=(1, 2)))
    kept = trace[:, own] >= trace.max(axis=1) - 1e-9
    return SearchGrid(np.ascontiguousarray(rotations[kept]), STEP / number, limit)


def search(
    model: Model,
    options: Options,
    grid: SearchGrid,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    extra: NDArray[np.float32] = NO_EXTRA,
) -> Found:
    """Best orientation of each frame of a block, from nothing.

    extra : float32[n, pixels]
        Expected photons of a lattice already known, in the order of the pixel table; float32[1, 0] for none.
    """
    blur = grid.step / 2
    scorer = Scorer(
        model.pixels,
        model.lattice,
        model.positive,
        model.shape.variances,
        blur,
        grid.limit,
        grid.step,
        model.proper,
        cells(model, grid.limit),
    )
    count = len(photons)
    starts = best_starts(scorer, photons, background, [grid.rotations] * count, np.full(count, REFINED), extra)
    stages = [Stage(blur, grid.limit, 2.0), Stage(0.0, options.start_limit, 1.0), Stage(0.0, options.limit, options.stop)]
    return refined(model, options, stages, photons, background, starts, extra)


@cache
def _kernel() -> Any:
    number = revision((spots.FILE, __file__))

    @kernel
    def signals(pixels, lattice, heights, variances, count, rotation, state, active, spot, signal):  # type: ignore[no-untyped-def]
        assert number >= 0
        near = select_near(pixels.frame, lattice, rotation, count, variances, 0.0, 0.0, active)
        scale = np.exp(state[LOG_PHI])
        for a in range(near):
            height = heights[lattice.unique[active[a]]]
            if height <= 0.0 or not place_spot(pixels.frame, lattice, rotation, state, variances, 0.0, active[a], spot):
                continue
            alone = stands_alone(lattice, spot)
            row0, row1, column0, column1 = box(pixels, spot)
            for row in range(row0, row1):
                first, stop = run(pixels, row, column0, column1)
                for i in range(first, stop):
                    ex, ey, ez = pixels.q[i, 0] - spot[0], pixels.q[i, 1] - spot[1], pixels.q[i, 2] - spot[2]
                    square = ex * ex + ey * ey + ez * ez
                    if square <= spot[8] and (alone or belongs(lattice, rotation, ex, ey, ez)):
                        signal[i] += scale * height * spot[7] * profile(spot, ex, ey, ez, square) * pixels.polar[i]

    return signals


def signals(model: Model, options: Options, found: Found) -> NDArray[np.float32]:
    """Expected photons of the lattice of each frame, float32[n, pixels] in the order of the pixel table; 0 for frames without one."""
    result = np.zeros((len(found.gain), len(model.pixels.polar)), np.float32)
    active, spot = np.empty(len(model.lattice.modulus), np.int32), np.zeros(13)
    count = model.lattice.count(options.limit)
    for d in np.flatnonzero(np.isfinite(found.gain)):
        _kernel()(
            model.pixels,
            model.lattice,
            model.positive,
            model.shape.variances,
            count,
            found.rotation[d],
            found.state[d],
            active,
            spot,
            result[d],
        )
    return result


class TwoLattices(NamedTuple):
    """Both lattices of each frame; `present` bool[n]: the second is there; unexplained pixels int32[n] with both."""

    first: Found
    second: Found
    present: NDArray[np.bool_]
    bright: NDArray[np.int32]
    unexplained: NDArray[np.int32]


def second_lattice(
    model: Model, options: Options, grid: SearchGrid, photons: NDArray[np.int16], background: NDArray[np.float64], first: Found
) -> TwoLattices:
    """Search the frames of a block for a second lattice besides `first`, then refine both in turn, each with the other as background."""
    second = search(model, options, grid, photons, background, signals(model, options, first))
    present = second.gain >= LEAST_GAIN
    stages = [Stage(0.0, options.limit, options.stop)]
    for _ in range(2):
        starts = _as_starts(first)
        first = refined(model, options, stages, photons, background, starts, signals(model, options, _only(second, present)))._replace(
            accepted=first.accepted
        )
        second = refined(model, options, stages, photons, background, _as_starts(second), signals(model, options, first))
        present = second.gain >= LEAST_GAIN
    other = signals(model, options, _only(second, present))
    seen = observe(
        model.pixels,
        model.lattice,
        model.shape.variances,
        options.limit,
        photons,
        background,
        first.rotation,
        first.state,
        np.isfinite(first.gain),
        other,
        options.bright_sigmas,
    )
    left = unexplained_pixels(seen, model.lattice.unique, model.heights, options.bright_sigmas, options.shape_error)
    return TwoLattices(first, second, present, seen.bright, left)


def _only(found: Found, wanted: NDArray[np.bool_]) -> Found:
    return found._replace(gain=np.where(wanted, found.gain, -np.inf))


def _as_starts(found: Found) -> Starts:
    some = np.isfinite(found.gain)
    return Starts(np.concatenate([[0], np.cumsum(some)]).astype(np.int64), found.rotation[some], found.state[some])
