"""Compiled stages of the phasing step on the grid, each fused with the Fourier transforms along phi around it.

Layout. A real field f on the sphere is kept on the northern half only, split by inversion parity: f = e + o at (theta, phi) and
f = e - o at the antipode. A real density has a Fourier transform A + iB with A even and B odd; a complex density is two such real
components. With half = n_theta / 2 and r the radial shell (padded to a multiple of `LANES`), fastest:

- grid fields:          density[component, hemisphere, theta, phi, r] (values at the point and at its antipode),
                        amplitude[component, parity, theta, phi, q];
- azimuthal spectra:    spectrum[component, parity, theta, m, 2, r], f_m = sum_phi f exp(-i m phi) as real and imaginary part,
                        m = 0..m_max; not normalised (the Legendre matrices carry the weights).

Two real sequences go through one complex FFT: the even and the odd part of a field, or two rows of the (even) intensity.

All scratch is one flat array `work` of tiles (see `engine.fft`): 0-3 the FFT, 4 and 5 two more, from 6 on single rows. Loops are cut
so that each writes only at constant distances in `work`, or to one other array: otherwise they do not become vector instructions.
"""

import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np

from fxs_hpc.engine import fft as azimuthal_fft
from fxs_hpc.engine.fft import COMPILE, INLINE, LANES, fft, result_tile

INSIDE_SUPPORT = 1
INSIDE_INITIAL_SUPPORT = 2

LARGEST_GAIN = 1e4
"""Bound of sqrt(I'/I): where I is rounding noise the ratio means nothing."""

U = np.uint64
"""Type of the innermost indices: a signed index costs a test for negative values, which keeps loops scalar."""

REVISION = zlib.crc32(Path(__file__).read_bytes()) ^ azimuthal_fft.REVISION
"""As in `engine.fft`, for kernels that use the helpers of this file."""


def work_size(length: int) -> int:
    """Numbers in the work array of kernels for `length` azimuths."""
    return (6 * length + 16) * LANES


@numba.njit(**INLINE)
def lane_count(work, length):  # type: ignore[no-untyped-def]
    """`LANES`, in a way that the compiler cannot see: it would unroll loops of known short length instead of vectorising them."""
    return U(work.shape[0] // (6 * length + 16))


@numba.njit(**INLINE)
def load_pair(first, second, r0, length, lanes, work):  # type: ignore[no-untyped-def]
    """Spectra [m, 2, r] of two real sequences a, b -> spectrum of a + ib in X, real and imaginary part exchanged (for the inverse)."""
    tile, count = length * LANES, first.shape[0]
    for m in range(count):
        re, im = U(m * LANES), U(tile + m * LANES)
        for t in range(lanes):
            work[re + t] = first[m, 1, U(r0) + t] + second[m, 0, U(r0) + t]
            work[im + t] = first[m, 0, U(r0) + t] - second[m, 1, U(r0) + t]
    for m in range(1, count):
        re, im = U((length - m) * LANES), U(tile + (length - m) * LANES)
        for t in range(lanes):
            work[re + t] = second[m, 0, U(r0) + t] - first[m, 1, U(r0) + t]
            work[im + t] = first[m, 0, U(r0) + t] + second[m, 1, U(r0) + t]
    for i in range(U(count * LANES), U((length - count + 1) * LANES)):
        work[i] = 0
        work[U(tile) + i] = 0


@numba.njit(**INLINE)
def store_pair(work, real, r0, length, lanes, first, second):  # type: ignore[no-untyped-def]
    """Inverse of `load_pair` (parts in order) up to a factor 2 that the Legendre analysis matrices undo; result tile at `real`."""
    imag, count = real + length * LANES, first.shape[0]
    for t in range(lanes):
        first[0, 0, U(r0) + t] = 2 * work[U(real) + t]
        first[0, 1, U(r0) + t] = 0
    for t in range(lanes):
        second[0, 0, U(r0) + t] = 2 * work[U(imag) + t]
        second[0, 1, U(r0) + t] = 0
    for m in range(1, count):
        re, im = U(real + m * LANES), U(imag + m * LANES)
        re_minus, im_minus = U(real + (length - m) * LANES), U(imag + (length - m) * LANES)
        for t in range(lanes):
            first[m, 0, U(r0) + t] = work[re + t] + work[re_minus + t]
        for t in range(lanes):
            first[m, 1, U(r0) + t] = work[im + t] - work[im_minus + t]
        for t in range(lanes):
            second[m, 0, U(r0) + t] = work[im + t] + work[im_minus + t]
        for t in range(lanes):
            second[m, 1, U(r0) + t] = work[re_minus + t] - work[re + t]


@cache
def analyse_density(length: int) -> Any:
    """Kernel(density, spectrum, work): values on the grid -> azimuthal spectra of even and odd part, component by component."""
    tile, revision = length * LANES, REVISION
    result = result_tile(length) * tile

    @numba.njit(cache=True, **COMPILE)
    def kernel(density, spectrum, work):  # type: ignore[no-untyped-def]
        assert revision >= 0
        lanes = lane_count(work, length)
        half = density.dtype.type(0.5)
        for c in range(density.shape[0]):
            for j in range(density.shape[2]):
                north, south = density[c, 0, j], density[c, 1, j]
                for r0 in range(0, spectrum.shape[5], LANES):
                    for k in range(length):
                        re, im = U(k * LANES), U(tile + k * LANES)
                        for t in range(lanes):
                            n, s = north[k, U(r0) + t], south[k, U(r0) + t]
                            work[re + t] = half * (n + s)
                            work[im + t] = half * (n - s)
                    fft(work, length)
                    store_pair(work, result, r0, length, lanes, spectrum[c, 0, j], spectrum[c, 1, j])

    return kernel


@cache
def synthesise_density(length: int) -> Any:
    """Kernel(spectrum, density, work): azimuthal spectra of even and odd part -> values at the points and their antipodes."""
    tile, revision = length * LANES, REVISION
    odd = result_tile(length) * tile
    even = odd + tile

    @numba.njit(cache=True, **COMPILE)
    def kernel(spectrum, density, work):  # type: ignore[no-untyped-def]
        assert revision >= 0
        lanes = lane_count(work, length)
        for c in range(spectrum.shape[0]):
            for j in range(spectrum.shape[2]):
                for r0 in range(0, spectrum.shape[5], LANES):
                    load_pair(spectrum[c, 0, j], spectrum[c, 1, j], r0, length, lanes, work)
                    fft(work, length)
                    for k in range(length):
                        e, o = U(even + k * LANES), U(odd + k * LANES)
                        for t in range(lanes):
                            density[c, 0, j, k, U(r0) + t] = work[e + t] + work[o + t]
                        for t in range(lanes):
                            density[c, 1, j, k, U(r0) + t] = work[e + t] - work[o + t]

    return kernel


@cache
def intensity(length: int, complex_density: bool) -> Any:
    """Kernel(spectrum, amplitude, intensity_spectrum, work): spectra of F -> F on the grid and the spectra of |F|^2.

    Real density: |F|^2 = A^2 + B^2 is even; intensity_spectrum[1, theta, m, 2, q]. Complex density with components 1, 2:
    F = (A1 - B2) + i (B1 + A2) at the point, (A1 + B2) + i (A2 - B1) at the antipode, so that the intensity has the odd part
    2 (A2 B1 - A1 B2); intensity_spectrum[2, theta, m, 2, q].
    """
    tile, revision = length * LANES, REVISION
    result = result_tile(length) * tile
    a, b, u, v = result + tile, result, 4 * tile, 5 * tile
    rows = 1 if complex_density else 2

    @numba.njit(cache=True, **COMPILE)
    def kernel(spectrum, amplitude, intensity_spectrum, work):  # type: ignore[no-untyped-def]
        assert revision >= 0
        lanes = lane_count(work, length)
        for j in range(0, spectrum.shape[2], rows):
            for r0 in range(0, spectrum.shape[5], LANES):
                for line in range(2):
                    c, row = (line, j) if complex_density else (0, j + line)
                    even, odd = amplitude[c, 0, row], amplitude[c, 1, row]
                    load_pair(spectrum[c, 0, row], spectrum[c, 1, row], r0, length, lanes, work)
                    fft(work, length)
                    for k in range(length):
                        re, im = U(a + k * LANES), U(b + k * LANES)
                        for t in range(lanes):
                            even[k, U(r0) + t] = work[re + t]
                        for t in range(lanes):
                            odd[k, U(r0) + t] = work[im + t]
                    if complex_density and line == 0:
                        for i in range(U(tile)):
                            work[U(u) + i] = work[U(a) + i]
                            work[U(v) + i] = work[U(b) + i]
                    elif complex_density:
                        for i in range(U(tile)):
                            a1, b1, a2, b2 = work[U(u) + i], work[U(v) + i], work[U(a) + i], work[U(b) + i]
                            work[U(u) + i] = a1 * a1 + b1 * b1 + a2 * a2 + b2 * b2
                            work[U(v) + i] = 2 * (a2 * b1 - a1 * b2)
                    elif line == 0:
                        for i in range(U(tile)):
                            work[U(u) + i] = work[U(a) + i] * work[U(a) + i] + work[U(b) + i] * work[U(b) + i]
                    else:
                        for i in range(U(tile)):
                            work[U(v) + i] = work[U(a) + i] * work[U(a) + i] + work[U(b) + i] * work[U(b) + i]
                for i in range(U(tile)):
                    work[i] = work[U(u) + i]
                    work[U(tile) + i] = work[U(v) + i]
                fft(work, length)
                if complex_density:
                    store_pair(work, result, r0, length, lanes, intensity_spectrum[0, j], intensity_spectrum[1, j])
                else:
                    store_pair(work, result, r0, length, lanes, intensity_spectrum[0, j], intensity_spectrum[0, j + 1])

    return kernel
