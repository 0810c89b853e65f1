"""Tables, stream and pictures made from orientations.h5."""

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.quaternions import quaternions_of
from fxs_hpc.emc.symmetry import of_lattice, of_space_group
from fxs_hpc.files.emc import refined_frames
from fxs_hpc.files.emc.orientations import Orientations
from fxs_hpc.report import orientations as maps
from fxs_hpc.stages.emc import refinement_report as report

CUBIC = Lattice(np.eye(3) * 20.0)
CELLS = {
    "P 1": (20, 25, 31, 80, 95, 103),
    "P 1 2 1": (20, 25, 31, 90, 97, 90),
    "C 1 2 1": (20, 25, 31, 90, 97, 90),
    "P 21 21 21": (20, 25, 31, 90, 90, 90),
    "I 4": (20, 20, 31, 90, 90, 90),
    "P 3 2 1": (20, 20, 31, 90, 90, 120),
    "R 3:H": (20, 20, 31, 90, 90, 120),
    "R 3:R": (20, 20, 20, 70, 70, 70),
    "P 63": (20, 20, 31, 90, 90, 120),
    "F 2 3": (20, 20, 20, 90, 90, 90),
}
WORDS = {
    "P 1": ("triclinic", "*", "P"),
    "P 1 2 1": ("monoclinic", "b", "P"),
    "C 1 2 1": ("monoclinic", "b", "C"),
    "P 21 21 21": ("orthorhombic", "*", "P"),
    "I 4": ("tetragonal", "c", "I"),
    "P 3 2 1": ("hexagonal", "c", "P"),
    "R 3:H": ("hexagonal", "c", "H"),
    "R 3:R": ("rhombohedral", "*", "R"),
    "P 63": ("hexagonal", "c", "P"),
    "F 2 3": ("cubic", "*", "F"),
}


@pytest.mark.parametrize("name", CELLS)
def test_the_cell_in_the_words_of_crystfel(name):
    lattice = Lattice(np.array(gemmi.UnitCell(*CELLS[name]).orth.mat.tolist()))
    found = report.stream_cell(lattice, of_space_group(name, lattice), name)
    assert (found.lattice_type, found.unique_axis, found.centering) == WORDS[name] and np.allclose(found.cell, CELLS[name])


@pytest.mark.parametrize(("name", "centering"), [("79", "I"), ("I_4", "I"), ("4/m", "P"), ("", "P")])
def test_the_centring_of_numbers_and_point_groups(name, centering):
    lattice = Lattice(np.diag([20.0, 20.0, 31.0]))
    assert report.stream_cell(lattice, of_space_group("4/m", lattice), name).centering == centering


def stored(count=5):
    """Frames: accepted, blank, with two lattices, unexplained, and without an orientation of its own but with a second one."""
    covariance = np.tile(np.diag([1e-6, 4e-6, 9e-6, 1e-4, 1, 1, 1, 1]), (count, 1, 1))
    gain = np.array([500.0, 3.0, 400.0, 90.0, -np.inf])
    rotation = Rotation.random(count, random_state=3).as_matrix()
    frames = {
        "raw_id": np.arange(count) * 2,
        "quaternion": quaternions_of(rotation),
        "rotation": rotation,
        "phi": np.array([1.0, 0.1, 2.0, 0.5, 0.0]),
        "strain": np.zeros((count, 3)),
        "log_variance": np.log([1.0, 1, 4, 1, 1]),
        "log_likelihood": gain,
        "covariance": np.where(np.isfinite(gain)[:, None, None], covariance, np.inf),
        "rotation_error": np.where(np.isfinite(gain), 0.2, np.inf),
        "bright": np.array([40, 0, 50, 20, 0], np.int32),
        "unexplained": np.array([1, 0, 20, 19, 0], np.int32),
        "accepted": np.array([True, False, False, False, False]),
        "recovered": np.zeros(count, bool),
    }
    second = {key: values[[3, 4, 0]] for key, values in frames.items()}
    second |= {
        "frame": np.array([2, 3, 4]),
        "accepted": np.array([True, False, True]),
        "first_log_likelihood": np.array([100.0, 90.0, 5.0]),
    }
    return Orientations(3, frames, second, {}, {"width": 0.003}, "{}")


def test_table(tmp_path):
    table = report.table(stored())
    assert table["verdict"].tolist() == ["accepted", "blank", "two lattices", "unexplained", "other orientation"]
    assert [table[f"error_{axis}"][0] for axis in "xyz"] == pytest.approx(np.degrees([1e-3, 2e-3, 3e-3]))
    assert table["phi_error"][2] == pytest.approx(2 * 1e-2) and table["misfit"].tolist() == pytest.approx([1 / 40, 0, 0.4, 0.95, 0])
    assert np.isnan(table["error"]).tolist() == [False] * 4 + [True] and table["width_ratio"][2] == pytest.approx(2)
    assert np.isnan(table["second_phi"]).tolist() == [True, True, False, False, False] and table["second_phi"][2] == 0.5
    assert table["first_log_likelihood"][3] == 90
    refined_frames.write(tmp_path, table)


@given(st.integers(0, 10**6))
def test_equivalent_directions_are_reduced_to_one(seed):
    operators = of_lattice(CUBIC).matrices
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(5, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    turned = directions @ operators[rng.integers(len(operators))].T
    one = maps.reduced(directions, operators)
    np.testing.assert_allclose(maps.reduced(turned, operators), one, atol=1e-12)
    # The chamber of m-3m: |x|, |y|, |z| sorted, z largest.
    np.testing.assert_allclose(one, np.sort(np.abs(directions), axis=1)[:, [1, 0, 2]], atol=1e-12)


def test_density_of_even_and_of_preferred_directions():
    rng = np.random.default_rng(2)
    even = rng.normal(size=(60000, 3))
    found = maps.density(even / np.linalg.norm(even, axis=1, keepdims=True))
    assert found.mean() == pytest.approx(1) and found.std() < 0.3
    pole = maps.density(np.tile([0.0, 0.0, 1.0], (5000, 1)))
    assert pole[-1].sum() == pytest.approx(pole.size) and pole[:-1].max() == 0


def test_axis_in_the_laboratory():
    lattice = Lattice(np.diag([14.0, 14.0, 11.0]))
    sphere = maps.Sphere(np.array([0, 0, -1.0]), lattice.basis[:, 2], of_lattice(lattice).matrices)
    rotation = Rotation.random(random_state=1).as_matrix()
    found = maps.axis_directions(rotation[None], sphere)
    expected = rotation.T @ [0, 0, 1]
    assert len(found) == 2 and np.allclose(np.abs(found @ expected), 1) and np.allclose(found.sum(axis=0), 0)


def test_crystals_of_the_stream():
    """Both lattices of a frame that two explain; the second alone where the first is not needed."""
    lattice = Lattice(np.diag([14.0, 14.0, 11.0]))
    made = stored()
    found = list(report._stream_frames(made, lattice, [(f"{d}.cbf", "") for d in range(5)]))
    assert [len(frame.crystals) for frame in found] == [1, 0, 2, 0, 1] and [frame.number for frame in found] == [1, 3, 5, 7, 9]
    np.testing.assert_allclose(found[2].crystals[1], made.frames["rotation"][3].T @ lattice.reciprocal)


def test_picture(tmp_path):
    frames, lattice = stored().frames, CUBIC
    sphere = maps.Sphere(np.array([0, 0, -1.0]), lattice.basis[:, 2], of_lattice(lattice).matrices)
    for kept in (slice(None), slice(0, 0)):
        maps.draw(tmp_path / "x.png", frames["quaternion"][kept], frames["accepted"][kept], frames["phi"][kept], sphere)
        assert (tmp_path / "x.png").stat().st_size > 10_000
