"""Cutting lists of work."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.parallel.partition import balanced, block, interleaved


@given(st.integers(0, 500), st.integers(1, 40))
def test_every_item_has_one_owner(count, parts):
    blocks = [range(*block(count, part, parts)) for part in range(parts)]
    assert [item for part in blocks for item in part] == list(range(count))
    sizes = [len(part) for part in blocks]
    assert max(sizes) - min(sizes) <= 1 and sizes == sorted(sizes, reverse=True)
    assert sorted(item for part in range(parts) for item in interleaved(count, part, parts)) == list(range(count))


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200), st.integers(1, 8))
def test_no_part_is_heavier_than_its_share_and_one_item(costs, parts):
    edges = balanced(costs, parts)
    assert edges[0] == 0 and edges[-1] == len(costs) and len(edges) == parts + 1 and np.all(np.diff(edges) >= 0)
    for first, stop in zip(edges, edges[1:], strict=False):
        assert sum(costs[first:stop]) <= sum(costs) / parts + 2 * max(costs) + 1e-9
