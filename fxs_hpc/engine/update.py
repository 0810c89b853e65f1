"""The compiled end of a phasing step: back to the grid, real-space constraints, ER / HIO / RAAR update, and its error."""


from functools import cache
from typing import Any

import numba

from fxs_hpc.engine.azimuth import INSIDE_INITIAL_SUPPORT, INSIDE_SUPPORT, REVISION, U, lane_count, load_pair
from fxs_hpc.engine.fft import COMPILE, INLINE, LANES, fft, result_tile


@numba.njit(**INLINE)
def _real_update(old, value, bits, lower, upper, beta, by_support, by_value, raar):  # type: ignore[no-untyped-def]
    """One voxel of a real density: new value, value - P value. bits: the mask as a number."""
    zero = value - value
    counted = bits >= INSIDE_INITIAL_SUPPORT
    inside = (bits == INSIDE_SUPPORT) or (bits == INSIDE_SUPPORT + INSIDE_INITIAL_SUPPORT)
    kept = value if inside else zero
    projected = min(max(kept, lower), upper)
    missed = value - projected
    error, weight = (missed if counted else zero), (value if counted else zero)
    if raar:
        reflected = 2 * value - old if inside else zero
        return beta * (min(max(reflected, lower), upper) + old) + (1 - 2 * beta) * value, error, weight
    feedback = (by_support and not inside) or (by_value and projected != kept)
    return (old - beta * missed if feedback else projected), error, weight


@cache
def real_update(length: int, raar: bool) -> Any:
    """Kernel for a real density.

    Kernel(change, old, new, mask, carry, bounds, beta, by_support, by_value, theta_weights, sums, work) with
    change[1, 2, theta, m, 2, r] spectra added to carry[r] * old to give the density rho' after the Fourier constraint;
    mask (bits `INSIDE_SUPPORT`, `INSIDE_INITIAL_SUPPORT`); bounds (lower, upper); new = P rho' or, where one of the
    counted constraints changed the value, old - beta (rho' - P rho') (HIO; ER counts none). With `raar` new =
    beta (P(2 rho' - old) + old) + (1 - 2 beta) rho'. sums[0], sums[1] (r) receive the angular integrals over the initial support of
    |rho' - P rho'|^2 and |rho'|^2.
    """
    tile, revision = length * LANES, REVISION
    odd = result_tile(length) * tile
    even = odd + tile
    missed, total, scale, old_n, old_s, bits_n, bits_s = (U(6 * tile + row * LANES) for row in range(7))

    @numba.njit(cache=True, **COMPILE)
    def kernel(change, old, new, mask, carry, bounds, beta, by_support, by_value, theta_weights, sums, work):  # type: ignore[no-untyped-def]
        assert revision >= 0
        lanes = lane_count(work, length)
        lower, upper = bounds[0], bounds[1]
        sums[:] = 0
        for j in range(change.shape[2]):
            for r0 in range(0, change.shape[5], LANES):
                load_pair(change[0, 0, j], change[0, 1, j], r0, length, lanes, work)
                fft(work, length)
                for t in range(lanes):
                    work[scale + t] = carry[U(r0) + t]
                    work[missed + t] = 0
                    work[total + t] = 0
                for k in range(length):
                    e, o = U(even + k * LANES), U(odd + k * LANES)
                    for t in range(lanes):
                        work[old_n + t] = old[0, 0, j, k, U(r0) + t]
                        work[old_s + t] = old[0, 1, j, k, U(r0) + t]
                    for t in range(lanes):
                        work[bits_n + t] = mask[0, j, k, U(r0) + t]
                        work[bits_s + t] = mask[1, j, k, U(r0) + t]
                    for t in range(lanes):
                        n, s = work[old_n + t], work[old_s + t]
                        value_n = work[scale + t] * n + work[e + t] + work[o + t]
                        value_s = work[scale + t] * s + work[e + t] - work[o + t]
                        next_n, miss_n, count_n = _real_update(
                            n, value_n, work[bits_n + t], lower, upper, beta, by_support, by_value, raar
                        )
                        next_s, miss_s, count_s = _real_update(
                            s, value_s, work[bits_s + t], lower, upper, beta, by_support, by_value, raar
                        )
                        work[old_n + t], work[old_s + t] = next_n, next_s
                        work[missed + t] += miss_n * miss_n + miss_s * miss_s
                        work[total + t] += count_n * count_n + count_s * count_s
                    for t in range(lanes):
                        new[0, 0, j, k, U(r0) + t] = work[old_n + t]
                    for t in range(lanes):
                        new[0, 1, j, k, U(r0) + t] = work[old_s + t]
                for t in range(LANES):
                    sums[0, r0 + t] += theta_weights[j] * work[missed + t]
                    sums[1, r0 + t] += theta_weights[j] * work[total + t]

    return kernel


@numba.njit(**INLINE)
def _complex_projection(re, im, inside, bounds):  # type: ignore[no-untyped-def]
    zero = re - re
    kept_re, kept_im = (re if inside else zero), (im if inside else zero)
    return min(max(kept_re, bounds[0]), bounds[1]), (kept_im if abs(kept_im) < bounds[2] else zero), kept_re, kept_im


@numba.njit(**INLINE)
def _complex_update(old_re, old_im, re, im, bits, bounds, beta, counted, raar):  # type: ignore[no-untyped-def]
    """One voxel of a complex density: new real and imaginary part, |value - P value|^2."""
    inside = (bits & INSIDE_SUPPORT) != 0
    p_re, p_im, kept_re, kept_im = _complex_projection(re, im, inside, bounds)
    miss_re, miss_im = re - p_re, im - p_im
    missed = miss_re * miss_re + miss_im * miss_im
    if raar:
        q_re, q_im, _, _ = _complex_projection(2 * re - old_re, 2 * im - old_im, inside, bounds)
        rest = 1 - 2 * beta
        return beta * (q_re + old_re) + rest * re, beta * (q_im + old_im) + rest * im, missed
    feedback = (counted[0] and not inside) or (counted[1] and p_re != kept_re) or (counted[2] and p_im != kept_im)
    new_re, new_im = (old_re - beta * miss_re, old_im - beta * miss_im) if feedback else (p_re, p_im)
    return new_re, new_im, missed


@cache
def complex_update(length: int, raar: bool) -> Any:
    """Kernel for a complex density, as `real_update` with components 0 (real part) and 1 (imaginary part).

    bounds (lower, upper, largest_imag): an imaginary part of at least largest_imag is set to 0. counted: flags of
    (support, value, imaginary part) in place of by_support, by_value.
    """
    tile, revision = length * LANES, REVISION
    odd = result_tile(length) * tile
    even, even_re, odd_re = odd + tile, 4 * tile, 5 * tile

    @numba.njit(cache=True, **COMPILE)
    def kernel(change, old, new, mask, carry, bounds, beta, counted, theta_weights, sums, work):  # type: ignore[no-untyped-def]
        assert revision >= 0
        lanes = lane_count(work, length)
        sums[:] = 0
        for j in range(change.shape[2]):
            for r0 in range(0, change.shape[5], LANES):
                load_pair(change[0, 0, j], change[0, 1, j], r0, length, lanes, work)
                fft(work, length)
                for i in range(tile):
                    work[even_re + i], work[odd_re + i] = work[even + i], work[odd + i]
                load_pair(change[1, 0, j], change[1, 1, j], r0, length, lanes, work)
                fft(work, length)
                for k in range(length):
                    for t in range(LANES):
                        r, i = r0 + t, k * LANES + t
                        for h in range(2):
                            sign = 1 - 2 * h
                            o_re, o_im, bits = old[0, h, j, k, r], old[1, h, j, k, r], mask[h, j, k, r]
                            re = carry[r] * o_re + work[even_re + i] + sign * work[odd_re + i]
                            im = carry[r] * o_im + work[even + i] + sign * work[odd + i]
                            n_re, n_im, miss = _complex_update(o_re, o_im, re, im, bits, bounds, beta, counted, raar)
                            new[0, h, j, k, r], new[1, h, j, k, r] = n_re, n_im
                            if bits & INSIDE_INITIAL_SUPPORT:
                                sums[0, r] += theta_weights[j] * miss
                                sums[1, r] += theta_weights[j] * (re * re + im * im)

    return kernel
