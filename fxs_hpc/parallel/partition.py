"""Cutting a list of work into parts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def block(count: int, part: int, parts: int) -> tuple[int, int]:
    """First and stop of contiguous part `part` of `count` items in `parts`, as the reference cuts frames: sizes differ by one at most,
    the larger parts come first (emc-math 5, reduce-data)."""
    small, larger = divmod(count, parts)
    first = part * small + min(part, larger)
    return first, first + small + (part < larger)


def interleaved(count: int, part: int, parts: int) -> range:
    """Every `parts`-th item from `part` on: even shares where the cost changes slowly along the list."""
    return range(part, count, parts)


def balanced(costs: Sequence[float] | NDArray, parts: int) -> NDArray[np.int64]:
    """Edges (parts + 1) of contiguous parts of nearly equal cost."""
    total = np.concatenate([[0.0], np.cumsum(np.asarray(costs, float))])
    edges = np.searchsorted(total, np.linspace(0, total[-1], parts + 1)[1:-1])
    return np.maximum.accumulate(np.concatenate([[0], edges, [len(total) - 1]])).astype(np.int64)
