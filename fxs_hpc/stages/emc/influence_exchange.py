"""Influences of frames on intensities, found by the owners of rotations, brought to the ranks of the frames."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.uncertainty import Influences, joined
from fxs_hpc.parallel.communicator import Communicator


def at_home(ranks: Communicator, parts: Sequence[Influences], edges: NDArray[np.int64]) -> Influences:
    """The influences of this rank's frames, from whoever has worked on their rotations.

    Parameters
    ----------
    parts : sequence of Influences
        Found on this rank.
    edges : int64[ranks + 1]
        Frames of each rank.
    """
    found = joined(parts)
    if ranks.size == 1:
        return found
    home = np.searchsorted(edges, found.frame, side="right") - 1
    sent = [Influences(*(values[home == rank] for values in found)) for rank in range(ranks.size)]
    return joined(ranks.all_to_all(sent))
