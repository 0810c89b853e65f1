"""Orientations that explain the peaks of a frame.

An orientation R explains a peak q if hkl = round(G^-1 R q) is a reflection of the shell (inner <= |G hkl| <= outer, not the origin) and
|R q - G hkl| <= t. It is a candidate if it explains peaks by at least `least` different reflections.

Not all samples are tried on all peaks: each pair of a peak and a lattice point of matching modulus fixes a tube of orientations
(`emc.tubes`), and only the samples within tubes of enough peaks are tested.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.lattice import VoxelGrid
from fxs_hpc.emc.reflections import TIE
from fxs_hpc.emc.sample_tree import SampleTree
from fxs_hpc.emc.tubes import Matches, matching, samples_within, tubes

TOGETHER = 16
"""Frames that go down the tree together."""
TUBES = 100_000
"""Tubes that do, unless one frame has more: 20 MB."""


@dataclass(frozen=True)
class Shell:
    """All lattice points between two radii, ascending in modulus.

    Attributes
    ----------
    position : float64[n, 3]
        1/Angstrom.
    modulus : float64[n]
    """

    position: NDArray[np.float64]
    modulus: NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """What counts as an explanation.

    Attributes
    ----------
    grid : VoxelGrid
        Lattice, and distance `grid.tolerance` within which a peak belongs to a lattice point.
    inner, outer : float
        Shell that lattice points, and peaks, must lie in; 1/Angstrom.
    least : int
        Different reflections that a candidate explains at the least.

    All limits are inclusive, up to the relative rounding error `reflections.TIE`.
    """

    grid: VoxelGrid
    inner: float
    outer: float
    least: int

    @cached_property
    def numbers(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float, NDArray[np.float64]]:
        """G^-1, G, square of the distance, squares of the radii, with room for rounding."""
        lattice = self.grid.lattice
        radii = np.array([self.inner * (1 - TIE), self.outer * (1 + TIE)])
        return np.ascontiguousarray(lattice.basis.T), lattice.reciprocal, self.grid.tolerance**2 * (1 + TIE), radii**2


@dataclass(frozen=True)
class Found:
    """Candidates of one frame.

    Attributes
    ----------
    rotation : int32[n]
        Sample numbers, ascending.
    explained : int32[n]
        Peaks that each explains.
    """

    rotation: NDArray[np.int32]
    explained: NDArray[np.int32]


def shell(rule: Rule) -> Shell:
    """Lattice points that peaks may belong to."""
    lattice = rule.grid.lattice
    reach = [ceil(rule.outer * length) for length in lattice.cell[:3]]
    hkl = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    position = hkl @ lattice.reciprocal.T
    modulus = np.linalg.norm(position, axis=1)
    kept = np.flatnonzero((modulus >= rule.inner * (1 - TIE)) & (modulus <= rule.outer * (1 + TIE)) & (modulus > 0))
    kept = kept[np.argsort(modulus[kept], kind="stable")]
    return Shell(np.ascontiguousarray(position[kept]), modulus[kept])


def in_shell(rule: Rule, peaks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether peaks float64[n, 3] (1/Angstrom) lie in the shell of the rule."""
    modulus = np.linalg.norm(peaks, axis=1)
    return (modulus >= rule.inner * (1 - TIE)) & (modulus <= rule.outer * (1 + TIE))


def search(
    frames: Sequence[NDArray[np.float64]], rule: Rule, points: Shell, quaternions: NDArray[np.float64], tree: SampleTree
) -> list[Found]:
    """Candidate orientations of some frames.

    Parameters
    ----------
    frames : sequence of float64[n, 3]
        Peaks of each frame: reciprocal vectors in the laboratory, 1/Angstrom, in the shell of the rule.
    points : Shell
        `shell(rule)`.
    quaternions : float64[N, >= 4]
        All samples.
    tree : SampleTree
        Of the same samples.
    """
    peaks = np.concatenate([np.asarray(frame, np.float64).reshape(-1, 3) for frame in frames])
    first = np.concatenate([[0], np.cumsum([len(frame) for frame in frames])]).astype(np.int64)
    matches = matching(peaks, points.modulus, rule.grid.tolerance * (1 + TIE))
    parts = [_near(peaks, first, *part, matches, rule, points, tree) for part in _parts(matches, first)]
    frame, sample = (np.concatenate(arrays) for arrays in zip(*parts))
    order = np.lexsort((sample, frame))
    frame, sample = frame[order], sample[order]
    explained, different = _explained(frame, sample, peaks, first, *rule.numbers, quaternions)
    good = different >= rule.least
    frame, sample, explained = frame[good], sample[good], explained[good]
    ends = np.searchsorted(frame, np.arange(len(frames) + 1))
    return [Found(sample[start:stop], explained[start:stop]) for start, stop in zip(ends[:-1], ends[1:])]


def _parts(matches: Matches, first: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """First and stop of frames that go down the tree together."""
    tubes_before = np.concatenate([[0], np.cumsum(matches.counts)])[first]
    start, frames = 0, len(first) - 1
    while start < frames:
        enough = int(np.searchsorted(tubes_before, tubes_before[start] + TUBES, side="right")) - 1
        stop = min(max(enough, start + 1), start + TOGETHER, frames)
        yield start, stop
        start = stop


def _near(
    peaks: NDArray[np.float64],
    first: NDArray[np.int64],
    start: int,
    stop: int,
    matches: Matches,
    rule: Rule,
    points: Shell,
    tree: SampleTree,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Frames and samples that may be candidates, of frames start .. stop - 1."""
    some = slice(first[start], first[stop])
    frame_of = np.repeat(np.arange(start, stop, dtype=np.int32), np.diff(first[start : stop + 1]))
    found, peak = tubes(peaks[some], points.position, points.modulus, matches.of(some))
    return samples_within(found, peak, frame_of[peak], rule.least, tree)


@kernel
def _explained(frame, rotation, peaks, first, to_hkl, reciprocal, tolerance, limits, quaternions):  # type: ignore[no-untyped-def]
    """Peaks of a frame that a rotation explains, and different reflections among them: none where the pair was there before."""
    explained = np.zeros(rotation.shape[0], np.int32)
    different = np.zeros(rotation.shape[0], np.int32)
    seen = np.empty((peaks.shape[0], 3))
    hkl = np.empty(3)
    x = np.empty(3)
    for i in range(rotation.shape[0]):
        if i > 0 and rotation[i] == rotation[i - 1] and frame[i] == frame[i - 1]:
            continue
        a, b, c, d = quaternions[rotation[i], 0], quaternions[rotation[i], 1], quaternions[rotation[i], 2], quaternions[rotation[i], 3]
        r00, r01, r02 = 1 - 2 * (c * c + d * d), 2 * (b * c + a * d), 2 * (b * d - a * c)
        r10, r11, r12 = 2 * (b * c - a * d), 1 - 2 * (b * b + d * d), 2 * (a * b + c * d)
        r20, r21, r22 = 2 * (a * c + b * d), 2 * (c * d - a * b), 1 - 2 * (b * b + c * c)
        for p in range(first[frame[i]], first[frame[i] + 1]):
            q0, q1, q2 = peaks[p, 0], peaks[p, 1], peaks[p, 2]
            x[0] = r00 * q0 + r01 * q1 + r02 * q2
            x[1] = r10 * q0 + r11 * q1 + r12 * q2
            x[2] = r20 * q0 + r21 * q1 + r22 * q2
            for k in range(3):
                value = to_hkl[k, 0] * x[0] + to_hkl[k, 1] * x[1] + to_hkl[k, 2] * x[2]
                hkl[k] = np.copysign(np.floor(np.abs(value) + 0.5), value)
            distance = 0.0
            square = 0.0
            for k in range(3):
                g = reciprocal[k, 0] * hkl[0] + reciprocal[k, 1] * hkl[1] + reciprocal[k, 2] * hkl[2]
                distance += (x[k] - g) ** 2
                square += g * g
            if distance > tolerance or square < limits[0] or square > limits[1] or square == 0:
                continue
            known = False
            for s in range(different[i]):
                known = known or (seen[s, 0] == hkl[0] and seen[s, 1] == hkl[1] and seen[s, 2] == hkl[2])
            if not known:
                seen[different[i]] = hkl
                different[i] += 1
            explained[i] += 1
    return explained, different
