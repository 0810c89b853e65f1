"""What one rank works on: its frames' candidates, the rotations they need, and the tables that all share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.emc.equivalence import grid_operators, representatives
from fxs_hpc.emc.evaluations import Evaluations, evaluations
from fxs_hpc.emc.expansion import PeakCubes, RotationTable, peak_cubes
from fxs_hpc.emc.reflections import Reflections
from fxs_hpc.emc.symmetrisation import Equivalents, equivalents
from fxs_hpc.emc.symmetry import LaueGroup


@dataclass(frozen=True)
class Model:
    """The reflections and what belongs to them.

    Attributes
    ----------
    reflections : Reflections
    cubes : PeakCubes
    same : Equivalents
    group : LaueGroup
    """

    reflections: Reflections
    cubes: PeakCubes
    same: Equivalents
    group: LaueGroup

    @classmethod
    def of(cls, reflections: Reflections, group: LaueGroup) -> "Model":
        """Tables for reflections of a crystal of this Laue group."""
        return cls(reflections, peak_cubes(reflections), equivalents(reflections, group), group)

    def sums(self, intensity: NDArray[np.float64]) -> NDArray[np.float64]:
        """Integrated intensity of each reflection, float64[n]."""
        return np.add.reduceat(intensity, self.reflections.first[:-1])


@dataclass(frozen=True)
class Workload:
    """Frames first .. stop of all frames, on one rank.

    Attributes
    ----------
    first, stop : int
    rotations : RotationTable
        The rotations that are candidates of these frames.
    number : int32[rotations]
        Their numbers among all samples, ascending.
    log_weight : float64[rotations]
    evaluations : Evaluations
        Of these frames; their rotations are places in `rotations`.
    """

    first: int
    stop: int
    rotations: RotationTable
    number: NDArray[np.int32]
    log_weight: NDArray[np.float64]
    evaluations: Evaluations

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.stop - self.first


def workload(
    first: int,
    candidates: Candidates,
    samples: NDArray[np.float64],
    weight_sum: float,
    entries: NDArray[np.int32],
    entry_first: NDArray[np.int64],
    group: LaueGroup,
) -> Workload:
    """The work on frames that begin at number `first`.

    Parameters
    ----------
    candidates : Candidates
        Of these frames alone.
    samples : float64[N, 5]
        Quaternion and weight of every rotation sample; only the rows that are needed are touched.
    weight_sum : float
        Sum of all weights.
    entries, entry_first : int32[...], int64[N + 1]
        The map r2peak as it lies in its file, and where each rotation's entries begin, counted in entries.
    group : LaueGroup
        Its operators decide which candidates share a likelihood; a group of the identity alone shares none.
    """
    number = candidates.visited()
    rows = np.asarray(samples[number])
    begin = 3 * entry_first[number] + number + 1
    count = (entry_first[number.astype(np.int64) + 1] - entry_first[number]).astype(np.int32)
    quaternion = np.ascontiguousarray(rows[:, :4])
    rotations = RotationTable(quaternion, begin.astype(np.int64), count, entries)
    place = np.searchsorted(number, candidates.rotation).astype(np.int32)
    same = representatives(quaternion, grid_operators(group.matrices))
    return Workload(
        first,
        first + len(candidates),
        rotations,
        number,
        np.log(rows[:, 4] / weight_sum),
        evaluations(candidates.first, place, same),
    )


def distinct(workload: Workload) -> Workload:
    """The same work with a likelihood of its own for every candidate, for an intensity that is not symmetrised."""
    own = workload.evaluations
    alone = np.arange(len(workload.number), dtype=np.int32)
    return Workload(
        workload.first, workload.stop, workload.rotations, workload.number, workload.log_weight, evaluations(own.first, own.rotation, alone)
    )
