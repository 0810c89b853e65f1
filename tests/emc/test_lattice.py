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


SHEARS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2), st.integers(-2, 2)), max_size=4)


@given(SHEARS, st.tuples(st.floats(15, 60), st.floats(15, 60), st.floats(15, 60)))
def test_neighbouring_points_lie_as_close_in_every_cell_of_a_lattice(shears, lengths):
    """Against the lengths of all vectors with small indices in a cell that is known to be reduced."""
    basis = np.diag(lengths) + np.array([[0, 1.5, -2.0], [0, 0, 2.5], [0, 0, 0]])
    around = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    points = np.linalg.norm(around @ Lattice(basis).reciprocal.T, axis=1)
    change = np.eye(3)
    for axis, step, times in shears:
        change[:, (axis + step) % 3] += times * change[:, axis]
    oblique = Lattice(basis @ change)
    assert oblique.spacing == pytest.approx(points[points > 0].min(), rel=1e-6)
    assert oblique.spacing <= oblique.shortest * (1 + 1e-9)


def test_supports_that_overlap_because_the_cell_is_not_reduced_are_refused():
    """Reciprocal points of the sheared cell lie as close as before, but its shortest vector a* - 2 b* is longer."""
    reduced = np.diag([20.0, 30.0, 40.0])
    oblique = reduced @ np.array([[1, 0, 0], [2, 1, 0], [1, 3, 1.0]])
    assert Lattice(oblique).shortest > 1.5 * Lattice(oblique).spacing
    VoxelGrid(Lattice(reduced), 15, 5.0)
    with pytest.raises(DataError, match=r"is not reduced: its reciprocal lattice points lie .* voxels apart, and not VN = 15"):
        VoxelGrid(Lattice(oblique), 15, 5.0)
    VoxelGrid(Lattice(oblique), 60, 5.0)


def test_hexagonal_and_centred_cells_are_as_good_as_reduced():
    for basis in ([[20, -10, 0], [0, 300**0.5, 0], [0, 0, 25]], [[0, 15, 15], [15, 0, 15], [15, 15, 0]]):
        lattice = Lattice(np.array(basis, float))
        assert lattice.spacing == pytest.approx(lattice.shortest, rel=1e-9)
