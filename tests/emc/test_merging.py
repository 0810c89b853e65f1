"""Equivalent reflections."""

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.emc.merging import Merged, common, merge, orbits
from fxs_hpc.errors import DataError


def laue_operators(name):
    """Matrices on a column (h, k, l), from another library."""
    group = gemmi.SpaceGroup(name).operations()
    turns = np.array([np.array(operator.rot).T // operator.DEN for operator in group.sym_ops])
    return np.unique(np.concatenate([turns, -turns]), axis=0)


GROUPS = ("P 1", "P 1 21 1", "P 21 21 21", "P 4", "P 43 21 2", "P 3", "P 3 1 2", "P 3 2 1", "P 61", "P 61 2 2", "P 2 3", "F 4 3 2")


@pytest.mark.parametrize("name", GROUPS)
def test_orbits_are_those_of_gemmi(name):
    asu = gemmi.ReciprocalAsu(gemmi.SpaceGroup(name))
    operations = gemmi.SpaceGroup(name).operations()
    hkl = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), -1).reshape(-1, 3)
    groups = orbits(hkl, laue_operators(name))
    expected = [tuple(asu.to_asu(index, operations)[0]) for index in hkl.tolist()]
    pairs = set(zip(expected, groups.member.tolist(), strict=True))
    assert len(pairs) == len(set(expected)) == len(groups.hkl)
    for place, index in enumerate(groups.hkl.tolist()):
        assert (tuple(asu.to_asu(index, operations)[0]), place) in pairs


def test_the_mean_of_equivalents_and_its_error():
    hkl = np.array([[1, 2, 3], [-1, -2, -3], [0, 0, 1], [2, 0, 0]])
    groups = orbits(hkl, np.array([np.eye(3), -np.eye(3)], int))
    merged = merge(groups, np.array([3.0, 5, 7, np.nan]), np.array([3.0, 4, 2, 1]))
    by_index = {tuple(index): place for place, index in enumerate(merged.hkl.tolist())}
    assert set(by_index) == {(1, 2, 3), (0, 0, 1)}
    pair, single = by_index[1, 2, 3], by_index[0, 0, 1]
    assert merged.intensity[pair] == 4 and merged.sigma[pair] == 2.5 and merged.multiplicity[pair] == 2
    assert merged.intensity[single] == 7 and merged.sigma[single] == 2


@given(st.integers(0, 10**6))
def test_common_reflections_are_paired(seed):
    rng = np.random.default_rng(seed)
    hkl = np.unique(rng.integers(-3, 4, (30, 3)), axis=0).astype(np.int32)
    values = hkl @ [100.0, 10, 1]

    def some():
        chosen = rng.permutation(len(hkl))[: rng.integers(len(hkl) // 2 + 1, len(hkl) + 1)]
        return Merged(hkl[chosen], values[chosen], np.ones(len(chosen)), np.ones(len(chosen), int))

    first, second = some(), some()
    a, b = common(first, second)
    assert np.array_equal(a.hkl, b.hkl) and np.array_equal(a.intensity, a.hkl @ [100.0, 10, 1]) and np.array_equal(b.intensity, a.intensity)
    assert {tuple(x) for x in a.hkl.tolist()} == {tuple(x) for x in first.hkl.tolist()} & {tuple(x) for x in second.hkl.tolist()}


def test_sets_without_a_common_reflection_are_refused():
    one = Merged(np.array([[1, 0, 0]]), np.ones(1), np.ones(1), np.ones(1, int))
    other = Merged(np.array([[2, 0, 0]]), np.ones(1), np.ones(1), np.ones(1, int))
    with pytest.raises(DataError, match="no reflection in common"):
        common(one, other)
