"""Cores for the threads of one rank."""

import os
import platform

from fxs_hpc.parallel.communicator import Communicator


def cores_each(ranks: Communicator, cores: int) -> int:
    """How many of `cores` this rank may use: those it is bound to, shared with the ranks of its node that are bound to some of them."""
    if ranks.size == 1:
        return cores
    mine = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset(range(cores))
    here = platform.node()
    sharing = sum(bool(mine & others) for node, others in ranks.all_gather((here, mine)) if node == here)
    return max(1, min(cores, len(mine)) // sharing)
