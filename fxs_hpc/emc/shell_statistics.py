"""How good merged intensities are, shell by shell: CC1/2, CC*, Rsplit, completeness, multiplicity, I / sigma.

Karplus & Diederichs, Science 336 (2012) 1030 (CC1/2, CC*); White et al., J. Appl. Cryst. 45 (2012) 335 (Rsplit).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.merging import Merged


@dataclass(frozen=True)
class Shells:
    """Statistics of s shells.

    Attributes
    ----------
    edges : float64[s + 1]
        1/Angstrom.
    mean_q : float64[s]
        Mean |q| of the reflections, 1/Angstrom; nan in empty shells, as all that follows.
    pairs, observed, possible : int64[s]
        Reflections in both halves, in the merged set, and that there are.
    cc_half, cc_star, r_split, multiplicity, signal : float64[s]
        `signal` is the mean of I / sigma.
    """

    edges: NDArray[np.float64]
    mean_q: NDArray[np.float64]
    pairs: NDArray[np.int64]
    observed: NDArray[np.int64]
    possible: NDArray[np.int64]
    cc_half: NDArray[np.float64]
    cc_star: NDArray[np.float64]
    r_split: NDArray[np.float64]
    multiplicity: NDArray[np.float64]
    signal: NDArray[np.float64]

    @property
    def completeness(self) -> NDArray[np.float64]:
        """Share of the possible reflections that were observed; nan where there are none."""
        with np.errstate(invalid="ignore"):
            return self.observed / np.where(self.possible, self.possible, np.nan)


def equal_volume_edges(low: float, high: float, count: int) -> NDArray[np.float64]:
    """Edges (1/Angstrom) of `count` shells of equal volume, hence of about as many reflections each."""
    return np.asarray(np.cbrt(np.linspace(low**3, high**3, count + 1)), np.float64)


def linear_edges(high: float, count: int = 20) -> NDArray[np.float64]:
    """Edges of the reference program's shells: linear in q, the last of `count` begins at 1.01 times the largest |q|."""
    return (np.arange(count + 1) * (1.01 * high / (count - 1))).astype(np.float64)


def pearson(a: NDArray, b: NDArray) -> float:
    """Correlation coefficient; nan for fewer than two pairs or without spread."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def cc_star(cc_half: NDArray) -> NDArray[np.float64]:
    """Correlation with the unknown truth, sqrt(2 CC1/2 / (1 + CC1/2)); nan for CC1/2 < 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(2 * cc_half / (1 + cc_half))


def scale_of(a: NDArray, b: NDArray) -> float:
    """Factor that puts B on the scale of A, by least squares; nan where there is none."""
    return float(a @ b / (b @ b)) if len(b) and b @ b > 0 else float("nan")


def r_split(a: NDArray, b: NDArray) -> float:
    """sum |A - B| / (sum |A + B| / 2) / sqrt(2), A and B on one scale; nan without intensities."""
    total = np.sum(np.abs(a + b)) / 2
    return float(np.sum(np.abs(a - b)) / total / np.sqrt(2)) if len(a) and total > 0 else float("nan")


def statistics(halves: tuple[Merged, Merged], merged: Merged, possible: NDArray, reciprocal: NDArray, edges: NDArray) -> Shells:
    """Statistics in the shells between `edges`.

    Rsplit has one scale for all shells: in shells without signal a scale of their own is anything, and would hide what they lack.

    Parameters
    ----------
    halves : two Merged
        Of independent halves of the frames, the same reflections in the same order (`merging.common`).
    merged : Merged
        Of all frames.
    possible : int[n, 3]
        One reflection of every orbit that there is in the range.
    reciprocal : float64[3, 3]
        Columns a*, b*, c*.
    edges : float64[s + 1]
    """
    count = len(edges) - 1
    first, second = halves
    q = np.linalg.norm(first.hkl @ reciprocal.T, axis=1)
    here = _shell(q, edges)
    there = _shell(np.linalg.norm(merged.hkl @ reciprocal.T, axis=1), edges)
    cc = np.array([pearson(first.intensity[here == s], second.intensity[here == s]) for s in range(count)])
    scaled = second.intensity * scale_of(first.intensity, second.intensity)
    signal = np.divide(merged.intensity, merged.sigma, out=np.full(len(merged.sigma), np.nan), where=merged.sigma > 0)
    return Shells(
        edges,
        _means(q, here, count),
        np.bincount(here[here >= 0], minlength=count),
        np.bincount(there[there >= 0], minlength=count),
        np.bincount(_inside(_shell(np.linalg.norm(possible @ reciprocal.T, axis=1), edges)), minlength=count),
        cc,
        cc_star(cc),
        np.array([r_split(first.intensity[here == s], scaled[here == s]) for s in range(count)]),
        _means(merged.multiplicity.astype(float), there, count),
        _means(signal, there, count),
    )


def _shell(q: NDArray, edges: NDArray) -> NDArray[np.int64]:
    """Shell of each |q|; -1 outside."""
    place = np.searchsorted(edges, q, side="right") - 1
    place[q == edges[-1]] = len(edges) - 2
    return np.where((place >= 0) & (place < len(edges) - 1), place, -1)


def _inside(shells: NDArray) -> NDArray:
    return shells[shells >= 0]


def _means(values: NDArray, shells: NDArray, count: int) -> NDArray[np.float64]:
    return np.array([np.nanmean(part) if len(part := values[shells == s]) and np.any(np.isfinite(part)) else np.nan for s in range(count)])
