"""Indexing ambiguity: a lattice with more symmetry than its intensities lets each frame be indexed in several ways that all fit its spots.

The ways differ by the cosets of the Laue group's rotations in those of the lattice ("twin laws"). Which way is right for a frame can only
be told against the intensities of the others. Frames are assigned one after the other to where they agree best with those assigned
before (greedy start, several orders), then again and again against all others, itself left out, until nothing changes; the likelihood is
that of the photons of whole spots. Frames always prefer some way: whether that means anything is told by two halves of the frames, resolved
on their own, that must find the same differences. If they do not the ambiguity is refused and not decided by chance.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.refinement.observations import Observations
from fxs_hpc.emc.refinement.peak_model import LatticeTable
from fxs_hpc.emc.symmetry import LaueGroup
from fxs_hpc.errors import DataError

RESTARTS = 6
PASSES = 40
CLEAR = 3.0
"""Log likelihood by which a frame has to prefer its way to count as decided."""
LEAST_DECIDED = 0.5
LEAST_AGREEMENT = 0.85


class TwinLaws(NamedTuple):
    """Cosets of the Laue group in the lattice's symmetry, the identity first.

    Attributes
    ----------
    matrices : float64[c, 3, 3]
        Cartesian: orientation R becomes T R.
    indices : int64[c, 3, 3]
        The same on h, k, l.
    """

    matrices: NDArray[np.float64]
    indices: NDArray[np.int64]


class Spots(NamedTuple):
    """Photons of whole spots: frame (ascending), reflection int32[n]; a, K, b summed over their pixels float64[n]."""

    frame: NDArray[np.int32]
    reflection: NDArray[np.int32]
    slope: NDArray[np.float64]
    photons: NDArray[np.float64]
    ground: NDArray[np.float64]


class Resolved(NamedTuple):
    """Way chosen for each frame int64[n], by how much it is preferred float64[n], share of frames that do so clearly, and the
    agreement of two halves of the frames that are resolved on their own (a correlation)."""

    choice: NDArray[np.int64]
    margin: NDArray[np.float64]
    decided: float
    agreement: float


def twin_laws(laue: LaueGroup, whole: LaueGroup) -> TwinLaws:
    """One operator of each coset of `laue` in `whole`, the group of the lattice."""
    mine = {operator.tobytes() for operator in laue.proper_indices}
    chosen, seen = [], set()
    order = sorted(range(len(whole.proper_indices)), key=lambda i: whole.proper_indices[i].tobytes() not in mine)
    for i in order:
        operator = whole.proper_indices[i]
        if operator.tobytes() in seen:
            continue
        chosen.append(i)
        seen |= {np.ascontiguousarray(element @ operator).tobytes() for element in laue.proper_indices}
    # The identity stands for its own coset.
    matrices, indices = whole.proper[chosen].copy(), whole.proper_indices[chosen].copy()
    matrices[0], indices[0] = np.eye(3), np.eye(3, dtype=np.int64)
    return TwinLaws(matrices, indices)


def spots_of(seen: Observations, used: NDArray[np.bool_]) -> Spots:
    """The spots of the `used` frames of a block."""
    mine = used[seen.frame]
    return Spots(seen.frame[mine], seen.reflection[mine], *seen.total[mine, :3].T.copy())


def images(table: LatticeTable, laws: TwinLaws) -> NDArray[np.int32]:
    """int32[c, n]: reflection that each reflection becomes under each twin law; -1 outside the table."""
    centre = np.array(table.lookup.shape) // 2
    hkl = np.round(table.hkl).astype(np.int64)
    moved = np.einsum("cij,nj->cni", laws.indices, hkl) + centre
    inside = np.all((moved >= 0) & (moved < np.array(table.lookup.shape)), axis=-1)
    found = table.lookup[tuple(np.moveaxis(np.where(inside[..., None], moved, 0), -1, 0))]
    return np.where(inside, found, -1).astype(np.int32)


@cache
def _kernel() -> Any:
    @kernel
    def gains(spots, first, stop, sets, sums, gain):  # type: ignore[no-untyped-def]
        for c in range(len(gain)):
            gain[c] = 0.0
            for s in range(first, stop):
                u = sets[c, spots.reflection[s]]
                if u < 0 or sums[0, u] <= 0.0:
                    continue
                height = max((sums[1, u] - sums[2, u]) / sums[0, u], 0.0)
                signal = height * spots.slope[s]
                gain[c] += spots.photons[s] * np.log1p(signal / spots.ground[s]) - signal

    @kernel
    def add(spots, first, stop, mine, sign, sums):  # type: ignore[no-untyped-def]
        for s in range(first, stop):
            u = mine[spots.reflection[s]]
            if u >= 0:
                sums[0, u] += sign * spots.slope[s]
                sums[1, u] += sign * spots.photons[s]
                sums[2, u] += sign * spots.ground[s]

    @kernel
    def assign(spots, edges, order, sets, choice, margin, sums, started):  # type: ignore[no-untyped-def]
        gain = np.zeros(len(sets))
        changed = 0
        for d in order:
            if started:
                add(spots, edges[d], edges[d + 1], sets[choice[d]], -1.0, sums)
            gains(spots, edges[d], edges[d + 1], sets, sums, gain)
            best = np.argmax(gain)
            rest = -np.inf
            for c in range(len(gain)):
                if c != best:
                    rest = max(rest, gain[c])
            margin[d] = gain[best] - rest
            changed += best != choice[d]
            choice[d] = best
            add(spots, edges[d], edges[d + 1], sets[best], 1.0, sums)
        return changed

    return assign


def _attempt(
    spots: Spots, edges: NDArray[np.int64], sets: NDArray[np.int32], order: NDArray[np.int64], start: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    count = len(edges) - 1
    choice = np.zeros(count, np.int64) if start is None else start.copy()
    margin = np.zeros(count)
    size = int(sets.max()) + 1
    sums = np.zeros((3, size))
    if start is not None:
        mine = sets[choice[spots.frame], spots.reflection]
        for row, values in enumerate((spots.slope, spots.photons, spots.ground)):
            sums[row] = np.bincount(mine[mine >= 0], values[mine >= 0], size)
    _kernel()(spots, edges, order, sets, choice, margin, sums, start is not None)
    for _ in range(PASSES):
        if not _kernel()(spots, edges, order, sets, choice, margin, sums, True):
            break
    excess = sums[1] - sums[2]
    height = np.divide(excess, sums[0], out=np.zeros(size), where=sums[0] > 0)
    mine = sets[choice[spots.frame], spots.reflection]
    signal = np.where(mine >= 0, np.maximum(height[mine], 0.0), 0.0) * spots.slope
    return choice, margin, float(np.sum(spots.photons * np.log1p(signal / spots.ground) - signal))


def resolve(
    spots: Spots, frames: int, table: LatticeTable, laws: TwinLaws, start: NDArray[np.int64] | None = None, seed: int = 0
) -> Resolved:
    """Choose the way of indexing of every frame.

    Parameters
    ----------
    spots : Spots
        Of all frames, frame numbers 0 .. frames - 1 ascending.
    start : int64[frames], optional
        Choice to improve; else from nothing, several times.
    """
    edges = np.searchsorted(spots.frame, np.arange(frames + 1)).astype(np.int64)
    moved = images(table, laws)
    sets = np.where(moved >= 0, table.unique[moved], -1).astype(np.int32)
    photons = np.bincount(spots.frame, spots.photons - spots.ground, frames)
    strongest = np.argsort(-photons, kind="stable").astype(np.int64)
    if start is not None:
        choice, margin, _ = _attempt(spots, edges, sets, strongest, start)
        return Resolved(choice, margin, _decided(spots, frames, margin), 1.0)
    random = np.random.default_rng(seed)
    orders = [strongest, *(random.permutation(frames) for _ in range(RESTARTS - 1))]
    attempts = sorted((_attempt(spots, edges, sets, order, None) for order in orders), key=lambda attempt: -attempt[2])
    choice, margin, _ = attempts[0]
    return Resolved(choice, margin, _decided(spots, frames, margin), _agreement(spots, frames, table, sets, laws))


def _decided(spots: Spots, frames: int, margin: NDArray[np.float64]) -> float:
    some = np.bincount(spots.frame, minlength=frames) > 0
    return float(np.mean(margin[some] > CLEAR)) if some.any() else 0.0


def _agreement(spots: Spots, frames: int, table: LatticeTable, sets: NDArray[np.int32], laws: TwinLaws) -> float:
    """Correlation, between two halves of the frames that are resolved on their own, of what tells the ways apart: heights minus their mean
    over the ways. By chance it is near 0, whatever the halves make of their own frames."""
    size = int(table.unique.max()) + 1
    odd = []
    for half in (0, 1):
        mine = spots.frame % 2 == half
        part = Spots(*(column[mine] for column in spots))
        edges = np.searchsorted(part.frame, np.arange(frames + 1)).astype(np.int64)
        order = np.argsort(-np.bincount(part.frame, part.photons - part.ground, frames), kind="stable").astype(np.int64)
        choice, _, _ = _attempt(part, edges, sets, order, None)
        odd.append(_difference(part, choice, sets, size))
    ways = images(table, laws)
    found = 0.0
    for way in ways:
        partner = np.full(size, -1)
        inside = way >= 0
        partner[table.unique[inside]] = table.unique[way[inside]]
        both = (partner >= 0) & np.isfinite(odd[0]) & np.isfinite(odd[1][partner])
        a, b = odd[0][both], odd[1][partner][both]
        if len(a) > 2 and a.any() and b.any():
            found = max(found, float(a @ b / np.sqrt((a @ a) * (b @ b))))
    return found


def _difference(spots: Spots, choice: NDArray[np.int64], sets: NDArray[np.int32], size: int) -> NDArray[np.float64]:
    """Height of each set of equivalents minus the mean over the ways of indexing it, float64[size]; nan where a part is unknown."""
    mine = sets[choice[spots.frame], spots.reflection]
    known = mine >= 0
    slope = np.bincount(mine[known], spots.slope[known], size)
    excess = np.bincount(mine[known], (spots.photons - spots.ground)[known], size)
    height = np.divide(excess, slope, out=np.full(size, np.nan), where=slope > 0)
    result = np.full(size, np.nan)
    inside = np.all(sets >= 0, axis=0)
    mean = height[sets[:, inside]].mean(axis=0)
    result[sets[0, inside]] = height[sets[0, inside]] - mean
    return result


def require(found: Resolved, laws: TwinLaws) -> None:
    """Refuse an ambiguity that the frames do not decide.

    Raises
    ------
    DataError
        With what was found and what to do.
    """
    if found.decided >= LEAST_DECIDED and found.agreement >= LEAST_AGREEMENT:
        return
    ways = len(laws.matrices)
    raise DataError(
        f"the lattice has {ways} times the symmetry of the Laue group in sym-op.dat: each frame can be indexed in {ways} ways, and the "
        f"frames do not tell which is right: {found.decided:.0%} of them prefer one way clearly (needed {LEAST_DECIDED:.0%}), two halves "
        f"of the frames agree to {found.agreement:.2f} on the difference (needed {LEAST_AGREEMENT:.2f}). Either the intensities have the "
        f"symmetry of the lattice: make sym-op.dat for that group (fxs-hpc emc make-sym-op). Or more, or brighter, frames are needed"
    )


def reindexed_rotations(rotations: NDArray[np.float64], choice: NDArray[np.int64], laws: TwinLaws) -> NDArray[np.float64]:
    """Orientations float64[n, 3, 3] in the way chosen for each frame."""
    return np.asarray(laws.matrices[choice] @ rotations)


def reindexed(seen: Observations, choice: NDArray[np.int64], table: LatticeTable, laws: TwinLaws) -> Observations:
    """Observations in the way chosen for each frame of the block; twin laws keep |G|, so that no reflection leaves the table."""
    return seen._replace(reflection=images(table, laws)[choice[seen.frame], seen.reflection])
