"""Log likelihood of one frame against "background only", with its gradient and Fisher information.

    L = sum_i [ K_i log(1 + phi W_i / b_i) - phi W_i p_i ]          (live pixels near a peak; elsewhere W = 0)

With f = d ln W / d g, the gradient in the position g of a lattice point, everything a frame may change follows by the chain rule:
a rotation w moves g by w x g, a longer a* by h a*, and so on. So only f, 1 and d ln W / d ln s^2 are summed over pixels, and turned into
the frame's own unknowns once for each reflection.
"""

import numpy as np

from fxs_hpc.emc.compiled import piece
from fxs_hpc.emc.refinement.spots import LOG_PHI, LOG_VARIANCE, STATE, STRAIN, belongs, box, place_spot, run, stands_alone

FILE = __file__
BASE = 5
"""Sums over pixels: f (3), 1, d ln W / d ln s^2."""


@piece
def add_pixels(pixels, lattice, counts, ground, rotation, spot, scale, height, vector, matrix):  # type: ignore[no-untyped-def]
    """Likelihood of one spot's pixels; adds to the sums over pixels `vector` [5] and `matrix` [5, 5] (upper part)."""
    gain = 0.0
    tangential, radial, own, amplitude = spot[4], spot[5], spot[6], spot[7] * height * scale
    modulus = max(spot[3], 1e-12)
    ux, uy, uz = spot[0] / modulus, spot[1] / modulus, spot[2] / modulus
    over_t, over_q = 1.0 / tangential, 1.0 / radial
    excess = over_q - over_t
    alone = stands_alone(lattice, spot)
    row0, row1, column0, column1 = box(pixels, spot)
    for row in range(row0, row1):
        first, stop = run(pixels, row, column0, column1)
        for i in range(first, stop):
            ex, ey, ez = pixels.q[i, 0] - spot[0], pixels.q[i, 1] - spot[1], pixels.q[i, 2] - spot[2]
            square = ex * ex + ey * ey + ez * ez
            base = np.float64(ground[i])
            if square > spot[8] or base <= 0.0 or not (alone or belongs(lattice, rotation, ex, ey, ez)):
                continue
            along = ex * ux + ey * uy + ez * uz
            across = square - along * along
            signal = amplitude * np.exp(-0.5 * (along * along * over_q + across * over_t)) * pixels.polar[i]
            expected = base + signal
            gain -= signal
            pull = -signal
            if counts[i] > 0:
                gain += counts[i] * np.log(expected / base)
                pull += counts[i] * signal / expected
            weight = signal * signal / expected
            turn = excess * along
            inward = turn * (1.0 + along / modulus)
            straight = over_t - turn / modulus
            fx, fy, fz = ex * straight + ux * inward, ey * straight + uy * inward, ez * straight + uz * inward
            wide = own * (0.5 * (across * over_t * over_t + along * along * over_q * over_q) - over_t - 0.5 * over_q)
            vector[0] += pull * fx
            vector[1] += pull * fy
            vector[2] += pull * fz
            vector[3] += pull
            vector[4] += pull * wide
            wx, wy, wz = weight * fx, weight * fy, weight * fz
            matrix[0, 0] += wx * fx
            matrix[0, 1] += wx * fy
            matrix[0, 2] += wx * fz
            matrix[0, 3] += wx
            matrix[0, 4] += wx * wide
            matrix[1, 1] += wy * fy
            matrix[1, 2] += wy * fz
            matrix[1, 3] += wy
            matrix[1, 4] += wy * wide
            matrix[2, 2] += wz * fz
            matrix[2, 3] += wz
            matrix[2, 4] += wz * wide
            matrix[3, 3] += weight
            matrix[3, 4] += weight * wide
            matrix[4, 4] += weight * wide * wide
    return gain


@piece
def unknowns(lattice, rotation, spot, j, free, chain):  # type: ignore[no-untyped-def]
    """chain[8, 5]: how the sums over the pixels of reflection j enter the frame's unknowns. Other entries than those set stay zero."""
    gx, gy, gz = spot[0], spot[1], spot[2]
    # (w x g) . f = w . (g x f)
    chain[0, 1], chain[0, 2] = -gz, gy
    chain[1, 0], chain[1, 2] = gz, -gx
    chain[2, 0], chain[2, 1] = -gy, gx
    chain[LOG_PHI, 3] = 1.0
    chain[LOG_VARIANCE, 4] = 1.0
    if free[STRAIN]:
        for axis in range(3):
            h = lattice.hkl[j, axis]
            x, y, z = h * lattice.basis[0, axis], h * lattice.basis[1, axis], h * lattice.basis[2, axis]
            for lab in range(3):
                chain[STRAIN + axis, lab] = rotation[0, lab] * x + rotation[1, lab] * y + rotation[2, lab] * z


@piece
def fold(chain, free, vector, matrix, gradient, information):  # type: ignore[no-untyped-def]
    """Add chain vector to `gradient` [8] and chain matrix chain^T to `information` [8, 8] where free; clear the sums."""
    size = len(vector)
    for a in range(size):
        for b in range(a):
            matrix[a, b] = matrix[b, a]
    for i in range(len(gradient)):
        if not free[i]:
            continue
        c0, c1, c2, c3, c4 = chain[i, 0], chain[i, 1], chain[i, 2], chain[i, 3], chain[i, 4]
        gradient[i] += c0 * vector[0] + c1 * vector[1] + c2 * vector[2] + c3 * vector[3] + c4 * vector[4]
        m0 = c0 * matrix[0, 0] + c1 * matrix[1, 0] + c2 * matrix[2, 0] + c3 * matrix[3, 0] + c4 * matrix[4, 0]
        m1 = c0 * matrix[0, 1] + c1 * matrix[1, 1] + c2 * matrix[2, 1] + c3 * matrix[3, 1] + c4 * matrix[4, 1]
        m2 = c0 * matrix[0, 2] + c1 * matrix[1, 2] + c2 * matrix[2, 2] + c3 * matrix[3, 2] + c4 * matrix[4, 2]
        m3 = c0 * matrix[0, 3] + c1 * matrix[1, 3] + c2 * matrix[2, 3] + c3 * matrix[3, 3] + c4 * matrix[4, 3]
        m4 = c0 * matrix[0, 4] + c1 * matrix[1, 4] + c2 * matrix[2, 4] + c3 * matrix[3, 4] + c4 * matrix[4, 4]
        for k in range(i, len(gradient)):
            if free[k]:
                information[i, k] += m0 * chain[k, 0] + m1 * chain[k, 1] + m2 * chain[k, 2] + m3 * chain[k, 3] + m4 * chain[k, 4]
    clear(vector, matrix)


@piece
def clear(vector, matrix):  # type: ignore[no-untyped-def]
    """Set both to zero."""
    for a in range(len(vector)):
        vector[a] = 0.0
        for b in range(len(vector)):
            matrix[a, b] = 0.0


@piece
def evaluate(pixels, lattice, heights, variances, blur2, counts, ground, rotation, state, free, prior, active, count, work):  # type: ignore[no-untyped-def]
    """Log likelihood (with the prior of strain and width); gradient and information are left in `work`.

    work[0] gradient [8], work[1] information [8, 8] (upper part), work[2] spot [13], work[3] vector [5], work[4] matrix [5, 5],
    work[5] chain [8, 5].
    """
    gradient, information, spot, vector, matrix, chain = work
    clear(gradient, information)
    clear(vector, matrix)
    total = 0.0
    scale = np.exp(state[LOG_PHI])
    for entry in range(count):
        j = active[entry]
        height = heights[lattice.unique[j]]
        if height <= 0.0 or not place_spot(pixels.frame, lattice, rotation, state, variances, blur2, j, spot):
            continue
        total += add_pixels(pixels, lattice, counts, ground, rotation, spot, scale, height, vector, matrix)
        if matrix[3, 3] > 0.0:
            unknowns(lattice, rotation, spot, j, free, chain)
            fold(chain, free, vector, matrix, gradient, information)
    for i in range(STRAIN, STATE):
        if free[i]:
            total -= 0.5 * state[i] * state[i] * prior[i]
            gradient[i] -= state[i] * prior[i]
            information[i, i] += prior[i]
    return total
