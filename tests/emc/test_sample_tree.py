"""The tree of rotation samples: nothing is lost, and every part lies within its radius."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from fxs_hpc.emc import quaternions
from fxs_hpc.emc.sample_tree import LEAF, WIDTH, empty_tree, fill, filling, level_sizes, memory, sample_tree


def random_quaternions(count: int) -> np.ndarray:
    return np.atleast_2d(Rotation.random(count, random_state=count).as_quat(scalar_first=True))


@pytest.mark.parametrize("count", [1, 5, 16, 17, 130, 2049, 4500])
def test_every_sample_stands_somewhere_and_within_its_parts(count):
    given = random_quaternions(count)
    tree = sample_tree(given)
    assert sorted(set(tree.number.tolist())) == list(range(count))
    repeated = np.bincount(tree.number, minlength=count) > 1
    assert set(np.flatnonzero(repeated)) <= {tree.number[-1]}
    placed = tree.rows.transpose(0, 2, 1).reshape(-1, 4)
    np.testing.assert_allclose(placed, given[tree.number], atol=1e-7)
    for level, size in enumerate(tree.level_size):
        parts = tree.parts[tree.level_start[level] : tree.level_start[level + 1]].transpose(0, 2, 1).reshape(-1, 5)[:size].astype(float)
        holder = np.arange(len(placed)) // (LEAF * WIDTH**level)
        assert holder.max() == size - 1
        centre, sine = parts[holder, :4], parts[holder, 4]
        chord = np.minimum(np.linalg.norm(centre - placed, axis=1), np.linalg.norm(centre + placed, axis=1))
        assert np.all(chord * np.sqrt(1 - chord**2 / 4) <= sine + 2e-7)
        np.testing.assert_allclose(np.linalg.norm(centre, axis=1), 1, atol=1e-6)


def test_parts_are_compact():
    """Leaves of eight samples are not much wider than a cube that holds eight."""
    quaternions_, _ = quaternions.samples(12)
    tree = sample_tree(quaternions_)
    radii = np.arcsin(tree.parts[: tree.level_start[1]].transpose(0, 2, 1).reshape(-1, 5)[: tree.level_size[0], 4])
    edge = (LEAF * np.pi**2 / len(quaternions_)) ** (1 / 3)
    assert np.median(radii) < edge * np.sqrt(3) / 2


def test_memory_is_what_the_arrays_take():
    for count in (1, 100, 5000):
        tree = empty_tree(count)
        assert memory(count) == tree.number.nbytes + tree.rows.nbytes + tree.parts.nbytes
        assert level_sizes(count)[-1] <= WIDTH


def test_memory_can_come_from_elsewhere():
    given = random_quaternions(300)
    made = []

    def allocate(shape, dtype):
        made.append(np.zeros(shape, dtype))
        return made[-1]

    tree = empty_tree(300, allocate)
    fill(tree, given)
    expected = sample_tree(given)
    assert made[0] is tree.number
    for name in ("number", "rows", "parts"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(expected, name))


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_made_by_several_it_is_the_same_tree(parts):
    """Steps of all parts in turn; the memory that they share is not zero at the start."""
    given = random_quaternions(4500)
    tree = empty_tree(4500, lambda shape, dtype: np.full(shape, 3, dtype))
    faces = np.zeros(5, np.int64)
    steps = [list(step) for step in zip(*(filling(tree, given, faces, part, parts) for part in range(parts)), strict=True)]
    expected = sample_tree(given)
    assert len(steps) == 5
    for name in ("number", "rows"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(expected, name))
    for level, size in enumerate(tree.level_size):
        found, wanted = (
            made.parts[made.level_start[level] : made.level_start[level + 1]].transpose(0, 2, 1).reshape(-1, 5)[:size]
            for made in (tree, expected)
        )
        np.testing.assert_array_equal(found, wanted)
