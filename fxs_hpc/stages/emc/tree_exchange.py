"""Sums over work blocks that lie on several ranks: every rank adds up one slice, so nobody gets everything and nobody does all."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.work_blocks import Node, tree_sum
from fxs_hpc.parallel.communicator import Communicator


def slice_total(ranks: Communicator, nodes: Sequence[Node], blocks: int, slices: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The sum over all ranks of the part of the nodes' last axis that belongs to this rank.

    Parameters
    ----------
    nodes : sequence of Node
        Of this rank's blocks, added as far as possible (`tree_sum`).
    slices : sequence of int64
        Which entries belong to each rank.
    """
    parts = [[Node(node.start, node.stop, node.value[..., wanted]) for node in nodes] for wanted in slices]
    received = ranks.all_to_all(parts)
    whole = tree_sum((node for part in received for node in part), blocks)
    return whole[0].value


def total(ranks: Communicator, nodes: Sequence[Node], blocks: int) -> NDArray[np.float64]:
    """The sum over all ranks, on all of them."""
    size = nodes[0].value.shape[-1] if nodes else 0
    size = max(ranks.all_gather(size))
    edges = [size * part // ranks.size for part in range(ranks.size + 1)]
    slices = [np.arange(low, high) for low, high in zip(edges[:-1], edges[1:])]
    return np.concatenate(ranks.all_gather(slice_total(ranks, nodes, blocks, slices)), axis=-1)
