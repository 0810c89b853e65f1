"""Samples of rotations in a tree, by which those near a set of rotations are found without looking at all.

Rotations are points of the unit sphere in four dimensions, with q and -q the same. The samples are cut in halves along their widest
direction until eight are left; sixteen neighbouring parts make a part of the next level. A part has a centre and a radius, the largest
angle between the centre and a sample of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fxs_hpc.emc.compiled import kernel
from fxs_hpc.parallel.partition import block

LEAF = 8
"""Samples of the smallest parts, the leaves."""
WIDTH = 16
"""Parts of a part, and samples that are looked at together (two leaves): as many numbers as one or two vector registers hold."""
SLACK = 1e-6
"""Added to the radii (rad): they are used in single precision."""

Allocate = Callable[[tuple[int, ...], DTypeLike], NDArray]


@dataclass(frozen=True)
class SampleTree:
    """Parts of a set of rotation samples.

    Attributes
    ----------
    number : int32[16 rows]
        Which sample stands at each place; the last one is repeated to fill the last row.
    rows : float32[rows, 4, 16]
        Quaternions of the samples: leaf i is half i % 2 of row i // 2.
    parts : float32[groups, 5, 16]
        Sixteen parts of one part: centre (4) and sine of the radius. Groups of the lowest level come first: its part i is leaf i.
    level_start : int64[levels + 1]
        First group of each level. The last level has one group.
    level_size : int64[levels]
        Parts of each level.
    """

    number: NDArray[np.int32]
    rows: NDArray[np.float32]
    parts: NDArray[np.float32]
    level_start: NDArray[np.int64]
    level_size: NDArray[np.int64]


def level_sizes(samples: int) -> NDArray[np.int64]:
    """Number of parts of each level, from the leaves up to at most sixteen."""
    sizes = [2 * max(1, -(-samples // WIDTH))]
    while sizes[-1] > WIDTH:
        sizes.append(-(-sizes[-1] // WIDTH))
    return np.array(sizes, np.int64)


def memory(samples: int) -> int:
    """Bytes of a tree."""
    sizes = level_sizes(samples)
    return int(sizes[0] * LEAF * 20 + np.sum(-(-sizes // WIDTH)) * 5 * WIDTH * 4)


def empty_tree(samples: int, allocate: Allocate = np.zeros) -> SampleTree:
    """A tree without content, its arrays made by `allocate`: memory that several processes share, for example."""
    sizes = level_sizes(samples)
    start = np.concatenate([[0], np.cumsum(-(-sizes // WIDTH))])
    rows = int(sizes[0]) // 2
    return SampleTree(
        allocate((rows * WIDTH,), np.int32),
        allocate((rows, 4, WIDTH), np.float32),
        allocate((int(start[-1]), 5, WIDTH), np.float32),
        start,
        sizes,
    )


def fill(tree: SampleTree, quaternions: NDArray[np.float64]) -> None:
    """Put samples into a tree made by `empty_tree` for as many.

    Parameters
    ----------
    quaternions : float64[N, >= 4]
        Unit quaternions in the first four columns, of any signs.
    """
    for _ in filling(tree, quaternions, np.zeros(5, np.int64), 0, 1):
        pass


def filling(tree: SampleTree, quaternions: NDArray[np.float64], faces: NDArray[np.int64], part: int, parts: int) -> Iterator[None]:
    """One part of the work of `fill`, for processes that share the memory of the tree; all wait for each other at every step.

    The tree is the same for any number of parts.

    Parameters
    ----------
    faces : int64[5]
        Shared too; where the samples of each face begin.
    part, parts : int
        Which part this is, of how many.
    """
    count = len(quaternions)
    number = tree.number[:count]
    coordinates = tree.rows.reshape(-1)[: 3 * count].reshape(count, 3)  # room that is needed for nothing else before the rows are filled
    if part == 0:
        faces[:] = _sort_by_face(quaternions, number, coordinates)
    yield
    for face in range(part, 4, parts):
        _halve(coordinates, number, faces[face], faces[face + 1])
    yield
    if part == 0:
        tree.number[count:] = number[-1]
    yield
    low, high = block(len(tree.rows), part, parts)
    _fill_rows(quaternions, tree.number[low * WIDTH : high * WIDTH], tree.rows[low:high])
    yield
    for level, size in enumerate(tree.level_size.tolist()):
        low, high = block(size, part, parts)
        _bound(tree.rows, level, low, high, tree.parts[tree.level_start[level] : tree.level_start[level + 1]])
    yield


def sample_tree(quaternions: NDArray[np.float64]) -> SampleTree:
    """The tree of unit quaternions float64[N, >= 4]."""
    tree = empty_tree(len(quaternions))
    fill(tree, quaternions)
    return tree


@kernel
def _sort_by_face(quaternions, number, coordinates):  # type: ignore[no-untyped-def]
    """Group samples by their largest component; the other three over it become flat coordinates. Returns where each group begins."""
    count = quaternions.shape[0]
    face = np.empty(count, np.int8)
    begins = np.zeros(5, np.int64)
    for i in range(count):
        largest = 0
        for k in range(1, 4):
            if abs(quaternions[i, k]) > abs(quaternions[i, largest]):
                largest = k
        face[i] = largest
        begins[largest + 1] += 1
    for k in range(4):
        begins[k + 1] += begins[k]
    at = begins[:4].copy()
    for i in range(count):
        f = face[i]
        place = at[f]
        at[f] += 1
        number[place] = i
        for k in range(3):
            coordinates[place, k] = quaternions[i, k + 1 if k >= f else k] / quaternions[i, f]
    return begins


@kernel
def _halve(coordinates, number, start, stop):  # type: ignore[no-untyped-def]
    """Order samples start .. stop so that runs of 8, 128, 2048, ... (counted from place 0) lie close together."""
    ends = np.empty((128, 2), np.int64)
    boxes = np.empty((128, 2, 3), np.float32)
    ends[0, 0], ends[0, 1] = start, stop
    boxes[0, 0], boxes[0, 1] = -1, 1
    depth = 1
    while depth > 0:
        depth -= 1
        low, high = ends[depth, 0], ends[depth, 1]
        step = LEAF
        while step * 2 * WIDTH <= high - low:
            step *= WIDTH
        middle = (low + high + step) // (2 * step) * step
        if middle <= low or middle >= high:
            continue
        axis = np.argmax(boxes[depth, 1] - boxes[depth, 0])
        _select(coordinates, number, low, high, middle, axis, boxes[depth, 0, axis], boxes[depth, 1, axis])
        cut = coordinates[middle, axis]
        ends[depth, 1] = middle
        ends[depth + 1, 0], ends[depth + 1, 1] = middle, high
        boxes[depth + 1] = boxes[depth]
        boxes[depth, 1, axis] = cut
        boxes[depth + 1, 0, axis] = cut
        depth += 2


@kernel
def _select(coordinates, number, low, high, middle, axis, least, most):  # type: ignore[no-untyped-def]
    """Exchange samples until none before `middle` is beyond the one at `middle`, and none after it before it, along `axis`.

    Hoare's selection. All lie between `least` and `most`, nearly evenly: the pivot is where the middle would be if they were even, each
    second time that of a sample, which ends the search whatever they are.
    """
    last = high - 1
    even = True
    while low < last:
        pivot = coordinates[(low + last) // 2, axis]
        if even and last - low > 64:
            pivot = least + (most - least) * np.float32((middle - low + 0.5) / (last - low + 1))
        even = not even
        i, j = low, last
        while i <= j:
            while i <= j and coordinates[i, axis] < pivot:
                i += 1
            while i <= j and coordinates[j, axis] > pivot:
                j -= 1
            if i <= j:
                for k in range(3):
                    coordinates[i, k], coordinates[j, k] = coordinates[j, k], coordinates[i, k]
                number[i], number[j] = number[j], number[i]
                i += 1
                j -= 1
        if middle <= j:
            last = j
            most = pivot
        elif middle >= i:
            low = i
            least = pivot
        else:
            break


@kernel
def _fill_rows(quaternions, number, rows):  # type: ignore[no-untyped-def]
    for i in range(number.shape[0]):
        for k in range(4):
            rows[i // WIDTH, k, i % WIDTH] = quaternions[number[i], k]


@kernel
def _bound(rows, level, low, high, parts):  # type: ignore[no-untyped-def]
    """Centres and radii of parts low .. high of one level; each holds 8 * 16 ** level samples (the last one fewer)."""
    per_part = LEAF * WIDTH**level
    centre = np.empty(4)
    for part in range(low, high):
        first = part * per_part
        stop = min(first + per_part, WIDTH * rows.shape[0])
        centre[:] = 0
        for i in range(first, stop):
            along = 0.0
            for k in range(4):
                along += rows[i // WIDTH, k, i % WIDTH] * rows[first // WIDTH, k, first % WIDTH]
            for k in range(4):
                centre[k] += rows[i // WIDTH, k, i % WIDTH] if along >= 0 else -rows[i // WIDTH, k, i % WIDTH]
        centre /= np.sqrt(np.sum(centre * centre))
        farthest = 0.0
        for i in range(first, stop):
            same = 0.0
            opposite = 0.0
            for k in range(4):
                same += (rows[i // WIDTH, k, i % WIDTH] - centre[k]) ** 2
                opposite += (rows[i // WIDTH, k, i % WIDTH] + centre[k]) ** 2
            farthest = max(farthest, min(same, opposite))
        radius = 2 * np.arcsin(np.sqrt(farthest) / 2) + SLACK
        for k in range(4):
            parts[part // WIDTH, k, part % WIDTH] = centre[k]
        parts[part // WIDTH, 4, part % WIDTH] = np.sin(min(radius, np.pi / 2))
