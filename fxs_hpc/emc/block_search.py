"""One block of frames against its candidate rotations: the part of a flag that needs the photons."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.expansion import DetectorTable, PeakCubes
from fxs_hpc.emc.extraction import photons_seen
from fxs_hpc.emc.likelihood import LEAST, FrameTile, log_likelihoods
from fxs_hpc.emc.probabilities import Assignment, Evidence, normalised
from fxs_hpc.emc.scale_factors import updated
from fxs_hpc.emc.workload import Workload


class Field(NamedTuple):
    """The intensity that frames are compared with.

    values: in cubes (`expansion.fill`); active bool[evaluations of the workload]: which likelihoods are computed; floor: treatment of
    negative values (`likelihood.FLOOR`).
    """

    values: NDArray[np.float64]
    active: NDArray[np.bool_]
    floor: float


@dataclass(frozen=True)
class Found:
    """What a block of frames says.

    Attributes
    ----------
    assignment : Assignment
        Rotations are places in the rank's table.
    evidence : Evidence
    log_likelihood : float64[e]
        Of every evaluation of these frames; -inf where it was not made.
    phi : float64[n]
        New scale factors, where they were asked for, else the old ones.
    first, counts : int64[m + 1], int16[...]
        Photons at the pixels of each assigned rotation, where they were asked for.
    """

    assignment: Assignment
    evidence: Evidence
    log_likelihood: NDArray[np.float64]
    phi: NDArray[np.float64]
    first: NDArray[np.int64]
    counts: NDArray[np.int16]


def nothing() -> Found:
    """What no frames say: of a rank for which no block of frames is left."""
    none = np.empty(0)
    assignment = Assignment(np.zeros(1, np.int64), np.empty(0, np.int32), none)
    return Found(assignment, Evidence(none, none), none, none, np.zeros(1, np.int64), np.empty(0, np.int16))


def searched(
    work: Workload, low: int, tile: FrameTile, detector: DetectorTable, cubes: PeakCubes, field: Field
) -> tuple[Assignment, Evidence, NDArray[np.float64]]:
    """Probabilities of the candidates of the frames of `tile`, which begin at number `low` of the workload.

    Returns
    -------
    The assignment, the evidence, and the log-likelihood of every evaluation, -inf where it was not made.
    """
    plan, high = work.evaluations, low + len(tile.phi)
    start, stop = plan.start[low], plan.start[high]
    frame = np.repeat(np.arange(high - low, dtype=np.int32), np.diff(plan.start[low : high + 1]))
    made = np.flatnonzero(field.active[start:stop])
    log_likelihood = np.full(stop - start, -np.inf)
    log_likelihood[made] = log_likelihoods(
        frame[made], plan.wanted[start:stop][made], tile, work.rotations, detector, cubes, field.values, field.floor
    )
    first = plan.first[low : high + 1] - plan.first[low]
    rotation = plan.rotation[plan.first[low] : plan.first[high]]
    assignment, evidence = normalised(first, rotation, plan.of_candidates(low, high, log_likelihood), work.log_weight[rotation])
    return assignment, evidence, log_likelihood


def intensity_search(work: Workload, low: int, tile: FrameTile, detector: DetectorTable, cubes: PeakCubes, field: Field) -> Found:
    """Probabilities, and the photons that the new intensity is made of."""
    assignment, evidence, log_likelihood = searched(work, low, tile, detector, cubes, field)
    first, counts = photons_seen(taking_part(assignment, tile.phi), tile.photons, work.rotations, detector, cubes)
    return Found(assignment, evidence, log_likelihood, tile.phi, first, counts)


def phi_search(work: Workload, low: int, tile: FrameTile, detector: DetectorTable, cubes: PeakCubes, field: Field) -> Found:
    """Probabilities, and new scale factors."""
    assignment, evidence, log_likelihood = searched(work, low, tile, detector, cubes, field)
    phi = updated(work.evaluations.tomograms(low, assignment), tile, work.rotations, detector, cubes, field.values)
    return Found(assignment, evidence, log_likelihood, phi, np.zeros(1, np.int64), np.empty(0, np.int16))


def taking_part(assignment: Assignment, phi: NDArray[np.float64]) -> Assignment:
    """The assignment of the frames with a scale factor above zero: those that the intensity is made of."""
    some = phi > LEAST
    counts = np.where(some, np.diff(assignment.first), 0)
    kept = np.repeat(some, np.diff(assignment.first))
    return Assignment(np.concatenate([[0], np.cumsum(counts)]), assignment.rotation[kept], assignment.probability[kept])
