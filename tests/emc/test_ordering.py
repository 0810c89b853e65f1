"""Order of the reduced frames."""

import lzma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.emc.ordering import balanced_order, share


def ragged(lists):
    return np.concatenate([[0], np.cumsum([len(item) for item in lists])]).astype(np.int64), np.array(sum(map(list, lists), []), np.int32)


def dealt_by_sets(lists, ranks):
    """The rule of the documents, with sets of rotations."""
    frames = sorted((k for k in range(len(lists)) if len(lists[k])), key=lambda k: (-len(lists[k]), -k))
    held, out = [set() for _ in range(ranks)], [[] for _ in range(ranks)]
    for start in range(0, len(frames), ranks):
        some = frames[start : start + ranks]
        most_first = sorted(range(len(some)), key=lambda r: -len(held[r]))
        for frame, rank in zip(some, most_first[::-1], strict=True):
            out[rank].append(frame)
            held[rank].update(lists[frame])
    return out


candidates = st.lists(st.lists(st.integers(0, 40), max_size=12, unique=True).map(sorted), max_size=30)


@given(candidates, st.integers(1, 7))
def test_like_dealing_with_sets(lists, ranks):
    first, rotation = ragged(lists)
    order = balanced_order(first, rotation, 41, ranks)
    assert list(order) == sum(dealt_by_sets(lists, ranks), [])


@given(candidates, st.integers(1, 7))
def test_each_frame_with_candidates_once_and_shares_fit_the_ranks(lists, ranks):
    first, rotation = ragged(lists)
    order = balanced_order(first, rotation, 41, ranks)
    assert sorted(order) == [k for k, item in enumerate(lists) if item]
    sizes = [stop - begin for begin, stop in (share(len(order), rank, ranks) for rank in range(ranks))]
    assert [len(part) for part in dealt_by_sets(lists, ranks)] == sizes


def test_more_ranks_than_frames_and_no_frames():
    assert list(balanced_order(np.array([0, 1, 3]), np.array([0, 0, 1], np.int32), 2, 5)) == [
        0,
        1,
    ]  # of two empty ranks the higher one takes the larger frame
    assert len(balanced_order(np.array([0]), np.empty(0, np.int32), 2, 5)) == 0


def test_ranks_see_as_many_rotations():
    random = np.random.default_rng(1)
    lists = [np.unique(random.integers(0, 20000, int(size))).tolist() for size in random.exponential(200, 300) + 1]
    order = balanced_order(*ragged(lists), 20000, 4)
    seen = [len(set().union(*(lists[k] for k in order[slice(*share(300, rank, 4))]))) for rank in range(4)]
    unordered = [len(set().union(*(lists[k] for k in range(*share(300, rank, 4))))) for rank in range(4)]
    assert max(seen) - min(seen) < 0.02 * max(seen) < max(unordered) - min(unordered)


def test_order_of_the_reference_program(reference_data):
    emc = reference_data / "emc"
    raw_id = np.loadtxt(emc / "reduce-data/reduced-data_id.dat", dtype=int)[1:]
    counts = np.loadtxt(emc / "orient-peak/num_prob_orien.dat", dtype=int)
    flat = np.frombuffer(lzma.open(emc / "aux/prob-orien.bin.xz").read(), "<i4")
    lists = [[] for _ in counts]
    at = 0
    for frame in raw_id:
        lists[frame] = flat[at + 1 : at + 1 + flat[at]].tolist()
        at += 1 + flat[at]
    assert at == len(flat) and [len(item) for item in lists] == counts.tolist()
    np.testing.assert_array_equal(balanced_order(*ragged(lists), 245820, 2), raw_id)


@pytest.mark.parametrize(("count", "ranks"), [(10, 3), (3, 5), (12, 4)])
def test_shares_follow_the_rule_of_the_files(count, ranks):
    """Rank k owns ceil(N / P) frames for k < N - P (ceil(N / P) - 1), else one fewer."""
    whole = -(-count // ranks)
    expected = [whole if k < count - ranks * (whole - 1) else whole - 1 for k in range(ranks)]
    assert [stop - first for first, stop in (share(count, k, ranks) for k in range(ranks))] == expected
