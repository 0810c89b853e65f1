"""Frames of several ranks may be assigned to one rotation: one of them, its owner, gets what all of them saw there.

The owner is the rank of the lowest such frame. Who it is, is found by arbiters, each for a part of all rotations, so that no rank
hears of all. Rotations that are assigned on one rank only, nearly all where the sampling is fine, cost nothing but a word to the arbiter.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.parallel.communicator import Communicator


class Pairs(NamedTuple):
    """Assigned pairs of a rotation and a frame, and what was seen.

    rotation i8[m]: number among all samples; frame i8[m]: number among all frames; probability, phi f8[m]; length i8[m] and counts
    i2[sum of lengths]: photons at the pixels of the rotation; background f8[m', bins + 1] with row i8[m] of each pair.
    """

    rotation: NDArray[np.int64]
    frame: NDArray[np.int64]
    probability: NDArray[np.float64]
    phi: NDArray[np.float64]
    length: NDArray[np.int64]
    counts: NDArray[np.int16]
    background: NDArray[np.float64]
    row: NDArray[np.int64]

    @property
    def start(self) -> NDArray[np.int64]:
        """Where the counts of each pair begin, int64[m]."""
        return np.cumsum(self.length) - self.length

    def selected(self, which: NDArray[np.int64]) -> "Pairs":
        """Some of the pairs, each with a row of its own in `background`."""
        counts = self.counts[ragged(self.start[which], self.length[which])]
        rows, row = np.unique(self.row[which], return_inverse=True)
        return Pairs(
            self.rotation[which],
            self.frame[which],
            self.probability[which],
            self.phi[which],
            self.length[which],
            counts,
            self.background[rows],
            row.reshape(-1).astype(np.int64),
        )


def ragged(start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.int64]:
    """start[0] .. start[0] + length[0], start[1] .. and so on, one after the other."""
    ends = np.cumsum(length)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - (ends - length), length)


def joined(parts: list[Pairs]) -> Pairs:
    """All pairs of all parts."""
    shift = np.cumsum([0, *(len(part.background) for part in parts[:-1])])
    columns = [np.concatenate(values) for values in zip(*(part[:-1] for part in parts), strict=True)]
    return Pairs(*columns, row=np.concatenate([part.row + offset for part, offset in zip(parts, shift)]))  # type: ignore[misc]


def at_owners(ranks: Communicator, pairs: Pairs) -> Pairs:
    """The pairs of all rotations that this rank owns, of its own frames (by frame) and then of others.

    Parameters
    ----------
    pairs : Pairs
        Of this rank's frames, ascending by frame.
    """
    if ranks.size == 1:
        return pairs
    given, owner = _given_away(ranks, pairs)
    place = np.searchsorted(given, pairs.rotation)
    away = (
        (place < len(given)) & (given[np.minimum(place, max(len(given) - 1, 0))] == pairs.rotation)
        if len(given)
        else np.zeros(len(pairs.rotation), bool)
    )
    target = np.where(away, owner[np.minimum(place, max(len(owner) - 1, 0))] if len(owner) else ranks.rank, ranks.rank)
    parcels = [pairs.selected(np.flatnonzero(away & (target == rank))) for rank in range(ranks.size)]
    received = ranks.all_to_all(parcels)
    kept = pairs.selected(np.flatnonzero(~away)) if away.any() else pairs
    return joined([kept, *(parcel for parcel in received if len(parcel.rotation))])


def _given_away(ranks: Communicator, pairs: Pairs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rotations of this rank that others own, ascending, and their owners."""
    rotation, first = np.unique(pairs.rotation, return_index=True)
    lowest = pairs.frame[first]
    arbiter = rotation % ranks.size
    heard = ranks.all_to_all([(rotation[arbiter == rank], lowest[arbiter == rank]) for rank in range(ranks.size)])
    answers = ranks.all_to_all(_decided(heard))
    given, owner = (np.concatenate(column) for column in zip(*answers, strict=True))
    order = np.argsort(given)
    return given[order], owner[order]


def _decided(heard: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each rank the rotations that another one owns, and who: the rank that has the lowest frame."""
    rotation = np.concatenate([part[0] for part in heard])
    lowest = np.concatenate([part[1] for part in heard])
    sender = np.repeat(np.arange(len(heard)), [len(part[0]) for part in heard])
    order = np.lexsort((lowest, rotation))
    new = np.diff(rotation[order], prepend=-1) != 0
    owner = np.empty(len(order), np.int64)
    owner[order] = sender[order][new][np.cumsum(new) - 1] if len(order) else 0
    return [(rotation[mine], owner[mine]) for mine in ((sender == rank) & (owner != rank) for rank in range(len(heard)))]
