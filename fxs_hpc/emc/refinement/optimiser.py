"""Damped Fisher scoring of a frame's orientation, scale, and on request its cell and peak width."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece, revision
from fxs_hpc.emc.refinement import likelihood, spots
from fxs_hpc.emc.refinement.likelihood import BASE, evaluate
from fxs_hpc.emc.refinement.peak_model import LatticeTable
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.spots import LOG_PHI, STATE, load_frame, select_near

LARGEST_TURN = np.radians(1.0)
LARGEST_LOG_PHI = 0.7
LARGEST_STRAIN = 0.01
LARGEST_LOG_VARIANCE = 0.3
MARGIN = np.radians(1.5)
"""Rotation after which the list of near reflections is made again."""
STEPS = 14
FINALISTS = 2
"""Starts that reach the last stage."""
CLEAR = 0.5
"""Of those, a second one has to come this near to the log likelihood of the first."""


NO_EXTRA: NDArray[np.float32] = np.zeros((1, 0), np.float32)


class Found(NamedTuple):
    """Result of the starts of a block of frames.

    Attributes
    ----------
    rotation : float64[n, 3, 3]
        Best rotation R (laboratory to crystal).
    state : float64[n, 8]
        See `spots`.
    gain : float64[n]
        Log likelihood above "background only"; -inf for a frame without starts.
    information : float64[n, 8, 8]
        Fisher information there; rows of unknowns that were kept fixed are those of the identity.
    start : int32[n]
        Which start won.
    evaluations : int32[n]
    accepted : bool[n]
        Frames that the last judgement let count; all of them before the first.
    """

    rotation: NDArray[np.float64]
    state: NDArray[np.float64]
    gain: NDArray[np.float64]
    information: NDArray[np.float64]
    start: NDArray[np.int32]
    evaluations: NDArray[np.int32]
    accepted: NDArray[np.bool_]

    def of(self, frames: NDArray) -> "Found":
        """Some of the frames."""
        return Found(*(column[frames] for column in self))


@piece
def copy(source, target):  # type: ignore[no-untyped-def]
    """Copy a matrix."""
    for i in range(source.shape[0]):
        for k in range(source.shape[1]):
            target[i, k] = source[i, k]


@piece
def copy_vector(source, target):  # type: ignore[no-untyped-def]
    """Copy a vector."""
    for i in range(len(source)):
        target[i] = source[i]


@piece
def solve(information, gradient, damping, free, factor, step):  # type: ignore[no-untyped-def]
    """step = (information + damping * its diagonal)^-1 gradient by Cholesky's method; 0 where not free."""
    for i in range(len(step)):
        for k in range(i + 1):
            total = information[k, i] if i != k else information[i, i] * (1.0 + damping) + 1e-12
            if not (free[i] and free[k]):
                total = 1.0 if i == k else 0.0
            for m in range(k):
                total -= factor[i, m] * factor[k, m]
            if i == k:
                factor[i, i] = np.sqrt(max(total, 1e-30))
            else:
                factor[i, k] = total / factor[k, k]
    for i in range(len(step)):
        total = gradient[i] if free[i] else 0.0
        for m in range(i):
            total -= factor[i, m] * step[m]
        step[i] = total / factor[i, i]
    for i in range(len(step) - 1, -1, -1):
        total = step[i]
        for m in range(i + 1, len(step)):
            total -= factor[m, i] * step[m]
        step[i] = total / factor[i, i]


@piece
def shorten(step):  # type: ignore[no-untyped-def]
    """Cut a step to the largest changes that the quadratic model is good for; the angle of the turn that is left, radian."""
    angle = np.sqrt(step[0] * step[0] + step[1] * step[1] + step[2] * step[2])
    cut = min(1.0, LARGEST_TURN / max(angle, 1e-30), LARGEST_LOG_PHI / max(abs(step[LOG_PHI]), 1e-30))
    for i in range(4, 7):
        cut = min(cut, LARGEST_STRAIN / max(abs(step[i]), 1e-30))
    cut = min(cut, LARGEST_LOG_VARIANCE / max(abs(step[7]), 1e-30))
    for i in range(len(step)):
        step[i] *= cut
    return angle * cut


@piece
def turned(rotation, step, angle, result):  # type: ignore[no-untyped-def]
    """result = R exp(-[w]): lattice points in the laboratory turn by w."""
    if angle < 1e-300:
        copy(rotation, result)
        return
    x, y, z = step[0] / angle, step[1] / angle, step[2] / angle
    c, s = np.cos(angle), np.sin(angle)
    d = 1.0 - c
    for i in range(3):
        a, b, e = rotation[i, 0], rotation[i, 1], rotation[i, 2]
        along = (a * x + b * y + e * z) * d
        # row times exp(-[w]) = exp([w]) applied to the row as a column
        result[i, 0] = a * c + (y * e - z * b) * s + x * along
        result[i, 1] = b * c + (z * a - x * e) * s + y * along
        result[i, 2] = e * c + (x * b - y * a) * s + z * along


@piece
def climb(pixels, lattice, heights, variances, blur2, count, counts, ground, rotation, state, free, prior, stop, active, work, trial):  # type: ignore[no-untyped-def]
    """Maximise from (rotation, state), which are changed in place; the log likelihood and the number of evaluations."""
    gradient, information = work[0], work[1]
    best_gradient, best_information, new_rotation, new_state, step, factor = trial
    gain, damping, drift, near = -np.inf, 1e-3, np.inf, 0
    copy(rotation, new_rotation)
    copy_vector(state, new_state)
    angle, evaluations = 0.0, 0
    while evaluations <= STEPS:
        if drift + angle > MARGIN:
            near = select_near(pixels.frame, lattice, rotation, count, variances, blur2, MARGIN, active)
            drift = 0.0
        new = evaluate(pixels, lattice, heights, variances, blur2, counts, ground, new_rotation, new_state, free, prior, active, near, work)
        evaluations += 1
        change = new - gain
        if change > 0.0:
            copy(new_rotation, rotation)
            copy_vector(new_state, state)
            copy_vector(gradient, best_gradient)
            copy(information, best_information)
            gain = new
            drift += angle
            damping = max(damping * 0.2, 1e-6)
        else:
            damping = max(damping * 10.0, 1e-2)
        if abs(change) < stop or damping > 1e5:
            break
        solve(best_information, best_gradient, damping, free, factor, step)
        angle = shorten(step)
        turned(rotation, step, angle, new_rotation)
        for i in range(3, len(state)):
            new_state[i] = state[i] + step[i]
    copy(best_information, information)
    return gain, evaluations


@piece
def bound_of(gains, final):  # type: ignore[no-untyped-def]
    """Log likelihood that a start of a frame needs to reach the next stage; the `final` one is for the best."""
    if final and len(gains) >= FINALISTS:
        return max(np.sort(gains)[len(gains) - FINALISTS], CLEAR * gains.max())
    return -np.inf


@piece
def keep(found, d, start, gain, rotation, state, information, free):  # type: ignore[no-untyped-def]
    """Note the result of a start as that of frame d; `information` holds its upper part."""
    found.gain[d], found.start[d] = gain, start
    copy(rotation, found.rotation[d])
    copy_vector(state, found.state[d])
    for i in range(len(free)):
        for k in range(len(free)):
            if free[i] and free[k]:
                found.information[d, i, k] = information[min(i, k), max(i, k)]


@cache
def _kernel() -> Any:
    number = revision((spots.FILE, likelihood.FILE, __file__))

    @kernel
    def refine(pixels, lattice, heights, variances, stages, photons, background, extra, first, rotations, states, free, prior, found):  # type: ignore[no-untyped-def]
        assert number >= 0
        active = np.empty(len(lattice.modulus), np.int32)
        work = (np.zeros(STATE), np.zeros((STATE, STATE)), np.zeros(13), np.zeros(BASE), np.zeros((BASE, BASE)), np.zeros((STATE, BASE)))
        trial = (np.zeros(STATE), np.zeros((STATE, STATE)), np.zeros((3, 3)), np.zeros(STATE), np.zeros(STATE), np.zeros((STATE, STATE)))
        counts, ground = np.zeros(len(pixels.place), np.float32), np.zeros(len(pixels.place), np.float32)
        last = len(stages) - 1
        for d in range(len(photons)):
            starts = first[d + 1] - first[d]
            if starts == 0:
                continue
            load_frame(pixels, photons[d], background[d], extra[min(d, len(extra) - 1)], counts, ground)
            gains = np.full(starts, -np.inf)
            for stage in range(last + 1):
                bound = bound_of(gains, stage == last and last > 0)
                for s in range(starts):
                    if gains[s] < bound:
                        gains[s] = -np.inf
                        continue
                    place = first[d] + s
                    gains[s], used = climb(
                        pixels,
                        lattice,
                        heights,
                        variances,
                        stages[stage, 0],
                        int(stages[stage, 1]),
                        counts,
                        ground,
                        rotations[place],
                        states[place],
                        free,
                        prior,
                        stages[stage, 2],
                        active,
                        work,
                        trial,
                    )
                    found.evaluations[d] += used
                    if stage == last and gains[s] > found.gain[d]:
                        keep(found, d, s, gains[s], rotations[place], states[place], work[1], free)

    return refine


class Stage(NamedTuple):
    """One stage of a refinement: blur in radian, largest |G| in 1/Angstrom, and the gain of a step below which it ends."""

    blur: float
    limit: float
    stop: float


def refine(
    pixels: PixelTable,
    lattice: LatticeTable,
    heights: NDArray[np.float64],
    variances: NDArray[np.float64],
    stages: list[Stage],
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    first: NDArray[np.int64],
    rotations: NDArray[np.float64],
    states: NDArray[np.float64],
    free: NDArray[np.bool_],
    prior: NDArray[np.float64],
    extra: NDArray[np.float32] = NO_EXTRA,
) -> Found:
    """Refine every start of every frame of a block; the last stage only the best two.

    Parameters
    ----------
    heights : float64[unique]
    variances : float64[4]
        Of `PeakShape`.
    photons : int16[n, pixels]
        -1 where dead.
    background : float64[n, bins]
    first : int64[n + 1]
        Starts first[d] .. first[d + 1] belong to frame d.
    rotations, states : float64[m, 3, 3], float64[m, 8]
        The starts.
    free : bool[8]
        Unknowns of a frame that are refined (the three of the rotation are one choice).
    prior : float64[8]
        1 / variance of the Gaussian prior about 0 of strain and width.
    extra : float32[n, pixels]
        Expected photons of another lattice in the same frame, in the order of the pixel table; float32[1, 0] for none.
    """
    count = len(photons)
    found = Found(
        np.tile(np.eye(3), (count, 1, 1)),
        np.zeros((count, STATE)),
        np.full(count, -np.inf),
        np.tile(np.eye(STATE), (count, 1, 1)),
        np.zeros(count, np.int32),
        np.zeros(count, np.int32),
        np.ones(count, np.bool_),
    )
    table = np.array([(stage.blur**2, lattice.count(stage.limit), stage.stop) for stage in stages])
    _kernel()(
        pixels, lattice, heights, variances, table, photons, background, extra, first, rotations.copy(), states.copy(), free, prior, found
    )
    return found
