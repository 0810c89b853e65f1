"""Rotation algebra against scipy, sampling against the 600-cell's known counts and the reference's files."""

import hashlib
import lzma
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from fxs_hpc.emc import polytope
from fxs_hpc.emc import quaternions as rotations
from fxs_hpc.errors import DataError

unit = st.integers(0, 2**32 - 1).map(lambda seed: Rotation.random(random_state=seed).as_quat(scalar_first=True))


@given(unit, unit)
def test_matrices_are_the_transposed_active_ones_and_compose_backwards(p, q):
    np.testing.assert_allclose(rotations.rotation_matrices(p), Rotation.from_quat(p, scalar_first=True).as_matrix().T, atol=1e-14)
    composed = rotations.rotation_matrices(p) @ rotations.rotation_matrices(q)
    np.testing.assert_allclose(composed, rotations.rotation_matrices(rotations.product(q, p)), atol=1e-14)


@given(unit)
def test_quaternions_of_matrices(q):
    again = rotations.quaternions_of(rotations.rotation_matrices(q))
    np.testing.assert_allclose(again * np.sign(again @ q), q, atol=1e-14)


def test_quaternions_of_half_turns():
    half_turns = np.eye(4)[1:]
    again = rotations.quaternions_of(rotations.rotation_matrices(half_turns))
    np.testing.assert_array_equal(again, half_turns)


@given(unit, unit)
def test_misorientation_is_the_angle_between_the_rotations(p, q):
    expected = (Rotation.from_quat(p, scalar_first=True).inv() * Rotation.from_quat(q, scalar_first=True)).magnitude()
    assert rotations.misorientation(p, q) == pytest.approx(expected, abs=1e-9)
    assert rotations.misorientation(p, -p) < 1e-12


@given(unit, st.floats(-1, 1), st.integers(0, 3))
def test_symmetry_makes_orientations_the_same(q, angle, fold):
    """Rotations of the crystal about z by quarter turns: R' = S R."""
    about_z = np.column_stack([np.cos(np.arange(4) * np.pi / 4), np.zeros((4, 2)), np.sin(np.arange(4) * np.pi / 4)])
    small = np.array([np.cos(angle / 4), 0, np.sin(angle / 4), 0])
    turned = rotations.rotation_matrices(about_z[fold]) @ rotations.rotation_matrices(small) @ rotations.rotation_matrices(q)
    found = rotations.misorientation(q, rotations.quaternions_of(turned), about_z)
    assert found == pytest.approx(abs(angle) / 2, abs=1e-7)


def test_the_polytope_has_its_known_numbers():
    assert [len(polytope.simplices(dimension)) for dimension in range(4)] == [120, 720, 1200, 600]
    x, y = np.moveaxis(polytope.vertices(), -1, 0)
    vertices = (x + y * polytope.TAU) / 2
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1, atol=1e-15)
    first, second = vertices[polytope.simplices(1)].transpose(1, 0, 2)
    np.testing.assert_allclose(np.linalg.norm(first - second, axis=1), 1 / polytope.TAU, atol=1e-14)
    for dimension in range(4):
        cells = polytope.simplices(3)[polytope.containing_cells(dimension)]
        assert all(set(simplex) <= set(cell) for simplex, cell in zip(polytope.simplices(dimension), cells))


@pytest.mark.parametrize("num_div", [1, 2, 3, 7])
def test_samples_are_all_different_and_as_many_as_the_formula_says(num_div):
    quaternions, weights = rotations.samples(num_div)
    assert len(quaternions) == len(weights) == rotations.sample_count(num_div)
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1, atol=1e-15)
    distance, _ = cKDTree(np.concatenate([quaternions, -quaternions])).query(quaternions, k=2)
    assert distance[:, 1].min() > 0.3 / num_div


def test_weights_are_volumes():
    """Weighted means over the samples are those over all rotations: <R33^2> = 1/3, <q0^4> = 1/8."""
    quaternions, weights = rotations.samples(8)
    matrices = rotations.rotation_matrices(quaternions)
    assert np.average(matrices[:, 2, 2] ** 2, weights=weights) == pytest.approx(1 / 3, abs=1e-12)
    assert np.average(quaternions[:, 0] ** 4, weights=weights) == pytest.approx(1 / 8, abs=1e-12)
    assert weights.max() / weights.min() < 1.7


def test_blocks_are_bounded_and_make_the_same_samples(monkeypatch):
    whole = rotations.samples(6)
    monkeypatch.setattr(rotations, "BLOCK", 100)
    pieces = list(rotations.blocks(6))
    assert max(len(part) for part, _ in pieces) <= 100
    np.testing.assert_array_equal(np.concatenate([part for part, _ in pieces]), whole[0])
    np.testing.assert_array_equal(np.concatenate([part for _, part in pieces]), whole[1])


def test_a_sampling_that_the_files_cannot_count_is_refused():
    assert rotations.sample_count(rotations.LARGEST_NUM_DIV) < 2**31 <= rotations.sample_count(rotations.LARGEST_NUM_DIV + 1)
    with pytest.raises(DataError, match="351"):
        next(rotations.blocks(351))


def _golden(text: str) -> list[tuple[int, int, str, list[list[str]]]]:
    found = []
    for part in re.split(r"\n(?=\S+/c-quaternion)", text)[1:]:
        num_div, count = re.search(r"quaternion(\d+).bin: count (\d+)", part).groups()
        rows = [line.split() for line in part.splitlines() if re.match(r" +\d+ ", line)]
        found.append((int(num_div), int(count), re.search(r"sha256 (\w+)", part).group(1), rows))
    return found


def test_samples_are_those_of_the_reference(reference_data):
    """Byte for byte at 17 divisions; at 23 some of the 608580 weights (none of those shown or used here) have another last bit."""
    golden = _golden((reference_data / "emc" / "aux" / "c-quaternion-samples.txt").read_text())
    assert [num_div for num_div, *_ in golden] == [17, 23]
    for num_div, count, digest, rows in golden:
        quaternions, weights = rotations.samples(num_div)
        assert len(quaternions) == count
        at = [int(row[0]) for row in rows]
        expected = np.array([row[1:] for row in rows], float)
        np.testing.assert_allclose(quaternions[at], expected[:, :4], rtol=0, atol=1e-14)
        np.testing.assert_allclose(weights[at], expected[:, 4], rtol=1e-12)
        if num_div == 17:
            content = struct.pack("<i", count) + np.column_stack([quaternions, weights]).tobytes()
            assert hashlib.sha256(content).hexdigest() == digest


def test_order_of_samples_is_that_of_the_reference(reference_data):
    """Its reduced file holds 10572 of the 608580 samples at 23 divisions, in ascending order."""
    with lzma.open(reference_data / "emc" / "aux" / "c-reduced-quaternion23.bin.xz") as file:
        records = np.frombuffer(file.read(), "<f8", offset=4).reshape(-1, 5)
    quaternions, weights = rotations.samples(23)
    distance, at = cKDTree(quaternions).query(records[:, :4])
    assert distance.max() < 1e-14
    assert np.all(np.diff(at) > 0)
    np.testing.assert_allclose(weights[at], records[:, 4], rtol=1e-12)
