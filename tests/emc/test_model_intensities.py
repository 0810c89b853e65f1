"""Intensities of model crystals."""

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.model_intensities import given_intensities, orbits, random_intensities, reflections
from fxs_hpc.errors import DataError

TETRAGONAL = Lattice(np.diag([24.0, 24.0, 18.0]))


def laue(name):
    """Operators of a Laue group on hkl, from gemmi's point group with the inversion added."""
    rotations = {tuple(np.array(op.rot).ravel() // 24) for op in gemmi.SpaceGroup(name).operations().sym_ops}
    rotations |= {tuple(-number for number in rotation) for rotation in rotations}
    return np.array([np.array(rotation).reshape(3, 3).T for rotation in sorted(rotations)])


@pytest.mark.parametrize(("group", "order"), [("P 1", 2), ("P 4", 8), ("P 4 2 2", 16), ("P 6 2 2", 24), ("P 3 2 1", 12)])
def test_orbits_are_those_of_gemmi(group, order):
    hkl = reflections(Lattice(np.diag([11.0, 11.0, 13.0])), 0.3)
    operators = laue(group)
    assert len(operators) == order
    representatives, orbit = orbits(hkl, operators)
    asu = gemmi.ReciprocalAsu(gemmi.SpaceGroup(group))
    operations = gemmi.SpaceGroup(group).operations()
    theirs = [tuple(asu.to_asu(index, operations)[0]) for index in hkl.tolist()]
    names = {}
    for mine, their in zip(orbit.tolist(), theirs, strict=True):
        assert names.setdefault(mine, their) == their
    assert len(set(theirs)) == len(representatives) == orbit.max() + 1


@given(st.integers(0, 1000))
def test_random_intensities_obey_the_laue_group_and_wilson(seed):
    model = random_intensities(TETRAGONAL, laue("P 4 2 2"), 0.35, 20.0, 20.0, seed)
    table, largest = model.table()
    for operator in laue("P 4 2 2"):
        images = model.hkl @ operator.T
        np.testing.assert_array_equal(table[tuple((images + largest).T)], model.height)
    hkl, heights = model.unique
    relative = heights / (20 * np.exp(-10 * np.sum((hkl @ TETRAGONAL.reciprocal.T) ** 2, axis=1)))
    assert abs(relative.mean() - 1) < 5 / np.sqrt(len(relative))
    assert np.array_equal(random_intensities(TETRAGONAL, laue("P 4 2 2"), 0.35, 20.0, 20.0, seed).height, model.height)


def test_absent_reflections_are_left_out():
    hkl = reflections(TETRAGONAL, 0.3)
    absent = (hkl.sum(1) % 2).astype(bool)
    model = random_intensities(TETRAGONAL, laue("I 4 2 2"), 0.3, 20.0, 0.0, 1, absent)
    assert not (model.hkl.sum(1) % 2).any() and len(model.hkl) == (~absent).sum()


def test_given_intensities_fill_their_orbits():
    hkl = np.array([[2, 1, 3], [-1, 2, 3], [0, 0, 4], [5, 0, 0]])
    model = given_intensities(TETRAGONAL, laue("P 4 2 2"), 0.4, 10.0, hkl, np.array([3.0, 5.0, 8.0, -1.0]))
    value = dict(zip(map(tuple, model.hkl.tolist()), model.height.tolist(), strict=True))
    assert len(value) == 16 + 2 and value[1, -2, -3] == value[2, 1, 3]
    assert value[0, 0, -4] / value[2, 1, 3] == pytest.approx(8 / 4)
    assert model.height.mean() == pytest.approx(10)
    with pytest.raises(DataError, match="none of the 1 given"):
        given_intensities(TETRAGONAL, laue("P 4 2 2"), 0.1, 10.0, np.array([[9, 9, 9]]), np.array([1.0]))
