"""Equivalent reflections merged into one intensity with an error bar."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError


@dataclass(frozen=True)
class Orbits:
    """Reflections grouped by symmetry.

    Attributes
    ----------
    hkl : int32[m, 3]
        One reflection of each orbit, the one with the largest (h, k, l).
    member : int64[n]
        Orbit of each reflection.
    """

    hkl: NDArray[np.int32]
    member: NDArray[np.int64]


@dataclass(frozen=True)
class Merged:
    """Merged intensities.

    Attributes
    ----------
    hkl : int32[m, 3]
    intensity, sigma : float64[m]
    multiplicity : int64[m]
        Equivalent reflections, or observations, that went in.
    """

    hkl: NDArray[np.int32]
    intensity: NDArray[np.float64]
    sigma: NDArray[np.float64]
    multiplicity: NDArray[np.int64]


def orbits(hkl: NDArray, operators: NDArray) -> Orbits:
    """Group reflections by the operators of a Laue group.

    Parameters
    ----------
    hkl : int[n, 3]
    operators : int[s, 3, 3]
        Matrices that turn a column (h, k, l) into an equivalent one; the whole group.
    """
    images = np.einsum("sij,nj->sni", np.asarray(operators, np.int64), np.asarray(hkl, np.int64))
    base = 2 * int(np.abs(images).max(initial=0)) + 1
    keys = (images[..., 0] * base + images[..., 1]) * base + images[..., 2]
    largest = np.argmax(keys, axis=0)
    representative = images[largest, np.arange(len(hkl))]
    _, first, member = np.unique(keys.max(axis=0), return_index=True, return_inverse=True)
    return Orbits(representative[first].astype(np.int32), member.astype(np.int64))


def merge(groups: Orbits, intensity: NDArray, sigma: NDArray, seen: NDArray | None = None) -> Merged:
    """Mean of the equivalent reflections, each counted once.

    Parameters
    ----------
    groups : Orbits
        Of all n reflections.
    intensity, sigma : float64[n]
        Sigmas are taken as independent: sigma of the mean = sqrt(sum sigma^2) / count.
    seen : bool[n], optional
        Which reflections were observed; an orbit without any is left out.
    """
    observed = np.isfinite(intensity) if seen is None else seen & np.isfinite(intensity)
    member, count = groups.member[observed], len(groups.hkl)
    number = np.bincount(member, minlength=count)
    kept = number > 0
    total = np.bincount(member, intensity[observed], count)[kept] / number[kept]
    variance = np.bincount(member, sigma[observed] ** 2, count)[kept] / number[kept] ** 2
    return Merged(groups.hkl[kept], total, np.sqrt(variance), number[kept])


def common(first: Merged, second: Merged) -> tuple[Merged, Merged]:
    """The reflections that two sets share, in one order.

    Raises
    ------
    DataError
        There are none.
    """
    places = {tuple(hkl): place for place, hkl in enumerate(second.hkl.tolist())}
    pairs = [(here, places[tuple(hkl)]) for here, hkl in enumerate(first.hkl.tolist()) if tuple(hkl) in places]
    if not pairs:
        raise DataError("the two sets of intensities have no reflection in common; are they of one crystal and one cutoff?")
    here, there = np.array(pairs).T
    return part(first, here), part(second, there)


def part(merged: Merged, places: NDArray) -> Merged:
    """The reflections at `places`: numbers, or bool[m]."""
    return Merged(merged.hkl[places], merged.intensity[places], merged.sigma[places], merged.multiplicity[places])
