"""Lattices and their reciprocal lattices."""

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.errors import DataError

entries = st.floats(-40, 40, allow_nan=False)


@given(st.lists(entries, min_size=9, max_size=9))
def test_reciprocal_vectors_are_dual_to_the_basis(numbers):
    basis = np.array(numbers).reshape(3, 3)
    if abs(np.linalg.det(basis)) < 1:
        return
    assert np.allclose(basis.T @ Lattice(basis).reciprocal, np.eye(3), atol=1e-9)


def test_a_triclinic_cell_against_gemmi():
    cell = gemmi.UnitCell(31.2, 44.1, 57.9, 82, 97, 104)
    lattice = Lattice(np.array(cell.orth.mat.tolist()))
    assert np.allclose(lattice.cell, (31.2, 44.1, 57.9, 82, 97, 104))
    assert np.isclose(lattice.volume, cell.volume)
    assert np.isclose(np.linalg.norm(lattice.reciprocal @ [3, -2, 5]), 1 / cell.calculate_d([3, -2, 5]))
    assert np.isclose(lattice.shortest, cell.reciprocal().c)


def test_vectors_in_a_plane_are_refused():
    with pytest.raises(DataError, match="no volume"):
        Lattice(np.array([[1.0, 0, 2], [0, 1, 3], [0, 0, 0]]) * 20)


def test_supports_that_overlap_are_refused():
    with pytest.raises(DataError, match=r"gw = 8 .* VN / 2 = 7.5"):
        VoxelGrid(Lattice(np.eye(3) * 20), 15, 8)
