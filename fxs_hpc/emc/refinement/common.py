"""What all frames share, estimated from the likelihood: peak width, mosaicity, radial width, beam centre and detector distance.

Each frame gives gradient g and Fisher information H of its own unknowns f and the common ones c; with the frame's unknowns free to follow,
the common step solves sum(H_cc - H_cf H_ff^-1 H_fc) step = sum(g_c - H_cf H_ff^-1 g_f). Without that the shift of a beam centre, which the
orientations have already half absorbed, would be found far too small.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.refinement import spots
from fxs_hpc.emc.refinement.compiled import COMPILE, revision
from fxs_hpc.emc.refinement.peak_model import LatticeTable, PeakShape
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.spots import LOG_PHI, LOG_VARIANCE, STATE, STRAIN, belongs, cell_range, load_frame, place_spot, select_near

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


@cache
def _kernel() -> Any:
    number = revision((spots.FILE, __file__))

    @numba.njit(cache=True, **COMPILE)
    def accumulate(pixels, lattice, heights, variances, count, photons, background, rotations, states, wanted, sums):  # type: ignore[no-untyped-def]
        assert number >= 0
        size = STATE + COMMON
        active = np.empty(len(lattice.modulus), np.int32)
        counts, ground = np.zeros(len(pixels.place), np.float32), np.zeros(len(pixels.place), np.float32)
        empty = np.zeros(0, np.float32)
        spot, base, vector, matrix, chain = np.zeros(13), np.zeros(BASE), np.zeros(BASE), np.zeros((BASE, BASE)), np.zeros((size, BASE))
        wave = np.sqrt(pixels.frame[2, 0] ** 2 + pixels.frame[2, 1] ** 2 + pixels.frame[2, 2] ** 2)
        for d in range(len(photons)):
            if not wanted[d]:
                continue
            load_frame(pixels, photons[d], background[d], empty, counts, ground)
            near = select_near(pixels.frame, lattice, rotations[d], count, variances, 0.0, 0.0, active)
            scale = np.exp(states[d, LOG_PHI])
            for a in range(near):
                j = active[a]
                height = heights[lattice.unique[j]]
                if height <= 0.0 or not place_spot(pixels.frame, lattice, rotations[d], states[d], variances, 0.0, j, spot):
                    continue
                for i in range(BASE):
                    vector[i] = 0.0
                    for k in range(BASE):
                        matrix[i, k] = 0.0
                tangential, radial, modulus = spot[4], spot[5], max(spot[3], 1e-12)
                square_g = modulus * modulus
                excess = 1.0 / radial - 1.0 / tangential
                x, y = spot[9] - pixels.corner[0], spot[10] - pixels.corner[1]
                row0, row1 = cell_range(x - spot[11], x + spot[11], pixels.cell, pixels.rows)
                column0, column1 = cell_range(y - spot[11], y + spot[11], pixels.cell, pixels.columns)
                if column1 <= column0:
                    continue
                for row in range(row0, row1):
                    for i in range(pixels.first[row * pixels.columns + column0], pixels.first[row * pixels.columns + column1]):
                        ex, ey, ez = pixels.q[i, 0] - spot[0], pixels.q[i, 1] - spot[1], pixels.q[i, 2] - spot[2]
                        square = ex * ex + ey * ey + ez * ez
                        if square > spot[8] or ground[i] <= 0.0 or not belongs(lattice, rotations[d], spot, ex, ey, ez):
                            continue
                        ux, uy, uz = spot[0] / modulus, spot[1] / modulus, spot[2] / modulus
                        along = ex * ux + ey * uy + ez * uz
                        across = square - along * along
                        signal = scale * height * spot[7] * np.exp(-0.5 * (along * along / radial + across / tangential)) * pixels.polar[i]
                        expected = ground[i] + signal
                        pull, weight = (counts[i] / expected - 1.0) * signal, signal * signal / expected
                        turn = excess * along
                        inward, straight = turn * (1.0 + along / modulus), 1.0 / tangential - turn / modulus
                        base[0], base[1], base[2] = ex * straight + ux * inward, ey * straight + uy * inward, ez * straight + uz * inward
                        base[3] = 1.0
                        by_tangential = 0.5 * across / (tangential * tangential) - 1.0 / tangential
                        by_radial = 0.5 * (along * along / radial - 1.0) / radial
                        base[4] = by_tangential + by_radial
                        base[5] = square_g * by_tangential
                        base[6] = square_g * by_radial
                        kx, ky, kz = (
                            pixels.q[i, 0] + pixels.frame[2, 0],
                            pixels.q[i, 1] + pixels.frame[2, 1],
                            pixels.q[i, 2] + pixels.frame[2, 2],
                        )
                        tx = -(ex / tangential + turn * ux)
                        ty = -(ey / tangential + turn * uy)
                        tz = -(ez / tangential + turn * uz)
                        inner = (tx * kx + ty * ky + tz * kz) / wave
                        nearness = abs(kz) / wave
                        base[7] = (wave * tx - inner * kx) * nearness
                        base[8] = (wave * ty - inner * ky) * nearness
                        base[9] = (wave * tz - inner * kz) * kz / wave
                        for m in range(BASE):
                            vector[m] += pull * base[m]
                            for n in range(m, BASE):
                                matrix[m, n] += weight * base[m] * base[n]
                gx, gy, gz = spot[0], spot[1], spot[2]
                chain[0, 1], chain[0, 2] = -gz, gy
                chain[1, 0], chain[1, 2] = gz, -gx
                chain[2, 0], chain[2, 1] = -gy, gx
                chain[LOG_PHI, 3] = 1.0
                chain[LOG_VARIANCE, 4] = spot[6]
                for axis in range(3):
                    h = lattice.hkl[j, axis]
                    for lab in range(3):
                        chain[STRAIN + axis, lab] = h * (
                            rotations[d, 0, lab] * lattice.basis[0, axis]
                            + rotations[d, 1, lab] * lattice.basis[1, axis]
                            + rotations[d, 2, lab] * lattice.basis[2, axis]
                        )
                for m in range(COMMON):
                    chain[STATE + m, 4 + m] = 1.0
                chain[STATE, 4] = np.exp(states[d, LOG_VARIANCE])
                for i in range(size):
                    for b in range(BASE):
                        total = 0.0
                        for c in range(BASE):
                            total += chain[i, c] * (matrix[b, c] if b < c else matrix[c, b])
                        sums[d, i, size] += chain[i, b] * vector[b]
                        for k in range(size):
                            sums[d, i, k] += total * chain[k, b]

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
    _kernel()(pixels, lattice, heights, variances, lattice.count(limit), photons, background, rotations, states, wanted, sums)
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
