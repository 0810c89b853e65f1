"""Frames without a crystal, or with several: found after a reconstruction, left out of what follows.

Two rules.

`by_peaks` (the default): the share of a frame's found peaks that its most probable orientation explains. Where a single crystal was hit
nearly all are; a second crystal, or whatever else makes spots, leaves some unexplained. A peak at q counts as explained if it lies within

    sqrt(t^2 + (|q| step / 2)^2)

of a reflection, with t the radius of the support of a reflection and `step` the angle between rotation samples, of which the true
orientation is up to half away.

`by_orientations` (the reference program's): several crystals if two orientations with probability 0.05 or more each are no symmetry
copies of each other. The stronger crystal nearly always takes all the probability, so this hardly ever rejects a frame.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.lattice import VoxelGrid
from fxs_hpc.emc.likelihood import LEAST
from fxs_hpc.emc.quaternions import equivalents

SECOND = 0.05
"""Probability from which an orientation counts in `by_orientations`."""


class Verdict(StrEnum):
    """What becomes of a frame, and why."""

    KEPT = "kept"
    BLANK = "blank"
    UNEXPLAINED = "unexplained peaks"
    MULTIPLE = "several orientations"


class Rejection(NamedTuple):
    """Verdict of each frame; phi f8[n] with the rejected ones at 0."""

    verdicts: list[Verdict]
    phi: NDArray[np.float64]


def explained_share(peaks: NDArray[np.float64], orientation: NDArray[np.float64], grid: VoxelGrid, step: float) -> float:
    """Share of peaks float64[n, 3] (1/Angstrom) that the matrix `orientation` (laboratory -> crystal) explains; 0 without peaks.

    Parameters
    ----------
    step : float
        Angle between neighbouring rotation samples, rad.
    """
    if not len(peaks):
        return 0.0
    crystal = peaks @ orientation.T
    reciprocal = grid.lattice.reciprocal
    nearest = np.round(crystal @ np.linalg.inv(reciprocal).T) @ reciprocal.T
    distance = np.linalg.norm(crystal - nearest, axis=1)
    return float(np.mean(distance <= np.hypot(grid.tolerance, np.linalg.norm(peaks, axis=1) * step / 2)))


def by_peaks(phi: NDArray[np.float64], share: NDArray[np.float64], least: float) -> Rejection:
    """Reject frames whose best orientation explains less than `least` of the peaks; share float64[n], NaN without an orientation."""
    blank = (phi < LEAST) | np.isnan(share)
    bad = share < least
    return _rejection(phi, [Verdict.BLANK if b else Verdict.UNEXPLAINED if u else Verdict.KEPT for b, u in zip(blank, bad)])


def by_orientations(
    phi: NDArray[np.float64], quaternions: Sequence[NDArray], probabilities: Sequence[NDArray], symmetry: NDArray[np.float64], step: float
) -> Rejection:
    """Reject frames with two different probable orientations, or none.

    Parameters
    ----------
    quaternions, probabilities : sequences of float64[k, 4], float64[k]
        Probable orientations of each frame.
    symmetry : float64[s, 4]
        Proper operators.
    step : float
        Distance of quaternions from which orientations are different.
    """
    verdicts = []
    for scale, frame, probability in zip(phi, quaternions, probabilities, strict=True):
        if scale < LEAST:
            verdicts.append(Verdict.BLANK)
        elif not len(probability) or _differ(frame[probability >= SECOND], symmetry, step):
            verdicts.append(Verdict.MULTIPLE)
        else:
            verdicts.append(Verdict.KEPT)
    return _rejection(phi, verdicts)


def _differ(frame: NDArray[np.float64], symmetry: NDArray[np.float64], step: float) -> bool:
    copies = equivalents(frame, symmetry)[:, None]
    others = frame[None, :, None]
    distance = np.minimum(np.linalg.norm(copies - others, axis=-1), np.linalg.norm(copies + others, axis=-1)).min(axis=-1)
    return bool((distance >= step).any())


def _rejection(phi: NDArray[np.float64], verdicts: list[Verdict]) -> Rejection:
    kept = np.array([verdict is Verdict.KEPT for verdict in verdicts], bool)
    return Rejection(verdicts, np.where(kept, phi, 0.0))
