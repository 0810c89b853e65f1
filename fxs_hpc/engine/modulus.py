"""The compiled modulus constraint: amplitudes get the intensity that the data ask for, and go back to azimuthal spectra."""

from functools import cache
from typing import Any

import numba
import numpy as np

from fxs_hpc.engine.azimuth import LARGEST_GAIN, REVISION, U, lane_count, load_pair, store_pair
from fxs_hpc.engine.fft import COMPILE, INLINE, LANES, fft, result_tile


@numba.njit(**INLINE)
def _gain(found, change, keep, carry, bound):  # type: ignore[no-untyped-def]
    """sqrt(I'/I) - carry with I' = max(0, keep I + change)."""
    goal = keep * found + change
    zero = goal - goal
    quotient = min(goal / found, bound) if found > zero and goal > zero else zero
    return np.sqrt(quotient) - carry


@numba.njit(**INLINE)
def _keep_change(work, length, result, u, v):  # type: ignore[no-untyped-def]
    """Result of the FFT of two sequences -> tiles u (the first) and v."""
    tile = length * LANES
    for i in range(U(tile)):
        work[U(v) + i] = work[U(result) + i]
        work[U(u) + i] = work[U(result + tile) + i]


def modulus(length: int, complex_density: bool) -> Any:
    """Kernel(change, amplitude, keep, carry, spectrum, work): the modulus constraint.

    I' = max(0, keep[q] I + change) with `change` the spectra of the intensity's change; spectrum receives those of
    (sqrt(I'/I) - carry) F. carry = 1 gives the change of the amplitude, carry = 0 the projected amplitude itself.
    """
    return _complex_modulus(length) if complex_density else _real_modulus(length)


@cache
def _real_modulus(length: int) -> Any:
    """`modulus` of a real density: the intensity is even, and two rows of it go through one FFT."""
    tile, revision = length * LANES, REVISION
    result = result_tile(length) * tile
    u, v, kept = 4 * tile, 5 * tile, U(6 * tile)
    bound_ = LARGEST_GAIN**2

    @numba.njit(cache=True, **COMPILE)
    def kernel(change, amplitude, keep, carry_, spectrum, work):  # type: ignore[no-untyped-def]
        assert revision >= 0
        lanes = lane_count(work, length)
        real = amplitude.dtype.type
        carry, bound = real(carry_), real(bound_)
        for j in range(0, amplitude.shape[2], 2):
            for r0 in range(0, spectrum.shape[5], LANES):
                load_pair(change[0, j], change[0, j + 1], r0, length, lanes, work)
                fft(work, length)
                _keep_change(work, length, result, u, v)
                for t in range(lanes):
                    work[kept + t] = keep[U(r0) + t]
                for line in range(2):
                    even, odd, delta = amplitude[0, 0, j + line], amplitude[0, 1, j + line], v if line else u
                    for k in range(length):
                        re, im = U(k * LANES), U(tile + k * LANES)
                        for t in range(lanes):
                            work[re + t], work[im + t] = even[k, U(r0) + t], odd[k, U(r0) + t]
                    for k in range(length):
                        re, im, d = U(k * LANES), U(tile + k * LANES), U(delta + k * LANES)
                        for t in range(lanes):
                            a, b = work[re + t], work[im + t]
                            factor = _gain(a * a + b * b, work[d + t], work[kept + t], carry, bound)
                            work[re + t], work[im + t] = factor * a, factor * b
                    fft(work, length)
                    store_pair(work, result, r0, length, lanes, spectrum[0, 0, j + line], spectrum[0, 1, j + line])

    return kernel


@cache
def _complex_modulus(length: int) -> Any:
    """`modulus` of a complex density: even and odd part of the intensity in one FFT, both components from the same amplitude."""
    tile, revision = length * LANES, REVISION
    result = result_tile(length) * tile
    u, v = 4 * tile, 5 * tile
    bound_ = LARGEST_GAIN**2

    @numba.njit(cache=True, **COMPILE)
    def kernel(change, amplitude, keep, carry_, spectrum, work):  # type: ignore[no-untyped-def]
        assert revision >= 0
        lanes = lane_count(work, length)
        real = amplitude.dtype.type
        carry, bound, half = real(carry_), real(bound_), real(0.5)
        for j in range(amplitude.shape[2]):
            for r0 in range(0, spectrum.shape[5], LANES):
                load_pair(change[0, j], change[1, j], r0, length, lanes, work)
                fft(work, length)
                _keep_change(work, length, result, u, v)
                a1, b1, a2, b2 = amplitude[0, 0, j], amplitude[0, 1, j], amplitude[1, 0, j], amplitude[1, 1, j]
                for component in range(2):
                    for k in range(length):
                        re, im, d, e = U(k * LANES), U(tile + k * LANES), U(u + k * LANES), U(v + k * LANES)
                        for t in range(lanes):
                            r = U(r0) + t
                            re_n, im_n = a1[k, r] - b2[k, r], b1[k, r] + a2[k, r]
                            re_s, im_s = a1[k, r] + b2[k, r], a2[k, r] - b1[k, r]
                            f_n = half * _gain(re_n * re_n + im_n * im_n, work[d + t] + work[e + t], keep[r], carry, bound)
                            f_s = half * _gain(re_s * re_s + im_s * im_s, work[d + t] - work[e + t], keep[r], carry, bound)
                            if component == 0:
                                work[re + t], work[im + t] = f_n * re_n + f_s * re_s, f_n * im_n - f_s * im_s
                            else:
                                work[re + t], work[im + t] = f_n * im_n + f_s * im_s, f_s * re_s - f_n * re_n
                    fft(work, length)
                    store_pair(work, result, r0, length, lanes, spectrum[component, 0, j], spectrum[component, 1, j])

    return kernel
