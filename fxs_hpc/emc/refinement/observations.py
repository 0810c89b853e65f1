"""What the frames of a block say about the heights: for each peak that was hit, its pixels with photons and the sum over all its pixels.

Pixels without photons enter the likelihood of a height linearly, so that their sum is all that has to be kept.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, piece, revision
from fxs_hpc.emc.refinement import significance, spots
from fxs_hpc.emc.refinement.optimiser import NO_EXTRA
from fxs_hpc.emc.refinement.peak_model import SIGMAS, LatticeTable
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.significance import stands_out
from fxs_hpc.emc.refinement.spots import LOG_PHI, belongs, box, load_frame, place_spot, profile, run, select_near, stands_alone

_PIXELS_PER_FRAME = 1024
_SPOTS_PER_FRAME = 256
BRIGHT_SIGMAS = 4.5


class Observations(NamedTuple):
    """Peaks seen in frames; the signal of pixel i of a peak is a_i F.

    Attributes
    ----------
    frame : int32[n]
    reflection : int32[n]
        Number in the `LatticeTable`.
    total : float64[n, 5]
        Sums over all live pixels of the peak: a, K, b, a K / b, a^2 / b.
    bound : float64[n]
        Smallest b / a: F may not fall below its negative.
    first : int64[n + 1]
        Pixels with photons: first[o] .. first[o + 1] of the next three.
    slope, ground, photons : float32[m]
        a, b, K.
    judged : bool[m]
        Whether a pixel lies so far inside the cutoff that every peak that could reach it is in the model.
    bright, live : int32[frames]
        Pixels of each frame that background cannot explain, and those that were looked at, whether near a peak or not.
    """

    frame: NDArray[np.int32]
    reflection: NDArray[np.int32]
    total: NDArray[np.float64]
    bound: NDArray[np.float64]
    first: NDArray[np.int64]
    slope: NDArray[np.float32]
    ground: NDArray[np.float32]
    photons: NDArray[np.float32]
    judged: NDArray[np.bool_]
    bright: NDArray[np.int32]
    live: NDArray[np.int32]

    def of_frames(self, offset: int) -> "Observations":
        """The same with frame numbers raised by `offset`."""
        return self._replace(frame=self.frame + np.int32(offset))


def joined(parts: list[Observations]) -> Observations:
    """All parts, in order."""
    first = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part.first) for part in parts]))]).astype(np.int64)
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Observations._fields if name != "first"}
    return Observations(first=first, **columns)


@piece
def add_peak(pixels, lattice, counts, ground, rotation, spot, scale, entry, inner, total, seen):  # type: ignore[no-untyped-def]
    """Sums over the pixels of one spot in `total` [5]; its pixels with photons go to place `entry` on, as long as there is room.
    Pixels with |q| <= `inner` are judged.

    Smallest b / a, and the number of pixels with photons.
    """
    used, room = 0, len(seen.slope)
    bound = np.inf
    amplitude = spot[7] * scale
    alone = stands_alone(lattice, spot)
    row0, row1, column0, column1 = box(pixels, spot)
    for row in range(row0, row1):
        first, stop = run(pixels, row, column0, column1)
        for i in range(first, stop):
            ex, ey, ez = pixels.q[i, 0] - spot[0], pixels.q[i, 1] - spot[1], pixels.q[i, 2] - spot[2]
            square = ex * ex + ey * ey + ez * ez
            b = np.float64(ground[i])
            if square > spot[8] or b <= 0.0 or not (alone or belongs(lattice, rotation, ex, ey, ez)):
                continue
            a = amplitude * profile(spot, ex, ey, ez, square) * pixels.polar[i]
            total[0] += a
            total[1] += counts[i]
            total[2] += b
            total[3] += a * counts[i] / b
            total[4] += a * a / b
            bound = min(bound, b / a)
            if counts[i] > 0:
                if entry + used < room:
                    seen.slope[entry + used] = a
                    seen.ground[entry + used] = b
                    seen.photons[entry + used] = counts[i]
                    seen.judged[entry + used] = pixels.square[i] <= inner * inner
                used += 1
    return bound, used


@piece
def tally(pixels, counts, ground, limit, sigmas):  # type: ignore[no-untyped-def]
    """Bright and live pixels with |q| <= limit."""
    bright, live = 0, 0
    for i in range(len(counts)):
        if ground[i] > 0.0 and pixels.square[i] <= limit * limit:
            live += 1
            if stands_out(np.float64(counts[i]), np.float64(ground[i]), sigmas):
                bright += 1
    return bright, live


@cache
def _kernel() -> Any:
    number = revision((spots.FILE, significance.FILE, __file__))

    @kernel
    def observe(pixels, lattice, variances, count, photons, background, extra, rotations, states, wanted, inner, sigmas, seen):  # type: ignore[no-untyped-def]
        assert number >= 0
        active = np.empty(len(lattice.modulus), np.int32)
        spot, total = np.zeros(13), np.zeros(5)
        counts, ground = np.zeros(len(pixels.place), np.float32), np.zeros(len(pixels.place), np.float32)
        entry, found = 0, 0
        for d in range(len(photons)):
            load_frame(pixels, photons[d], background[d], extra[min(d, len(extra) - 1)], counts, ground)
            seen.bright[d], seen.live[d] = tally(pixels, counts, ground, inner, sigmas)
            if not wanted[d]:
                continue
            near = select_near(pixels.frame, lattice, rotations[d], count, variances, 0.0, 0.0, active)
            scale = np.exp(states[d, LOG_PHI])
            for a in range(near):
                j = active[a]
                if not place_spot(pixels.frame, lattice, rotations[d], states[d], variances, 0.0, j, spot):
                    continue
                for i in range(len(total)):
                    total[i] = 0.0
                bound, used = add_peak(pixels, lattice, counts, ground, rotations[d], spot, scale, entry, inner, total, seen)
                if total[0] <= 0.0:
                    continue
                if found < len(seen.frame):
                    seen.frame[found] = d
                    seen.reflection[found] = j
                    for i in range(len(total)):
                        seen.total[found, i] = total[i]
                    seen.bound[found] = bound
                    seen.first[found + 1] = entry + used
                entry += used
                found += 1
        return found, entry

    return observe


def observe(
    pixels: PixelTable,
    lattice: LatticeTable,
    variances: NDArray[np.float64],
    limit: float,
    photons: NDArray[np.int16],
    background: NDArray[np.float64],
    rotations: NDArray[np.float64],
    states: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    extra: NDArray[np.float32] = NO_EXTRA,
    sigmas: float = BRIGHT_SIGMAS,
) -> Observations:
    """Peaks with |G| <= `limit` (1/Angstrom) in the `wanted` frames of a block at their orientations; see `optimiser.refine`.

    A pixel is bright if its photons exceed the background by `sigmas`.
    """
    inner = limit - SIGMAS * float(np.sqrt(variances[1] + variances[2:].max() * limit**2))
    room = (_SPOTS_PER_FRAME * (1 + len(photons)), _PIXELS_PER_FRAME * (1 + len(photons)))
    while True:
        seen = _empty(*room, len(photons))
        needed = _kernel()(
            pixels, lattice, variances, lattice.count(limit), photons, background, extra, rotations, states, wanted, inner, sigmas, seen
        )
        if needed[0] <= room[0] and needed[1] <= room[1]:
            return _cut(seen, *needed)
        room = (max(room[0], needed[0]), max(room[1], needed[1]))


def _empty(peaks: int, entries: int, frames: int) -> Observations:
    return Observations(
        np.empty(peaks, np.int32),
        np.empty(peaks, np.int32),
        np.empty((peaks, 5)),
        np.empty(peaks),
        np.zeros(peaks + 1, np.int64),
        np.empty(entries, np.float32),
        np.empty(entries, np.float32),
        np.empty(entries, np.float32),
        np.zeros(entries, np.bool_),
        np.zeros(frames, np.int32),
        np.zeros(frames, np.int32),
    )


def _cut(seen: Observations, peaks: int, entries: int) -> Observations:
    """What was filled, in arrays of that size (the rest of the memory is given back)."""
    return Observations(
        seen.frame[:peaks].copy(),
        seen.reflection[:peaks].copy(),
        seen.total[:peaks].copy(),
        seen.bound[:peaks].copy(),
        seen.first[: peaks + 1].copy(),
        seen.slope[:entries].copy(),
        seen.ground[:entries].copy(),
        seen.photons[:entries].copy(),
        seen.judged[:entries].copy(),
        seen.bright,
        seen.live,
    )
