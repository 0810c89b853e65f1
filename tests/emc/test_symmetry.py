"""Laue groups against gemmi's reflection orbits, and against the cells that do or do not obey them."""

import gemmi
import numpy as np
import pytest
from lattices import of_cell

from fxs_hpc.emc import symmetry
from fxs_hpc.emc.quaternions import rotation_matrices
from fxs_hpc.errors import DataError

CELLS = {
    "P 1": ((21, 34, 45, 81, 97, 102), "-1", 2),
    "P 1 21 1": ((21, 34, 45, 90, 97, 90), "2/m", 4),
    "P 1 1 2": ((21, 34, 45, 90, 90, 97), "2/m", 4),
    "P 21 21 21": ((21, 34, 45, 90, 90, 90), "mmm", 8),
    "P 41": ((24, 24, 18, 90, 90, 90), "4/m", 8),
    "P 43 21 2": ((24, 24, 18, 90, 90, 90), "4/mmm", 16),
    "P 31": ((24, 24, 18, 90, 90, 120), "-3", 6),
    "R 3:R": ((24, 24, 24, 70, 70, 70), "-3", 6),
    "P 31 2 1": ((24, 24, 18, 90, 90, 120), "-3m", 12),
    "P 31 1 2": ((24, 24, 18, 90, 90, 120), "-3m", 12),
    "R 3 2:R": ((24, 24, 24, 70, 70, 70), "-3m", 12),
    "P 61": ((24, 24, 18, 90, 90, 120), "6/m", 12),
    "P 61 2 2": ((24, 24, 18, 90, 90, 120), "6/mmm", 24),
    "P 21 3": ((24, 24, 24, 90, 90, 90), "m-3", 24),
    "P 41 3 2": ((24, 24, 24, 90, 90, 90), "m-3m", 48),
}


def matrix_set(matrices: np.ndarray) -> set[bytes]:
    return {(np.rint(matrix * 1e9) + 0.0).tobytes() for matrix in matrices}


@pytest.mark.parametrize("name", CELLS)
def test_every_laue_group(name):
    cell, laue, order = CELLS[name]
    lattice = of_cell(*cell, seed=order)
    group = symmetry.of_space_group(name, lattice)
    assert (group.name, len(group)) == (laue, order)
    np.testing.assert_array_equal(group.indices[0], np.eye(3))
    determinants = np.linalg.det(group.matrices)
    np.testing.assert_allclose(determinants, np.repeat([1, -1], order // 2), atol=1e-12)
    np.testing.assert_allclose(group.matrices @ group.matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (order, 3, 3)), atol=1e-14)
    np.testing.assert_allclose(group.matrices @ lattice.reciprocal, lattice.reciprocal @ group.indices, atol=1e-13)
    products = (group.matrices[:, None] @ group.matrices).reshape(-1, 3, 3)
    assert matrix_set(products) == matrix_set(group.matrices)
    np.testing.assert_allclose(rotation_matrices(group.quaternions), group.proper, atol=1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_orbits_of_reflections_are_those_of_gemmi(name):
    cell, _, _ = CELLS[name]
    group = symmetry.of_space_group(name, of_cell(*cell, seed=1))
    operations = gemmi.find_spacegroup_by_name(name).operations()
    for hkl in [(1, 2, 3), (0, 2, 3), (1, 1, 4), (2, 0, 0)]:
        expected = {tuple(sign * index for index in op.apply_to_hkl(hkl)) for op in operations.sym_ops for sign in (1, -1)}
        assert {tuple(image) for image in group.images([hkl])[:, 0].tolist()} == expected


@pytest.mark.parametrize(
    ("name", "cell", "laue"),
    [
        ("96", (24, 24, 18, 90, 90, 90), "4/mmm"),
        ("P43212", (24, 24, 18, 90, 90, 90), "4/mmm"),
        ("P_43_21_2", (24, 24, 18, 90, 90, 90), "4/mmm"),
        ("422", (24, 24, 18, 90, 90, 90), "4/mmm"),
        ("4/m", (24, 24, 18, 90, 90, 90), "4/m"),
        ("mmm", (24, 24, 18, 90, 90, 90), "mmm"),
        ("-31m", (24, 24, 18, 90, 90, 120), "-3m"),
        ("2/m", (21, 34, 45, 90, 90, 97), "2/m"),
        ("R 3", (24, 24, 24, 70, 70, 70), "-3"),
        ("148", (24, 24, 18, 90, 90, 120), "-3"),
        ("m-3m", (24, 24, 24, 90, 90, 90), "m-3m"),
    ],
)
def test_names_of_space_groups_and_point_groups(name, cell, laue):
    assert symmetry.of_space_group(name, of_cell(*cell)).name == laue


def test_the_two_trigonal_settings_differ():
    lattice = of_cell(24, 24, 18, 90, 90, 120)
    first, second = (symmetry.of_space_group(name, lattice) for name in ("-3m1", "-31m"))
    assert matrix_set(first.matrices) != matrix_set(second.matrices)
    with pytest.raises(DataError, match="2 settings"):
        symmetry.of_space_group("-3m", lattice)


@pytest.mark.parametrize(
    ("cell", "laue"),
    [((21, 34, 45, 81, 97, 102), "-1"), ((21, 34, 45, 90, 97, 90), "2/m"), ((24, 24, 18, 90, 90, 90), "4/mmm"),
     ((24, 24, 18, 90, 90, 120), "6/mmm"), ((24, 24, 24, 70, 70, 70), "-3m"), ((24, 24, 24, 90, 90, 90), "m-3m"),
     ((21, 34, 45, 90, 90, 90), "mmm")],
)  # fmt: skip
def test_highest_symmetry_of_a_cell(cell, laue):
    assert symmetry.of_lattice(of_cell(*cell, seed=3)).name == laue


def test_a_cell_that_does_not_obey_is_refused_with_the_operator_and_the_remedy():
    with pytest.raises(DataError, match=r"space_group = P 6 .*\[\[.*changes lengths and angles by up to 1 .*check the space group"):
        symmetry.of_space_group("P 6", of_cell(24, 24, 18, 90, 90, 90))
    with pytest.raises(DataError, match="no space group or point group of this name"):
        symmetry.of_space_group("P 7 3", of_cell(24, 24, 18, 90, 90, 90))


def test_a_cell_with_few_digits_gets_an_exact_group():
    lattice = of_cell(24.01, 23.99, 18, 90.02, 90, 119.97, seed=5)
    group = symmetry.of_space_group("P 61 2 2", lattice)
    np.testing.assert_allclose(group.matrices @ group.matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (24, 3, 3)), atol=1e-14)
    assert matrix_set((group.matrices[:, None] @ group.matrices).reshape(-1, 3, 3)) == matrix_set(group.matrices)
    moved = group.matrices @ lattice.reciprocal - lattice.reciprocal @ group.indices
    assert 1e-6 < np.abs(moved).max() < 2e-3 * lattice.shortest


def test_four_digits_are_sharpened_to_the_exact_group():
    lattice = of_cell(24, 24, 18, 90, 90, 120, seed=7)
    group = symmetry.of_space_group("P 61 2 2", lattice)
    again = symmetry.of_matrices(np.round(group.matrices, 3), lattice)
    assert {index.tobytes() for index in again.indices} == {index.tobytes() for index in group.indices}
    np.testing.assert_allclose(again.matrices, group.matrices, atol=1e-14)


def test_operators_that_are_missing_or_of_another_lattice_are_refused():
    lattice = of_cell(24, 24, 18, 90, 90, 90)
    group = symmetry.of_lattice(lattice)
    with pytest.raises(DataError, match="8 different operators .* 16 of the Laue group 4/mmm"):
        symmetry.of_matrices(group.proper, lattice)
    with pytest.raises(DataError, match="does not map the lattice to itself"):
        symmetry.of_matrices(group.matrices, of_cell(24, 24, 18, 90, 90, 90, seed=2))
