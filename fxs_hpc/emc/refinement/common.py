"""What all frames share, estimated from the likelihood: peak width, mosaicity, radial width, beam centre and detector distance.

Each frame gives gradient g and Fisher information H of its own unknowns f and the common ones c; with the frame's unknowns free to follow,
the common step solves sum(H_cc - H_cf H_ff^-1 H_fc) step = sum(g_c - H_cf H_ff^-1 g_f). Without that the shift of a beam centre, which the
orientations have already half absorbed, would be found far too small.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece, revision
from fxs_hpc.emc.refinement import likelihood, spots
from fxs_hpc.emc.refinement.likelihood import clear, unknowns
from fxs_hpc.emc.refinement.peak_model import LatticeTable, PeakShape
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.spots import LOG_PHI, LOG_VARIANCE, STATE, belongs, box, load_frame, place_spot, run, select_near, stands_alone

COMMON = 6
"""s^2, mosaicity^2, radial^2; shift of the beam across the detector along x and y (in distances), logarithm of the distance."""
BASE = 4 + COMMON

_LARGEST_WIDTH_CHANGE = 0.35
_LARGEST_SHIFT = 0.01


@dataclass(frozen=True)
class Geometry:
    """Corrections of the detector: its shift along x and y relative to the beam in units of the distance, logarithm of its distance."""

    x: float = 0.0
    y: float = 0.0
    log_distance: float = 0.0

    def corrected(self, q: NDArray[np.float64], beam: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scattering vectors of pixels that lay at `q` float64[n, 3] before the correction; detector planes across z."""
        wave = np.linalg.norm(beam)
        k = q + beam
        place = k / np.abs(k[:, 2:]) + np.array([self.x, self.y, 0.0])
        place[:, 2] *= np.exp(self.log_distance)
        return np.asarray(place / np.linalg.norm(place, axis=1, keepdims=True) * wave - beam)


@piece
def by_widths(spot, along, across, base):  # type: ignore[no-untyped-def]
    """d ln W / d s^2, / d mosaicity^2, / d radial^2 at e = (along, square across) in base[4 .. 6]."""
    tangential, radial, modulus = spot[4], spot[5], max(spot[3], 1e-12)
    by_tangential = 0.5 * across / (tangential * tangential) - 1.0 / tangential
    by_radial = 0.5 * (along * along / radial - 1.0) / radial
    base[4] = by_tangential + by_radial
    base[5] = modulus * modulus * by_tangential
    base[6] = modulus * modulus * by_radial


@piece
def by_detector(spot, kx, ky, kz, ex, ey, ez, turn, base):  # type: ignore[no-untyped-def]
    """d ln W by the shifts of the detector and its log distance in base[7 .. 9], for a pixel whose wave vector is k."""
    tangential, modulus = spot[4], max(spot[3], 1e-12)
    wave = np.sqrt(kx * kx + ky * ky + kz * kz)
    tx = -(ex / tangential + turn * (spot[0] / modulus))
    ty = -(ey / tangential + turn * (spot[1] / modulus))
    tz = -(ez / tangential + turn * (spot[2] / modulus))
    inner = (tx * kx + ty * ky + tz * kz) / wave
    nearness = abs(kz) / wave
    base[7] = (wave * tx - inner * kx) * nearness
    base[8] = (wave * ty - inner * ky) * nearness
    base[9] = (wave * tz - inner * kz) * kz / wave


@piece
def slopes(spot, kx, ky, kz, ex, ey, ez, square, base):  # type: ignore[no-untyped-def]
    """d ln W by everything that is summed over pixels, base[10], for a pixel with wave vector k, at e; the profile there."""
    tangential, radial, modulus = spot[4], spot[5], max(spot[3], 1e-12)
    ux, uy, uz = spot[0] / modulus, spot[1] / modulus, spot[2] / modulus
    along = ex * ux + ey * uy + ez * uz
    across = square - along * along
    turn = (1.0 / radial - 1.0 / tangential) * along
    inward, straight = turn * (1.0 + along / modulus), 1.0 / tangential - turn / modulus
    base[0], base[1], base[2] = ex * straight + ux * inward, ey * straight + uy * inward, ez * straight + uz * inward
    base[3] = 1.0
    by_widths(spot, along, across, base)
    by_detector(spot, kx, ky, kz, ex, ey, ez, turn, base)
    return np.exp(-0.5 * (along * along / radial + across / tangential))


@piece
def add_spot(pixels, lattice, counts, ground, rotation, spot, strength, base, vector, matrix):  # type: ignore[no-untyped-def]
    """Sums over the pixels of one spot: gradient in vector[10], Fisher information in matrix[10, 10] (upper part)."""
    clear(vector, matrix)
    bx, by, bz = pixels.frame[2, 0], pixels.frame[2, 1], pixels.frame[2, 2]
    alone = stands_alone(lattice, spot)
    row0, row1, column0, column1 = box(pixels, spot)
    for row in range(row0, row1):
        first, stop = run(pixels, row, column0, column1)
        for i in range(first, stop):
            ex, ey, ez = pixels.q[i, 0] - spot[0], pixels.q[i, 1] - spot[1], pixels.q[i, 2] - spot[2]
            square = ex * ex + ey * ey + ez * ez
            if square > spot[8] or ground[i] <= 0.0 or not (alone or belongs(lattice, rotation, ex, ey, ez)):
                continue
            kx, ky, kz = pixels.q[i, 0] + bx, pixels.q[i, 1] + by, pixels.q[i, 2] + bz
            signal = strength * slopes(spot, kx, ky, kz, ex, ey, ez, square, base) * pixels.polar[i]
            expected = ground[i] + signal
            pull, weight = (counts[i] / expected - 1.0) * signal, signal * signal / expected
            for m in range(len(base)):
                vector[m] += pull * base[m]
                for n in range(m, len(base)):
                    matrix[m, n] += weight * base[m] * base[n]


@piece
def links(lattice, rotation, state, spot, j, free, chain):  # type: ignore[no-untyped-def]
    """chain[14, 10]: how the sums over the pixels of reflection j enter the frame's unknowns, then the common ones."""
    unknowns(lattice, rotation, spot, j, free, chain)
    chain[LOG_VARIANCE, 4] = spot[6]
    for m in range(COMMON):
        chain[STATE + m, 4 + m] = 1.0
    chain[STATE, 4] = np.exp(state[LOG_VARIANCE])


@piece
def fold_all(chain, vector, matrix, sums):  # type: ignore[no-untyped-def]
    """Add chain matrix chain^T and, as the last column, chain vector to sums[14, 15]."""
    size = len(chain)
    for i in range(size):
        for b in range(len(vector)):
            total = 0.0
            for c in range(len(vector)):
                total += chain[i, c] * (matrix[b, c] if b < c else matrix[c, b])
            sums[i, size] += chain[i, b] * vector[b]
            for k in range(size):
                sums[i, k] += total * chain[k, b]


@cache
def _kernel() -> Any:
    number = revision((spots.FILE, likelihood.FILE, __file__))

    @kernel
    def accumulate(pixels, lattice, heights, variances, count, photons, background, rotations, states, wanted, free, sums):  # type: ignore[no-untyped-def]
        assert number >= 0
        active = np.empty(len(lattice.modulus), np.int32)
        counts, ground = np.zeros(len(pixels.place), np.float32), np.zeros(len(pixels.place), np.float32)
        empty, spot = np.zeros(0, np.float32), np.zeros(13)
        base, vector, matrix, chain = np.zeros(BASE), np.zeros(BASE), np.zeros((BASE, BASE)), np.zeros((STATE + COMMON, BASE))
        for d in range(len(photons)):
            if not wanted[d]:
                continue
            load_frame(pixels, photons[d], background[d], empty, counts, ground)
            near = select_near(pixels.frame, lattice, rotations[d], count, variances, 0.0, 0.0, active)
            scale = np.exp(states[d, LOG_PHI])
            for j in active[:near]:
                height = heights[lattice.unique[j]]
                if height <= 0.0 or not place_spot(pixels.frame, lattice, rotations[d], states[d], variances, 0.0, j, spot):
                    continue
                add_spot(pixels, lattice, counts, ground, rotations[d], spot, scale * height * spot[7], base, vector, matrix)
                links(lattice, rotations[d], states[d], spot, j, free, chain)
                fold_all(chain, vector, matrix, sums[d])

    return accumulate


def normal_equations(
    pixels: PixelTable,
    lattice: LatticeTable,
    heights: NDArray[np.float64],
    variances: NDArray[np.float64],
    limit: float,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    rotations: NDArray[np.float64],
    states: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    free: NDArray[np.bool_],
    prior: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum over the `wanted` frames of the reduced information and gradient of the common unknowns, float64[6, 7] (gradient last).

    Arguments as those of `optimiser.refine`.
    """
    size = STATE + COMMON
    sums = np.zeros((len(photons), size, size + 1))
    _kernel()(pixels, lattice, heights, variances, lattice.count(limit), photons, background, rotations, states, wanted, free, sums)
    total = np.zeros((COMMON, COMMON + 1))
    own = np.flatnonzero(free)
    for d in np.flatnonzero(wanted):
        information, gradient = sums[d, :, :size], sums[d, :, size].copy()
        frame = information[np.ix_(own, own)] + np.diag(prior[own] + 1e-9)
        gradient[:STATE] -= prior * states[d]
        across = np.linalg.solve(frame, np.column_stack([information[np.ix_(own, np.arange(STATE, size))], gradient[own]]))
        both = information[STATE:, own] @ across
        total += np.column_stack([information[STATE:, STATE:], gradient[STATE:]]) - both
    return total


def step(equations: NDArray[np.float64], shape: PeakShape, geometry: Geometry, chosen: NDArray[np.bool_]) -> tuple[PeakShape, Geometry]:
    """Shape and geometry after one step of the `chosen` (bool[6]) common unknowns; squares stay positive, steps short.

    equations : float64[6, 7]
        Of `normal_equations`, summed over all blocks.
    """
    now = np.concatenate([shape.variances[1:], np.zeros(3)])
    unit = 1 / np.sqrt(np.maximum(np.diag(equations), 1e-300))
    active = chosen & (np.diag(equations) > 0)
    change = np.zeros(COMMON)
    for _ in range(3):
        index = np.flatnonzero(active)
        if not len(index):
            break
        scaled = equations[np.ix_(index, index)] * np.outer(unit[index], unit[index]) + 1e-6 * np.eye(len(index))
        change[:] = 0.0
        change[index] = np.linalg.solve(scaled, equations[index, COMMON] * unit[index]) * unit[index]
        negative = active & (np.arange(COMMON) < 3) & (now + change <= 0) & (now <= 0)
        if not negative.any():
            break
        active &= ~negative
    bound = _LARGEST_WIDTH_CHANGE * shape.width**2
    change[0] = np.clip(change[0], -bound, bound)
    new = np.maximum(now[:3] + change[:3], [0.1 * shape.width**2, 0.0, 0.0])
    shift = np.clip(change[3:], -_LARGEST_SHIFT, _LARGEST_SHIFT)
    x, y, distance = (np.array([geometry.x, geometry.y, geometry.log_distance]) + shift).tolist()
    return shape.with_variances(new), Geometry(x, y, distance)
