"""Reflections and their sets of equivalents."""

import numpy as np
import pytest
from scene import laue_operators

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.refinement.peak_model import PeakShape, index_operators, lattice_table, shortest_vectors
from fxs_hpc.errors import DataError

CELL = Lattice(np.diag([14.0, 14.0, 11.0]))


def test_reflections_are_all_in_the_shell_in_order():
    table = lattice_table(CELL, index_operators(CELL, laue_operators("4/mmm")), 0.08, 0.3)
    brute = [
        (h, k, l)
        for h in range(-6, 7)
        for k in range(-6, 7)
        for l in range(-6, 7)
        if 0.08 <= np.sqrt((h * h + k * k) / 196 + l * l / 121) <= 0.3
    ]
    assert {tuple(row) for row in table.hkl.astype(int)} == set(brute)
    assert np.all(np.diff(table.modulus) >= 0)
    for number, (h, k, l) in enumerate(table.hkl.astype(int)):
        centre = np.array(table.lookup.shape) // 2
        assert table.lookup[h + centre[0], k + centre[1], l + centre[2]] == number


def test_equivalents_of_4mmm_and_4m():
    high = lattice_table(CELL, index_operators(CELL, laue_operators("4/mmm")), 0.05, 0.3)
    low = lattice_table(CELL, index_operators(CELL, laue_operators("4/m")), 0.05, 0.3)

    def number(table, *hkl):
        centre = np.array(table.lookup.shape) // 2
        return table.unique[table.lookup[tuple(np.array(hkl) + centre)]]

    assert number(high, 1, 2, 1) == number(high, 2, 1, 1) == number(high, -2, 1, -1)
    assert number(low, 1, 2, 1) == number(low, -2, 1, 1) == number(low, -1, -2, -1) == number(low, 1, 2, -1)
    assert number(low, 1, 2, 1) != number(low, 2, 1, 1)


def test_operator_of_another_lattice_is_refused():
    with pytest.raises(DataError, match="does not map the lattice"):
        index_operators(Lattice(np.diag([14.0, 13.0, 11.0])), laue_operators("4/m"))


def test_no_reflection_is_an_error():
    with pytest.raises(DataError, match="no reflection"):
        lattice_table(CELL, np.eye(3, dtype=int)[None], 0.001, 0.01)


def test_shortest_distance_of_an_oblique_basis():
    plain = Lattice(np.diag([10.0, 12.0, 15.0]))
    oblique = Lattice(plain.basis @ np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]], float))
    assert shortest_vectors(oblique) == pytest.approx(1 / 15)


def test_integral_of_a_peak_does_not_change_with_its_widths():
    # W = F s0^3 / (T sqrt(Q)) exp(...): the integral over space is F s0^3 (2 pi)^1.5
    shape = PeakShape(0.01, 0.02, 0.03, 0.04)
    s03, s2, m2, r2 = shape.variances
    t, q = s2 + m2 * 0.3**2, s2 + r2 * 0.3**2
    x = np.linspace(-0.2, 0.2, 81)
    a, b, c = np.meshgrid(x, x, x, indexing="ij")
    w = s03 / (t * np.sqrt(q)) * np.exp(-0.5 * (a**2 / q + (b**2 + c**2) / t))
    assert w.sum() * (x[1] - x[0]) ** 3 == pytest.approx(s03 * (2 * np.pi) ** 1.5, rel=1e-3)
