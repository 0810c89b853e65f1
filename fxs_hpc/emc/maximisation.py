"""Maximise: the tomogram values that explain the photons best, one number for each rotation and pixel.

Given the probabilities P, what a rotation's pixel should be is the W that minimises, over the frames d that have the rotation,

    sum_d  C_d (B_d + W) - A_d log(B_d + W),    A = P K,  B = b / phi,  C = P phi p

under W >= -min B, where a rate would vanish. The root of sum A / (B + W) = sum C is found by Newton's method on the reciprocal
of the left side: that is concave, so a start below the root climbs to it without overshooting, and it is linear where all B are equal,
which makes the frequent case of one frame exact at once. No logarithm, no bracket.

Without any photon W is the bound -min B: negative values are noise like others, and leaving them in keeps sums over voxels unbiased.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece
from fxs_hpc.emc.likelihood import LEAST

STEPS = 60
PRECISION = 1e-11


class Observations(NamedTuple):
    """What the frames saw at the pixels of the rotations they are assigned to: pairs (rotation, frame) sorted by rotation, then frame.

    rotation i4[m]: number in the table of rotations; frame i8[m]; probability f8[m]; phi f8[m], above zero; background i8[m]: row of
    `backgrounds` f8[k, bins + 1]; first i8[m]: counts of pair j begin at counts[first[j]] (i2), in the order of the rotation's pixels.
    """

    rotation: NDArray[np.int32]
    frame: NDArray[np.int64]
    probability: NDArray[np.float64]
    phi: NDArray[np.float64]
    background: NDArray[np.int64]
    first: NDArray[np.int64]
    counts: NDArray[np.int16]
    backgrounds: NDArray[np.float64]


@piece
def _start(A, B, count, low, bound, total_A, total_AB, total_C):  # type: ignore[no-untyped-def]
    """A value at or below the root that lies above every pole."""
    start = bound
    for i in range(count):
        if A[i] > 0 and B[i] == -low:
            start = max(start, low + A[i] / total_C)
    return max(start, total_A / total_C - total_AB / total_A)


@piece
def best(A, B, count, total_C):  # type: ignore[no-untyped-def]
    """The minimising W of `count` frames with A, B f8[count] and the sum of C."""
    total_A, total_AB, low, bound = 0.0, 0.0, -np.inf, -np.inf
    for i in range(count):
        total_A += A[i]
        total_AB += A[i] * B[i]
        bound = max(bound, -B[i])
        if A[i] > 0:
            low = max(low, -B[i])
    if total_A <= 0:
        return bound
    if count == 1:
        return total_A / total_C - B[0]
    w = _start(A, B, count, low, bound, total_A, total_AB, total_C)
    for _ in range(STEPS):
        g, h = 0.0, 0.0
        for i in range(count):
            # A frame without photons may set the bound: its rate vanishes there, and so does its part.
            part = A[i] / (B[i] + w) if A[i] > 0 else 0.0
            g += part
            h += part / (B[i] + w) if A[i] > 0 else 0.0
        step = (g / h) * (g / total_C - 1)
        if step < 0 and w <= bound:
            return bound
        new = max(w + step, bound, low + (w - low) * 1e-3)
        done = abs(new - w) <= PRECISION * (w - low)
        w = new
        if done:
            break
    return w


@piece
def gathered(observed, low, high, t, bin_, polar, A, B, C, which):  # type: ignore[no-untyped-def]
    """A, B, C of the live frames among pairs low .. high at pixel number t of their rotation; returns how many, and the sum of C."""
    count, total = 0, 0.0
    for j in range(low, high):
        K = observed.counts[observed.first[j] + t]
        b = observed.backgrounds[observed.background[j], bin_]
        if K >= 0 and b > LEAST:
            A[count] = observed.probability[j] * K
            B[count] = b / observed.phi[j]
            C[count] = observed.probability[j] * observed.phi[j] * polar
            which[count] = j
            total += C[count]
            count += 1
    return count, total


@kernel
def best_tomogram_value(A, B, C):  # type: ignore[no-untyped-def]
    """The W that minimises sum C (B + W) - A log(B + W) under W >= -min B, for float64[n] arrays."""
    return best(A, B, len(A), C.sum())
