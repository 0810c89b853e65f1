"""Quick score of many orientations of one frame from its bright pixels alone.

With the photons of the bright pixels K_i and the expected total M of all peaks that an orientation brings near the Ewald sphere,

    S = max over phi of  sum_i K_i log(1 + phi W_i / b_i) - phi M.

M is not summed over pixels: a peak cut by the sphere at distance d from its centre holds 2 pi sqrt(T Q) exp(-d^2 / 2T) times the flux of
pixels there. A score costs a few microseconds, so that tens of thousands of orientations of a frame can be tried.
"""

from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.refinement import spots
from fxs_hpc.emc.refinement.compiled import COMPILE, INLINE, revision
from fxs_hpc.emc.refinement.optimiser import NO_EXTRA
from fxs_hpc.emc.refinement.peak_model import LatticeTable
from fxs_hpc.emc.refinement.pixels import COARSE, PixelTable
from fxs_hpc.emc.refinement.spots import load_frame

FILE = __file__
BRIGHT_SIGMAS = 3.5
MOST_BRIGHT = 512
PHI_STEPS = 5


class Bright(NamedTuple):
    """Bright pixels of one frame: scattering vector q float64[n, 3], photons and background (with `polar`) float64[n]."""

    q: NDArray[np.float64]
    photons: NDArray[np.float64]
    background: NDArray[np.float64]
    polar: NDArray[np.float64]


@numba.njit(**INLINE)
def stands_out(count, mean, sigmas):  # type: ignore[no-untyped-def]
    """Whether a count does not come by chance from a Poisson variate of this mean: it exceeds mean + z sqrt(mean) + (z^2 - 1) / 6, the
    quantile at z sigmas by the Cornish-Fisher expansion to first order."""
    above = count - mean - (sigmas * sigmas - 1.0) / 6.0
    return above > 0.0 and above * above > sigmas * sigmas * mean


@numba.njit(**INLINE)
def expected_total(pixels, lattice, heights, variances, blur2, count, rotation):  # type: ignore[no-untyped-def]
    """Photons in all peaks at phi = 1."""
    bx, by, bz = pixels.frame[2, 0], pixels.frame[2, 1], pixels.frame[2, 2]
    square_sphere = bx * bx + by * by + bz * bz
    sphere = np.sqrt(square_sphere)
    total = 0.0
    cx = rotation[0, 0] * bx + rotation[0, 1] * by + rotation[0, 2] * bz
    cy = rotation[1, 0] * bx + rotation[1, 1] * by + rotation[1, 2] * bz
    cz = rotation[2, 0] * bx + rotation[2, 1] * by + rotation[2, 2] * bz
    for j in range(count):
        px, py, pz = lattice.point[j, 0], lattice.point[j, 1], lattice.point[j, 2]
        square = lattice.modulus[j] * lattice.modulus[j]
        tangential = variances[1] + (variances[2] + blur2) * square
        distance = (square + 2.0 * (px * cx + py * cy + pz * cz)) / (2.0 * sphere)
        if distance * distance > 9.0 * tangential:
            continue
        kx = rotation[0, 0] * px + rotation[1, 0] * py + rotation[2, 0] * pz + bx
        ky = rotation[0, 1] * px + rotation[1, 1] * py + rotation[2, 1] * pz + by
        kz = rotation[0, 2] * px + rotation[1, 2] * py + rotation[2, 2] * pz + bz
        flatten = np.sqrt(2.0 / (1.0 + (kx * bx + ky * by + kz * bz) / square_sphere))
        x = (kx * pixels.frame[0, 0] + ky * pixels.frame[0, 1] + kz * pixels.frame[0, 2]) * flatten - pixels.corner[0]
        y = (kx * pixels.frame[1, 0] + ky * pixels.frame[1, 1] + kz * pixels.frame[1, 2]) * flatten - pixels.corner[1]
        row, column = int(np.floor(x / (COARSE * pixels.cell))), int(np.floor(y / (COARSE * pixels.cell)))
        if row < 0 or column < 0 or row >= pixels.flux.shape[0] or column >= pixels.flux.shape[1]:
            continue
        area = 2.0 * np.pi * variances[0] / np.sqrt(tangential)
        total += heights[lattice.unique[j]] * area * np.exp(-0.5 * distance * distance / tangential) * pixels.flux[row, column]
    return total


@numba.njit(**INLINE)
def peak_at(lattice, heights, variances, blur2, count, rotation, qx, qy, qz):  # type: ignore[no-untyped-def]
    """W at one scattering vector."""
    x = rotation[0, 0] * qx + rotation[0, 1] * qy + rotation[0, 2] * qz
    y = rotation[1, 0] * qx + rotation[1, 1] * qy + rotation[1, 2] * qz
    z = rotation[2, 0] * qx + rotation[2, 1] * qy + rotation[2, 2] * qz
    table, inverse = lattice.lookup, lattice.inverse
    h = int(np.round(inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2] * z)) + table.shape[0] // 2
    k = int(np.round(inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2] * z)) + table.shape[1] // 2
    l = int(np.round(inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2] * z)) + table.shape[2] // 2
    if not (0 <= h < table.shape[0] and 0 <= k < table.shape[1] and 0 <= l < table.shape[2]):
        return 0.0
    j = table[h, k, l]
    if j < 0 or j >= count:
        return 0.0
    px, py, pz = lattice.point[j, 0], lattice.point[j, 1], lattice.point[j, 2]
    ex, ey, ez = x - px, y - py, z - pz
    along = (ex * px + ey * py + ez * pz) / lattice.modulus[j]
    across = ex * ex + ey * ey + ez * ez - along * along
    square = lattice.modulus[j] * lattice.modulus[j]
    tangential = variances[1] + (variances[2] + blur2) * square
    radial = variances[1] + variances[3] * square
    exponent = 0.5 * (along * along / radial + across / tangential)
    if exponent > 8.0:
        return 0.0
    return heights[lattice.unique[j]] * variances[0] / (tangential * np.sqrt(radial)) * np.exp(-exponent)


@cache
def _kernels() -> Any:
    number = revision((spots.FILE, __file__))

    @numba.njit(cache=True, **COMPILE)
    def bright(pixels, photons, background, extra, limit, sigmas, excess, counts, ground):  # type: ignore[no-untyped-def]
        assert number >= 0
        load_frame(pixels, photons, background, extra, counts, ground)
        for i in range(len(counts)):
            excess[i] = 0.0
            level = np.float64(ground[i])
            if level > 0.0 and stands_out(np.float64(counts[i]), level, sigmas) and pixels.square[i] <= limit * limit:
                excess[i] = (counts[i] - level) / np.sqrt(level + 1.0)

    @numba.njit(cache=True, **COMPILE)
    def score(pixels, lattice, heights, variances, blur2, count, bright, rotations, scores, scales):  # type: ignore[no-untyped-def]
        assert number >= 0
        signal = np.empty(len(bright.photons))
        for r in range(len(rotations)):
            rotation = rotations[r]
            for i in range(len(signal)):
                peak = peak_at(lattice, heights, variances, blur2, count, rotation, bright.q[i, 0], bright.q[i, 1], bright.q[i, 2])
                signal[i] = peak * bright.polar[i] / bright.background[i]
            total = max(expected_total(pixels, lattice, heights, variances, blur2, count, rotation), 1e-12)
            phi = 1.0
            for _ in range(PHI_STEPS):
                explained = 0.0
                for i in range(len(signal)):
                    explained += bright.photons[i] * (1.0 - 1.0 / (1.0 + phi * signal[i]))
                phi = explained / total
            gain = -phi * total
            for i in range(len(signal)):
                if signal[i] > 0.0:
                    gain += bright.photons[i] * np.log(1.0 + phi * signal[i])
            scores[r] = gain
            scales[r] = phi

    return bright, score


def bright_pixels(
    pixels: PixelTable,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    limit: float,
    extra: NDArray[np.float32] = NO_EXTRA[0],
    sigmas: float = BRIGHT_SIGMAS,
) -> Bright:
    """The pixels of a frame with |q| <= limit (1/Angstrom) that stand out of the background (and `extra`, see `optimiser.refine`), the
    `MOST_BRIGHT` clearest at most."""
    excess = np.empty(len(pixels.polar))
    counts, ground = np.zeros(len(excess), np.float32), np.zeros(len(excess), np.float32)
    _kernels()[0](pixels, photons, background, extra, limit, sigmas, excess, counts, ground)
    places = np.flatnonzero(excess)
    if len(places) > MOST_BRIGHT:
        places = np.sort(places[np.argsort(-excess[places], kind="stable")[:MOST_BRIGHT]])
    return Bright(pixels.q[places], counts[places].astype(np.float64), ground[places].astype(np.float64), pixels.polar[places])


def bright_patches(
    pixels: PixelTable,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    limit: float,
    side: int,
    extra: NDArray[np.float32] = NO_EXTRA[0],
    sigmas: float = BRIGHT_SIGMAS,
) -> Bright:
    """As `bright_pixels` for sums over `side` x `side` cells: weak blurred peaks stand out of those, not of single pixels."""
    columns = -(-pixels.columns // side)
    cell = np.repeat(np.arange(pixels.rows * pixels.columns), np.diff(pixels.first))
    patch = (cell // pixels.columns // side) * columns + cell % pixels.columns // side
    excess = np.empty(len(pixels.polar))
    counts, ground = np.zeros(len(excess), np.float32), np.zeros(len(excess), np.float32)
    _kernels()[0](pixels, photons, background, extra, limit, sigmas, excess, counts, ground)
    live = (ground > 0) & (pixels.square <= limit**2)
    number = patch[live]
    size = int(patch.max()) + 1

    def total(values: NDArray) -> NDArray[np.float64]:
        return np.bincount(number, values[live].astype(np.float64), size).astype(np.float64)

    photon, level, polar, members = total(counts), total(ground), total(pixels.polar), total(np.ones(len(excess)))
    above = photon - level - (sigmas**2 - 1) / 6
    out = (above > 0) & (above**2 > sigmas**2 * level)
    q = np.stack([total(pixels.q[:, axis])[out] for axis in range(3)], axis=1) / members[out, None]
    return Bright(q, photon[out], level[out], polar[out])


def scores(
    pixels: PixelTable,
    lattice: LatticeTable,
    heights: NDArray[np.float64],
    variances: NDArray[np.float64],
    blur: float,
    limit: float,
    bright: Bright,
    rotations: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score and best phi of each of `rotations` float64[n, 3, 3], with peaks blurred by `blur` (radian) up to |G| = `limit`."""
    gains, scales = np.empty(len(rotations)), np.empty(len(rotations))
    _kernels()[1](
        pixels, lattice, heights, variances, blur**2, lattice.count(limit), bright, np.ascontiguousarray(rotations), gains, scales
    )
    return gains, scales
