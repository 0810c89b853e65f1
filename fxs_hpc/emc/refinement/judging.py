"""Frames judged by what their orientation leaves unexplained.

A bright pixel is one that background cannot explain; it is unexplained if background and peaks together cannot. Right orientations leave
nearly none, whatever the likelihood; wrong ones, second crystals and blobs of no crystal leave many.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel, revision
from fxs_hpc.emc.refinement import significance
from fxs_hpc.emc.refinement.observations import BRIGHT_SIGMAS, Observations
from fxs_hpc.emc.refinement.significance import stands_out

SHAPE_ERROR = 0.03
"""Relative error that the modelled shape of a peak may have."""
LARGEST_SHARE = 0.15
"""Share of the bright pixels that may stay unexplained."""
FEW = 2
"""Unexplained pixels that are always allowed: noise, hot pixels."""
LEAST_GAIN = 12.0
"""Log likelihood above "background only" that shows a crystal: the best of many orientations of an empty frame stays below."""


@cache
def _kernel() -> Any:
    number = revision((significance.FILE, __file__))

    @kernel
    def explained(seen, unique, heights, sigmas, shape_error, counted):  # type: ignore[no-untyped-def]
        assert number >= 0
        for o in range(len(seen.frame)):
            height = max(heights[unique[seen.reflection[o]]], 0.0)
            for i in range(seen.first[o], seen.first[o + 1]):
                photons, ground = np.float64(seen.photons[i]), np.float64(seen.ground[i])
                if seen.judged[i] and stands_out(photons, ground, sigmas):
                    signal = seen.slope[i] * height
                    if not stands_out(photons - sigmas * shape_error * signal, ground + signal, sigmas):
                        counted[seen.frame[o]] += 1

    return explained


def unexplained_pixels(
    seen: Observations,
    unique: NDArray[np.int32],
    heights: NDArray[np.float64],
    sigmas: float = BRIGHT_SIGMAS,
    shape_error: float = SHAPE_ERROR,
) -> NDArray[np.int32]:
    """Bright pixels of each frame that its lattice does not explain, int32[frames].

    Parameters
    ----------
    seen : Observations
        Of all frames of a block, made with the same `sigmas`.
    shape_error : float
        Relative error that the modelled shape of a peak may have.
    """
    counted = np.zeros(len(seen.bright), np.int32)
    _kernel()(seen, unique, heights, sigmas, shape_error, counted)
    return seen.bright - counted


def accepted(
    gain: NDArray[np.float64],
    bright: NDArray[np.int32],
    unexplained: NDArray[np.int32],
    share: float = LARGEST_SHARE,
    few: int = FEW,
    least_gain: float = LEAST_GAIN,
) -> NDArray[np.bool_]:
    """Frames that show a crystal, and whose orientation explains them: at most `few` unexplained pixels or the `share` of the bright ones,
    whichever is more."""
    return np.asarray((gain >= least_gain) & (unexplained <= np.maximum(few, share * bright)))
