"""The fixed partition of the frames into blocks of work, and sums over them in a fixed order.

Everything that is added up over frames is added up in each block first and then along a binary tree over the blocks. Neither the blocks
nor the tree depend on how many ranks or threads there are: each rank holds consecutive blocks, adds what belongs together in the
tree, and what is left is added by whoever gets it, in the same tree. So all numbers of ranks give the same bits.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.parallel.partition import balanced

FRAMES = 32
"""Frames of a block at most: their photons at low resolution fit the cache of a core."""
EACH_FRAME = 30
"""Work of a frame besides its likelihoods, in likelihoods: what is left of them after the first flags, maximisation, reading."""


class Node(NamedTuple):
    """Sum over the blocks start .. stop."""

    start: int
    stop: int
    value: NDArray[np.float64]


def work_blocks(evaluations: NDArray) -> NDArray[np.int64]:
    """Edges i8[blocks + 1] of consecutive blocks of at most `FRAMES` frames and of similar work.

    Parameters
    ----------
    evaluations : int[n]
        Likelihoods of each frame.
    """
    cost = np.cumsum(np.asarray(evaluations, np.int64) + EACH_FRAME)
    most = max(1, int(cost[-1]) * FRAMES // len(cost)) if len(cost) else 1
    edges = [0]
    while edges[-1] < len(cost):
        before = cost[edges[-1] - 1] if edges[-1] else 0
        stop = int(np.searchsorted(cost, before + most, side="right"))
        edges.append(min(max(stop, edges[-1] + 1), edges[-1] + FRAMES, len(cost)))
    return np.array(edges, np.int64)


def shares(edges: NDArray[np.int64], evaluations: NDArray, ranks: int) -> NDArray[np.int64]:
    """Edges i8[ranks + 1] of the blocks of each rank, balanced by work."""
    work = np.add.reduceat(np.asarray(evaluations, np.int64) + EACH_FRAME, edges[:-1])
    return balanced(work, ranks)


def tree_sum(nodes: Iterable[Node], blocks: int) -> list[Node]:
    """Add neighbouring nodes as far as the tree over `blocks` blocks allows.

    Parameters
    ----------
    nodes : iterable of Node
        Ascending and without overlap. Their arrays may be changed.

    Returns
    -------
    list of Node
        One alone where the nodes cover all blocks.
    """
    stack: list[Node] = []
    for node in nodes:
        stack.append(node)
        while len(stack) > 1 and _siblings(stack[-2], stack[-1], blocks):
            right, left = stack.pop(), stack.pop()
            stack.append(Node(left.start, right.stop, np.add(left.value, right.value, out=left.value)))
    return stack


def _siblings(left: Node, right: Node, blocks: int) -> bool:
    """Whether the two are the halves of one node of the tree."""
    size = left.stop - left.start
    whole = size & (size - 1) == 0 and left.start % (2 * size) == 0 and left.stop == right.start
    return whole and right.stop == min(right.start + size, blocks)
