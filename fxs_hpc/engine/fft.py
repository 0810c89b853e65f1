"""Complex FFT along phi for a block of neighbouring radial shells at a time, compiled for one length.

The fields of the phasing loop are stored with the radius fastest. A transform along phi is then the same small FFT repeated for every
shell, so the innermost loop runs over `LANES` shells with unit stride and becomes vector instructions. Stockham's self-sorting
algorithm (radix 4, 2, 3, 5, and any other prime by direct sums) needs no bit reversal.

Everything happens in one flat work array of tiles (length * LANES numbers each): X at offset 0 (real) and 1 (imaginary), Y at 2 and 3.
With the length a compile-time constant all distances in it are constants too; only then can the compiler prove that the rows a stage
writes do not overlap, and use vector instructions. `fft` is therefore an overload on a literal integer, to be called from a compiled
function that holds the length as a closure constant.
"""

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

LANES = 16
"""Shells transformed together: long enough for vector loops, short enough that the scratch of one transform stays in cache."""

COMPILE: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy", "nogil": True}
"""Options of every compiled kernel; infinities keep their meaning (bounds of the density may be infinite)."""

INLINE: dict[str, Any] = {**COMPILE, "forceinline": True}
"""Options of the pieces of a kernel. All of them are inlined, not only for speed: a piece that stays a function of its own is compiled
twice, and the process that compiles a kernel then runs another copy of it, with other rounding, than those that load it from disk."""

REVISION = zlib.crc32(Path(__file__).read_bytes())
"""Kernels that use `fft` close over this number, so that compiled code kept on disk is not used after a change of this file."""

Stage = Callable[..., Any]


def factors(length: int) -> list[int]:
    """Radices of the stages of an FFT of `length` points, 4 before 2 before 3, 5 and further primes."""
    radices = []
    for radix in (4, 2, 3, 5):
        while length % radix == 0:
            radices.append(radix)
            length //= radix
    prime = 7
    while length > 1:
        while length % prime == 0:
            radices.append(prime)
            length //= prime
        prime += 2
    return radices


def result_tile(length: int) -> int:
    """Tile in which `fft` leaves the real part of its result (the imaginary part follows): X (0) or Y (2)."""
    return 2 * (len(factors(length)) % 2)


def _twiddles(size: int, radix: int, real: Any) -> tuple[np.ndarray, np.ndarray]:
    angles = -2j * np.pi * np.outer(np.arange(radix), np.arange(size // radix)) / size
    return np.exp(angles).real.astype(real), np.exp(angles).imag.astype(real)


def _radix2(size: int, stride: int, real: Any, x: int, y: int, tile: int) -> Stage:
    count, row = size // 2, stride * LANES
    twr, twi = _twiddles(size, 2, real)

    @numba.njit(**INLINE)
    def stage(work):  # type: ignore[no-untyped-def]
        for p in range(count):
            w1r, w1i = twr[1, p], twi[1, p]
            for t in range(row):
                i, o = x + p * row + t, y + 2 * p * row + t
                ar, ai = work[i], work[tile + i]
                br, bi = work[i + count * row], work[tile + i + count * row]
                work[o], work[tile + o] = ar + br, ai + bi
                dr, di = ar - br, ai - bi
                work[o + row], work[tile + o + row] = w1r * dr - w1i * di, w1r * di + w1i * dr

    return stage


def _radix3(size: int, stride: int, real: Any, x: int, y: int, tile: int) -> Stage:
    count, row = size // 3, stride * LANES
    twr, twi = _twiddles(size, 3, real)
    sine, half = real(math.sqrt(3) / 2), real(0.5)

    @numba.njit(**INLINE)
    def stage(work):  # type: ignore[no-untyped-def]
        for p in range(count):
            w1r, w1i, w2r, w2i = twr[1, p], twi[1, p], twr[2, p], twi[2, p]
            for t in range(row):
                i, o = x + p * row + t, y + 3 * p * row + t
                ar, ai = work[i], work[tile + i]
                br, bi = work[i + count * row], work[tile + i + count * row]
                cr, ci = work[i + 2 * count * row], work[tile + i + 2 * count * row]
                sr, si = br + cr, bi + ci
                dr, di = (br - cr) * sine, (bi - ci) * sine
                er, ei = ar - half * sr, ai - half * si
                work[o], work[tile + o] = ar + sr, ai + si
                ur, ui = er + di, ei - dr
                work[o + row], work[tile + o + row] = w1r * ur - w1i * ui, w1r * ui + w1i * ur
                vr, vi = er - di, ei + dr
                work[o + 2 * row], work[tile + o + 2 * row] = w2r * vr - w2i * vi, w2r * vi + w2i * vr

    return stage


def _radix4(size: int, stride: int, real: Any, x: int, y: int, tile: int) -> Stage:
    count, row = size // 4, stride * LANES
    twr, twi = _twiddles(size, 4, real)

    @numba.njit(**INLINE)
    def stage(work):  # type: ignore[no-untyped-def]
        for p in range(count):
            w1r, w1i, w2r, w2i, w3r, w3i = twr[1, p], twi[1, p], twr[2, p], twi[2, p], twr[3, p], twi[3, p]
            for t in range(row):
                i, o = x + p * row + t, y + 4 * p * row + t
                ar, ai = work[i], work[tile + i]
                br, bi = work[i + count * row], work[tile + i + count * row]
                cr, ci = work[i + 2 * count * row], work[tile + i + 2 * count * row]
                dr, di = work[i + 3 * count * row], work[tile + i + 3 * count * row]
                sr, si, tr, ti = ar + cr, ai + ci, ar - cr, ai - ci
                ur, ui, vr, vi = br + dr, bi + di, br - dr, bi - di
                work[o], work[tile + o] = sr + ur, si + ui
                er, ei = tr + vi, ti - vr
                work[o + row], work[tile + o + row] = w1r * er - w1i * ei, w1r * ei + w1i * er
                fr, fi = sr - ur, si - ui
                work[o + 2 * row], work[tile + o + 2 * row] = w2r * fr - w2i * fi, w2r * fi + w2i * fr
                gr, gi = tr - vi, ti + vr
                work[o + 3 * row], work[tile + o + 3 * row] = w3r * gr - w3i * gi, w3r * gi + w3i * gr

    return stage


def _radix_any(size: int, stride: int, real: Any, x: int, y: int, tile: int, radix: int) -> Stage:
    count, row = size // radix, stride * LANES
    order = np.arange(radix)
    roots = np.exp(-2j * np.pi * np.outer(order, order) / radix)
    twiddles = np.exp(-2j * np.pi * np.outer(order, np.arange(count)) / size)
    weights = roots[:, :, None] * twiddles[:, None, :]
    wr, wi = weights.real.astype(real), weights.imag.astype(real)

    @numba.njit(**INLINE)
    def stage(work):  # type: ignore[no-untyped-def]
        for p in range(count):
            for k in range(radix):
                o = y + (radix * p + k) * row
                for t in range(row):
                    work[o + t], work[tile + o + t] = 0, 0
                for j in range(radix):
                    i, cr, ci = x + (p + j * count) * row, wr[k, j, p], wi[k, j, p]
                    for t in range(row):
                        work[o + t] += cr * work[i + t] - ci * work[tile + i + t]
                        work[tile + o + t] += cr * work[tile + i + t] + ci * work[i + t]

    return stage


def _stages(length: int, real: Any) -> list[Stage]:
    builders = {2: _radix2, 3: _radix3, 4: _radix4}
    stages, size, stride, tile = [], length, 1, length * LANES
    x, y = 0, 2 * tile
    for radix in factors(length):
        build = builders.get(radix)
        place = (size, stride, real, x, y, tile)
        stages.append(build(*place) if build else _radix_any(*place, radix))
        size, stride, x, y = size // radix, stride * radix, y, x
    return stages


def _chain(stages: list[Stage]) -> Stage:
    first = stages[0]
    if len(stages) == 1:
        return first
    rest = _chain(stages[1:])

    @numba.njit(**INLINE)
    def run(work):  # type: ignore[no-untyped-def]
        first(work)
        rest(work)

    return run


def fft(work: Any, length: int) -> None:
    """Forward transform of the `LANES` complex sequences in tile X of a flat work array; callable from compiled code only.

    X and Y are overwritten; `result_tile` says where the result is. With real and imaginary part exchanged, before and after, it is
    the (unnormalised) inverse transform.
    """
    raise TypeError("fft is compiled for a literal length: call it from a compiled function")


@overload(fft, jit_options=INLINE, prefer_literal=True)  # type: ignore[arg-type]  # a TypedDict that numba keeps to itself
def _fft(work, length):  # type: ignore[no-untyped-def]  # numba wants the same signature on both functions
    if not isinstance(length, types.IntegerLiteral):
        return None
    run = _chain(_stages(length.literal_value, np.float32 if work.dtype == types.float32 else np.float64))

    def implementation(work, length):  # type: ignore[no-untyped-def]
        run(work)

    return implementation
