"""Orientations to start from: the best of a frame's candidates that are really different."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.refinement.optimiser import NO_EXTRA
from fxs_hpc.emc.refinement.peak_model import LatticeTable
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.scoring import ArcCells, arc_scores, empty_maps, fill_maps, windows
from fxs_hpc.emc.refinement.spots import LOG_PHI, STATE


class Starts(NamedTuple):
    """Starts of a block: first[d] .. first[d + 1] of `rotations` float64[m, 3, 3] and `states` float64[m, 8] belong to frame d."""

    first: NDArray[np.int64]
    rotations: NDArray[np.float64]
    states: NDArray[np.float64]


def misorientation(a: NDArray[np.float64], b: NDArray[np.float64], proper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle in radian between rotations a float64[..., 3, 3] and b (one or as many), modulo the proper operators float64[s, 3, 3]."""
    trace = np.einsum("sij,...jk,...ik->...s", proper, a, b).max(axis=-1)
    return np.asarray(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def distinct(
    rotations: NDArray[np.float64], values: NDArray[np.float64], most: int, apart: float, proper: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Indices of the `most` best of `rotations` float64[n, 3, 3] by `values`, any two more than `apart` radian from each other."""
    order = np.argsort(-values, kind="stable")
    chosen = np.empty(most, np.int64)
    found = _greedy()(rotations, order, 1 + 2 * np.cos(apart), proper, chosen)
    return chosen[:found]


@cache
def _greedy() -> Any:
    @kernel
    def greedy(rotations, order, trace, proper, chosen):  # type: ignore[no-untyped-def]
        found = 0
        between = np.empty((3, 3))
        for index in order:
            near = False
            for other in chosen[:found]:
                for j in range(3):
                    for i in range(3):
                        between[j, i] = 0.0
                        for k in range(3):
                            between[j, i] += rotations[index, j, k] * rotations[other, i, k]
                for s in range(len(proper)):
                    total = 0.0
                    for i in range(3):
                        for j in range(3):
                            total += proper[s, i, j] * between[j, i]
                    near |= total >= trace
                if near:
                    break
            if not near:
                chosen[found] = index
                found += 1
                if found == len(chosen):
                    break
        return found

    return greedy


class Scorer(NamedTuple):
    """What scoring needs: the tables, the model, blur (radian), resolution limit (1/Angstrom), least distance of two starts (radian),
    proper operators float64[s, 3, 3], cells of the pixels."""

    pixels: PixelTable
    lattice: LatticeTable
    heights: NDArray[np.float64]
    variances: NDArray[np.float64]
    blur: float
    limit: float
    apart: float
    proper: NDArray[np.float64]
    cells: ArcCells


def best_starts(
    scorer: Scorer,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    candidates: list[NDArray[np.float64]],
    most: NDArray[np.int64],
    extra: NDArray[np.float32] = NO_EXTRA,
) -> Starts:
    """The best distinct candidates of each frame.

    Parameters
    ----------
    photons, background : int16[n, pixels], float64[n, bins]
    candidates : n arrays float64[m, 3, 3]
        May be empty: the frame then has no start.
    most : int64[n]
        Starts of each frame at most.
    extra : float32[n, pixels]
        See `optimiser.refine`.
    """
    rotations, states, first = [np.zeros((0, 3, 3))], [np.zeros((0, STATE))], [0]
    maps = empty_maps(scorer.cells)
    peaks = windows(scorer.pixels, scorer.lattice, scorer.heights, scorer.variances, scorer.blur, scorer.limit, scorer.cells)
    for d, (frame, level, mine, wanted) in enumerate(zip(photons, background, candidates, most, strict=True)):
        if len(mine):
            fill_maps(scorer.pixels, scorer.cells, frame, level, maps, extra[min(d, len(extra) - 1)])
            values, scales = arc_scores(scorer.pixels, peaks, maps, np.ascontiguousarray(mine))
            best = distinct(mine, values, int(wanted), scorer.apart, scorer.proper)
            rotations.append(mine[best])
            states.append(_states(scales[best]))
        first.append(first[-1] + len(rotations[-1]) if len(mine) else first[-1])
    return Starts(np.array(first, np.int64), np.concatenate(rotations), np.concatenate(states))


def _states(scales: NDArray[np.float64]) -> NDArray[np.float64]:
    states = np.zeros((len(scales), STATE))
    states[:, LOG_PHI] = np.log(np.maximum(scales, 1e-3))
    return states
