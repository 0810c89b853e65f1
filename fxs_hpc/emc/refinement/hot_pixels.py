"""Pixels that stand out of the background in far too many frames: crystals in random orientations put a peak there now and then."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, revision
from fxs_hpc.emc.refinement import significance, spots
from fxs_hpc.emc.refinement.pixels import PixelTable
from fxs_hpc.emc.refinement.significance import stands_out
from fxs_hpc.emc.refinement.spots import load_frame

LEAST_SHARE = 0.2
"""Share of the frames in which a hot pixel stands out."""
TIMES_NEIGHBOURS = 5.0
RING = 200
"""Pixels of about the same |q| that a pixel is compared with."""


@cache
def _kernel() -> Any:
    number = revision((spots.FILE, significance.FILE, __file__))

    @kernel
    def tally(pixels, photons, background, sigmas, found):  # type: ignore[no-untyped-def]
        assert number >= 0
        counts, ground = np.zeros(len(pixels.place), np.float32), np.zeros(len(pixels.place), np.float32)
        for d in range(len(photons)):
            load_frame(pixels, photons[d], background[d], np.zeros(0, np.float32), counts, ground)
            for i in range(len(counts)):
                if ground[i] > 0.0 and stands_out(np.float64(counts[i]), np.float64(ground[i]), sigmas):
                    found[pixels.place[i]] += 1

    return tally


def bright_frames(pixels: PixelTable, photons: NDArray[np.int16], background: NDArray[np.float64], sigmas: float) -> NDArray[np.int64]:
    """In how many frames of a block each pixel (in the order of the photons) stands out of the background, int64[pixels]."""
    found = np.zeros(len(pixels.place), np.int64)
    _kernel()(pixels, photons, background, sigmas, found)
    return found


def hot(found: NDArray[np.int64], frames: int) -> NDArray[np.bool_]:
    """Hot pixels, bool[pixels].

    Parameters
    ----------
    found : int64[pixels]
        Of all frames, pixels ascending in |q|.
    frames : int
    """
    ring = np.array([np.median(part) for part in np.array_split(found, max(1, len(found) // RING))])
    usual = np.repeat(ring, [len(part) for part in np.array_split(found, len(ring))])
    return np.asarray((found > LEAST_SHARE * frames) & (found > TIMES_NEIGHBOURS * usual) & (found >= 3))


def without(pixels: PixelTable, dead: NDArray[np.bool_]) -> PixelTable:
    """The table with some pixels (in the order of the photons) dead in all frames."""
    return pixels._replace(bin=np.where(dead[pixels.place], np.int32(-1), pixels.bin).astype(np.int32))
