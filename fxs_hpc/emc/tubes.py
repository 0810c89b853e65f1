"""Tubes of orientations: what can explain a peak by a reflection, and which samples lie within enough of them.

Let q be a peak, g a lattice point, and t the distance within which they belong together. If |R q - g| <= t, the angle between R q and g is
at most theta, where |R q - g|^2 = |q|^2 + |g|^2 - 2 |q| |g| cos theta = t^2, that is

    sin^2(theta / 2) = (t^2 - (|q| - |g|)^2) / (4 |q| |g|).

The unit quaternions x that turn q exactly into the direction of g form a great circle C of the sphere in four dimensions. With the pure
unit quaternions a (along q) and b (along g), R(x) a = x* a x gives |a x - x b| = |R(x) a - b| = 2 sin(angle / 2), and the linear map
L x = (a x - x b) / 2 vanishes on C and keeps lengths on its complement: it is the projection on that plane followed by a rotation. So the
distance d of x from C obeys sin d = |L x| = sin(angle / 2): *the orientations that explain q by g are those within d = theta / 2 of C*,
exactly. The complement is spanned by y1 = a - b and y2 = -1 - a b; with f1, f2 these normalised, sin^2 d = (x f1)^2 + (x f2)^2.

A frame gives some hundred such tubes, one for each pair of a peak and a lattice point of matching modulus. They are followed down the tree
of samples, those of several frames together: a part with the centre c and the radius rho holds a sample of the tube only if c is within
theta / 2 + rho of C (triangle inequality on the sphere), which needs sin d(c) <= sin(theta / 2) + sin(rho). Parts that tubes of too few
peaks reach are left out. Single precision is allowed for by `SLACK`, so that nothing is missed and a little too much is found.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.emc.sample_tree import WIDTH, SampleTree

SLACK = np.float32(4e-6)
"""Added to the radii of tubes: four products and their sum in single precision are wrong by less than 1e-6."""
U = np.uint64
"""Type of the innermost indices: a signed index costs a test for negative values, which keeps loops scalar."""
INLINE: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "forceinline": True, "fastmath": {"contract"}}


class Matches(NamedTuple):
    """Lattice points whose moduli match those of peaks.

    Attributes
    ----------
    size : float64[p]
        Moduli of the peaks.
    first, stop : int64[p]
        Lattice points first .. stop - 1 match.
    reach : float
        Distance within which a peak belongs to a lattice point.
    """

    size: NDArray[np.float64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    reach: float

    @property
    def counts(self) -> NDArray[np.int64]:
        """Lattice points, hence tubes, of each peak."""
        return self.stop - self.first

    def of(self, some: slice) -> "Matches":
        """The matches of some of the peaks."""
        return Matches(self.size[some], self.first[some], self.stop[some], self.reach)


def matching(peaks: NDArray[np.float64], modulus: NDArray[np.float64], reach: float) -> Matches:
    """Lattice points that peaks float64[p, 3] can belong to, by their ascending moduli float64[g]."""
    size = np.linalg.norm(peaks, axis=1)
    return Matches(size, np.searchsorted(modulus, size - reach), np.searchsorted(modulus, size + reach, side="right"), reach)


def tubes(
    peaks: NDArray[np.float64], position: NDArray[np.float64], modulus: NDArray[np.float64], matches: Matches
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Tubes of all pairs of a peak and a lattice point of matching modulus, ordered by peak.

    Parameters
    ----------
    peaks : float64[p, 3]
    position : float64[g, 3]
        Lattice points.
    modulus : float64[g]
        Their moduli, ascending, none zero.
    matches : Matches
        `matching(peaks, modulus, reach)`.

    Returns
    -------
    tubes : float32[n, 9]
        f1, f2, and the sine of the radius, enlarged by `SLACK`.
    peak : int32[n]
        Peak of each.
    """
    return _tubes(peaks, matches.size, matches.first, matches.stop, position, modulus, matches.reach)


def samples_within(
    found: NDArray[np.float32], peak: NDArray[np.int32], frame: NDArray[np.int32], least: int, tree: SampleTree
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Samples that lie within tubes of at least `least` peaks of a frame, and some that nearly do.

    Several frames go down the tree together: what is read of it serves them all.

    Parameters
    ----------
    found : float32[n, 9]
        From `tubes`, ordered by frame and peak.
    peak : int32[n]
        Peak of each, peaks of all frames numbered through.
    frame : int32[n]
        Frame of each.

    Returns
    -------
    frame, sample : int32[m]
        In no order.
    """
    rows, parts = tree.rows.reshape(len(tree.rows), -1), tree.parts.reshape(len(tree.parts), -1)
    return _descend(found, peak, frame, np.int32(least), tree.number, rows, parts, tree.level_start, tree.level_size)


@kernel
def _tubes(peaks, sizes, first, stop, position, modulus, reach):  # type: ignore[no-untyped-def]
    """Tubes of the pairs of peak p and lattice points first[p] .. stop[p]: f1, f2 and sine of the radius, float32[n, 9]; peak of each."""
    count = 0
    for p in range(peaks.shape[0]):
        count += stop[p] - first[p]
    tubes = np.empty((count, 9), np.float32)
    peak = np.empty(count, np.int32)
    at = 0
    for p in range(peaks.shape[0]):
        a0, a1, a2 = peaks[p, 0] / sizes[p], peaks[p, 1] / sizes[p], peaks[p, 2] / sizes[p]
        for r in range(first[p], stop[p]):
            b0, b1, b2 = position[r, 0] / modulus[r], position[r, 1] / modulus[r], position[r, 2] / modulus[r]
            d0, d1, d2 = a0 - b0, a1 - b1, a2 - b2
            length = np.sqrt(d0 * d0 + d1 * d1 + d2 * d2)
            if length < 1e-10:
                d0, d1, d2 = (-a1, a0, 0.0) if abs(a2) < 0.8 else (0.0, -a2, a1)
                norm = np.sqrt(d0 * d0 + d1 * d1 + d2 * d2)
            else:
                norm = length
            f1, f2, f3 = d0 / norm, d1 / norm, d2 / norm
            c0, c1, c2 = 0.5 * (a0 + b0), 0.5 * (a1 + b1), 0.5 * (a2 + b2)
            tubes[at, 0] = 0
            tubes[at, 1] = f1
            tubes[at, 2] = f2
            tubes[at, 3] = f3
            tubes[at, 4] = -0.5 * length
            tubes[at, 5] = c1 * f3 - c2 * f2
            tubes[at, 6] = c2 * f1 - c0 * f3
            tubes[at, 7] = c0 * f2 - c1 * f1
            square = (reach * reach - (sizes[p] - modulus[r]) ** 2) / (4 * sizes[p] * modulus[r])
            tubes[at, 8] = np.float32(np.sqrt(min(1.0, max(0.0, square)))) + SLACK
            peak[at] = p
            at += 1
    return tubes, peak


@numba.njit(**INLINE)
def _reach(tubes, peak, frame, chosen, least, group, width, hits, last, peaks, worth):  # type: ignore[no-untyped-def]
    """hits[16 i + j] = 1 where tube chosen[i] reaches part j of a group (flat [5, 16]), and with it tubes of `least` peaks of its frame.

    worth[j] = whether any tube does.
    """
    row1, row2, row3, row4 = width, U(2) * width, U(3) * width, U(4) * width
    count = chosen.shape[0]
    for j in range(width):
        last[j] = -1
        peaks[j] = 0
        worth[j] = 0
    begin = 0
    for i in range(count):
        tube = chosen[i]
        t = tubes[tube]
        of = peak[tube]
        f0, f1, f2, f3, g0, g1, g2, g3, sine = t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8]
        at = U(i) * width
        for j in range(width):
            c0, c1, c2, c3 = group[j], group[row1 + j], group[row2 + j], group[row3 + j]
            u = f0 * c0 + f1 * c1 + f2 * c2 + f3 * c3
            w = g0 * c0 + g1 * c1 + g2 * c2 + g3 * c3
            reach = sine + group[row4 + j]
            hit = u * u + w * w <= reach * reach
            hits[at + j] = np.uint8(hit)
            peaks[j] += np.int32(hit & (last[j] != of))
            last[j] = of if hit else last[j]
        if i + 1 == count or frame[chosen[i + 1]] != frame[tube]:
            for j in range(width):
                worth[j] |= np.int32(peaks[j] >= least)
            for k in range(begin, i + 1):
                at = U(k) * width
                for j in range(width):
                    hits[at + j] &= np.uint8(peaks[j] >= least)
            for j in range(width):
                peaks[j] = 0
            begin = i + 1


@numba.njit(**INLINE)
def _choose(chosen, hits, first, second, taken):  # type: ignore[no-untyped-def]
    """Put the tubes that reach one of two parts into `taken`; how many there are."""
    length = U(0)
    for i in range(U(chosen.shape[0])):
        taken[length] = chosen[i]
        length += U(hits[U(WIDTH) * i + first] | hits[U(WIDTH) * i + second])
    return length


@numba.njit(**INLINE)
def _vote(tubes, chosen, row, width, votes):  # type: ignore[no-untyped-def]
    """votes[j] = number of tubes that hold sample j of a row (flat [4, 16]); returns the largest."""
    row1, row2, row3 = width, U(2) * width, U(3) * width
    for j in range(width):
        votes[j] = 0
    for i in range(chosen.shape[0]):
        t = tubes[chosen[i]]
        f0, f1, f2, f3, g0, g1, g2, g3, reach = t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8] * t[8]
        for j in range(width):
            c0, c1, c2, c3 = row[j], row[row1 + j], row[row2 + j], row[row3 + j]
            u = f0 * c0 + f1 * c1 + f2 * c2 + f3 * c3
            w = g0 * c0 + g1 * c1 + g2 * c2 + g3 * c3
            votes[j] += np.int32(u * u + w * w <= reach)
    most = np.int32(0)
    for j in range(width):
        most = max(most, votes[j])
    return most


@kernel
def _descend(tubes, peak, frame, least, number, rows, parts, level_start, level_size):  # type: ignore[no-untyped-def]
    """Frames and samples: the sample lies within tubes of at least `least` peaks of the frame.

    rows [n, 64] and parts [n, 80] are flat, so that loops over sixteen become vector instructions.
    """
    width = U(rows.shape[1] // 4)
    levels = level_size.shape[0]
    size = tubes.shape[0]
    found = np.empty((1024, 2), np.int32)
    count = 0
    hits = np.empty((levels, size * WIDTH), np.uint8)
    worth = np.empty((levels, WIDTH), np.int32)
    last = np.empty(WIDTH, np.int32)
    counts = np.empty(WIDTH, np.int32)
    lists = np.empty((levels + 1, size + 1), np.int32)
    lengths = np.zeros(levels + 1, np.int64)
    group = np.zeros(levels, np.int64)
    child = np.zeros(levels, np.int64)
    lists[levels, :size] = np.arange(size)
    lengths[levels] = size
    level, part, enter = levels, 0, True
    while level < levels or enter:
        if enter:
            level -= 1
            group[level], child[level], enter = part, 0, False
            chosen = lists[level + 1, : lengths[level + 1]]
            _reach(tubes, peak, frame, chosen, least, parts[level_start[level] + part], width, hits[level], last, counts, worth[level])
        j = child[level]
        part = WIDTH * group[level] + j
        if j == WIDTH or part >= level_size[level]:
            level += 1
            continue
        second = j if level > 0 else j + 1
        child[level] = second + 1
        if worth[level, j] == 0 and worth[level, second] == 0:
            continue
        length = _choose(lists[level + 1, : lengths[level + 1]], hits[level], U(j), U(second), lists[level])
        lengths[level] = length
        if level > 0:
            enter = True
            continue
        begin = 0
        for i in range(length):
            if i + 1 < length and frame[lists[0, i + 1]] == frame[lists[0, i]]:
                continue
            if _vote(tubes, lists[0, begin : i + 1], rows[part // 2], width, counts) >= least:
                if count + WIDTH > found.shape[0]:
                    found = np.concatenate((found, np.empty_like(found)))
                for k in range(WIDTH):
                    found[count, 0] = frame[lists[0, i]]
                    found[count, 1] = number[part // 2 * WIDTH + k]
                    count += counts[k] >= least
            begin = i + 1
    return found[:count, 0].copy(), found[:count, 1].copy()
