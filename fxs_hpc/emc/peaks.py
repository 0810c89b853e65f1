"""Peaks: connected patches of outliers, and their centroids."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.errors import DataError

UNUSABLE = -1.0
"""Radial background of a bin that must not be used."""


@dataclass(frozen=True)
class PeakPatches:
    """The patches of one frame, one after the other.

    Attributes
    ----------
    pixel : int32[n]
        Full detector index.
    count : int32[n]
        Photons.
    first : int64[patches + 1]
        Where each patch begins.
    """

    pixel: NDArray[np.int32]
    count: NDArray[np.int32]
    first: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Pixels of each patch."""
        return np.diff(self.first)

    @property
    def photons(self) -> NDArray[np.int64]:
        """Photons of each patch."""
        return np.add.reduceat(self.count, self.first[:-1], dtype=np.int64) if len(self) else np.zeros(0, np.int64)

    def selected(self, kept: NDArray[np.bool_]) -> "PeakPatches":
        """The patches where `kept`."""
        inside = np.repeat(kept, self.sizes)
        first = np.concatenate([[0], np.cumsum(self.sizes[kept])]).astype(np.int64)
        return PeakPatches(self.pixel[inside], self.count[inside], first)


def centroids(patches: PeakPatches, q: NDArray[np.float64], place: NDArray[np.int32]) -> NDArray[np.float64]:
    """q of the patches: mean over their pixels, weighted with the photons, in the units of `q`.

    Parameters
    ----------
    q : float64[NPIX, 3]
        Of the usable pixels.
    place : int32[rows * columns]
        Row of `q` of each pixel of the raster (`Pixels.positions`).

    Raises
    ------
    DataError
        A pixel of a patch is not usable, or not on the detector.
    """
    if not len(patches):
        return np.zeros((0, 3))
    if patches.pixel.min() < 0 or patches.pixel.max() >= len(place) or place[patches.pixel].min() < 0:
        raise DataError(
            "a peak lies on a pixel that is masked or off the detector: mask or geometry were changed after the peaks were found; "
            "run `fxs-hpc emc make-background` again"
        )
    weighted = q[place[patches.pixel]] * patches.count[:, None]
    return np.add.reduceat(weighted, patches.first[:-1], axis=0) / patches.photons[:, None]


@kernel
def connect(  # pragma: no cover
    outlier: NDArray[np.int32], panel: NDArray[np.int32], columns: int, state: NDArray[np.uint8], queue: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Patches of outliers that touch along an edge, within one panel; single pixels are left out.

    Breadth first from each outlier in the order given, neighbours in the order row before, column before, column after, row after.

    Parameters
    ----------
    outlier : int32[n]
        Full indices.
    panel : int32[rows * columns]
        Panel of each pixel, -1 = none.
    state : uint8[rows * columns]
        Zeros; they are zero again afterwards.
    queue : int32[n]
        Receives the pixels of the patches one after the other.

    Returns
    -------
    int64[patches + 1] : where each patch begins in `queue`.
    """
    first = np.zeros(len(outlier) // 2 + 1, np.int64)
    patches = 0
    end = np.int64(0)
    state[outlier] = 1
    for seed in outlier:
        if state[seed] != 1:
            continue
        state[seed] = 2
        start = end
        queue[end] = seed
        end += 1
        done = start
        while done < end:
            pixel = np.int64(queue[done])
            done += 1
            column = pixel % columns
            for side in range(4):
                if (side == 1 and column == 0) or (side == 2 and column == columns - 1):
                    continue
                other = pixel + (-columns if side == 0 else -1 if side == 1 else 1 if side == 2 else columns)
                if 0 <= other < len(state) and state[other] == 1 and panel[other] == panel[pixel]:
                    state[other] = 2
                    queue[end] = other
                    end += 1
        if end - start < 2:
            end = start
        else:
            patches += 1
            first[patches] = end
    state[outlier] = 0
    return first[: patches + 1]
