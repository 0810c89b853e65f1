"""Candidate orientations against trying every sample on every peak, on lattices of all kinds, and against the reference's files."""

import lzma
import math
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lattices import of_cell
from scipy.spatial.transform import Rotation

from fxs_hpc.emc import orientation_search, quaternions
from fxs_hpc.emc.lattice import VoxelGrid
from fxs_hpc.emc.orientation_search import Found, Rule
from fxs_hpc.emc.peaks import centroids
from fxs_hpc.emc.sample_tree import sample_tree
from fxs_hpc.emc.tubes import matching, tubes
from fxs_hpc.files.emc import candidates, peaks

SAMPLES, _ = quaternions.samples(5)
TREE = sample_tree(SAMPLES)
CELLS = [
    (24, 24, 18, 90, 90, 90),
    (21, 30, 38, 90, 104, 90),
    (26, 26, 31, 90, 90, 120),
    (19, 24, 29, 82, 97, 104),
    (23, 23, 23, 71, 71, 71),
]


def candidates_of(found_peaks: np.ndarray, rule: Rule) -> Found:
    """The search in one frame."""
    (found,) = orientation_search.search([found_peaks], rule, orientation_search.shell(rule), SAMPLES, TREE)
    return found


def exhaustive(found_peaks: np.ndarray, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """All samples on all peaks, as the definition says."""
    reciprocal = rule.grid.lattice.reciprocal
    x = np.einsum("rij,pj->rpi", quaternions.rotation_matrices(SAMPLES), found_peaks)
    hkl = np.round(x @ np.linalg.inv(reciprocal).T)
    points = hkl @ reciprocal.T
    distance, modulus = np.linalg.norm(x - points, axis=2), np.linalg.norm(points, axis=2)
    good = (distance <= rule.grid.tolerance) & (modulus >= rule.inner) & (modulus <= rule.outer) & (modulus > 0)
    different = [len({tuple(index) for index in hkl[rotation][good[rotation]]}) for rotation in range(len(SAMPLES))]
    rotation = np.flatnonzero(np.array(different) >= rule.least)
    return rotation, good[rotation].sum(axis=1)


def frame(rule: Rule, count: int, rng: np.random.Generator) -> np.ndarray:
    """Peaks of a lattice in a random orientation, off by a part of the tolerance, and peaks that belong to nothing."""
    points = orientation_search.shell(rule).position
    chosen = points[rng.choice(len(points), min(count, len(points)), replace=False)]
    turned = chosen @ Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    turned += rng.normal(size=turned.shape) * rule.grid.tolerance / 3
    directions = rng.normal(size=(count // 2, 3))
    stray = directions / np.linalg.norm(directions, axis=1)[:, None] * rng.uniform(rule.inner, rule.outer, (count // 2, 1))
    found_peaks = np.concatenate([turned, stray])
    return found_peaks[orientation_search.in_shell(rule, found_peaks)]


def assert_same(found_peaks: np.ndarray, rule: Rule) -> int:
    found = candidates_of(found_peaks, rule)
    rotation, explained = exhaustive(found_peaks, rule)
    np.testing.assert_array_equal(found.rotation, rotation)
    np.testing.assert_array_equal(found.explained, explained)
    return len(rotation)


@settings(max_examples=25)
@given(st.sampled_from(CELLS), st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 14), st.floats(0.5, 3.4))
def test_candidates_are_exactly_those_of_the_exhaustive_test(cell, seed, least, count, support):
    rng = np.random.default_rng(seed)
    rule = Rule(VoxelGrid(of_cell(*cell, seed=seed), 7, support), 0.03, 0.17, least)
    assert_same(frame(rule, count, rng), rule)


@pytest.mark.parametrize("room", [10**6, 300])
def test_frames_together_are_frames_one_by_one(room, monkeypatch):
    monkeypatch.setattr(orientation_search, "TUBES", room)
    monkeypatch.setattr(orientation_search, "TOGETHER", 3)
    rng = np.random.default_rng(5)
    rule = Rule(VoxelGrid(of_cell(*CELLS[1], seed=2), 7, 1.5), 0.03, 0.17, 2)
    frames = [frame(rule, count, rng) for count in (3, 12, 1, 7)]
    frames.insert(2, np.empty((0, 3)))
    together = orientation_search.search(frames, rule, orientation_search.shell(rule), SAMPLES, TREE)
    assert sum(len(found.rotation) for found in together) > 100
    for found, some in zip(together, frames, strict=True):
        alone = candidates_of(some, rule)
        np.testing.assert_array_equal(found.rotation, alone.rotation)
        np.testing.assert_array_equal(found.explained, alone.explained)


def test_the_comparison_is_about_many_candidates():
    rule = Rule(VoxelGrid(of_cell(*CELLS[3], seed=1), 7, 2.0), 0.03, 0.17, 3)
    assert assert_same(frame(rule, 14, np.random.default_rng(0)), rule) > 100


def test_wide_and_narrow_tubes():
    """Peaks near the centre, where the tolerance is as long as the peak, and a tolerance far below the distance of the samples."""
    lattice = of_cell(24, 24, 18, 90, 90, 90)
    wide = Rule(VoxelGrid(lattice, 15, 7.4), 0.0, 0.08, 1)
    assert_same(np.array([[0.02, 0.0, 0.0], [0.0, 0.021, 0.001]]), wide)
    narrow = Rule(VoxelGrid(lattice, 1000, 1.0), 0.0, 0.3, 2)
    exact = (np.array([[1, 2, 3], [3, 0, 1], [0, 2, 2]]) / [24, 24, 18]) @ quaternions.rotation_matrices(SAMPLES[777])
    assert 777 in candidates_of(exact, narrow).rotation
    assert_same(exact, narrow)


def test_a_peak_at_the_tolerance_counts():
    lattice = of_cell(24, 24, 18, 90, 90, 90)
    rule = Rule(VoxelGrid(lattice, 15, 2.5), 0.0, 0.3, 1)
    offset = np.array([0, 0, rule.grid.tolerance])
    number = 4321
    for factor, expected in ((1, True), (1 - 1e-7, True), (1 + 1e-7, False)):
        peak = (np.array([2, 1, 0]) / 24 + factor * offset) @ quaternions.rotation_matrices(SAMPLES[number])
        found = candidates_of(peak[None], rule)
        assert (number in found.rotation) is expected


def test_two_peaks_of_one_reflection_count_once():
    lattice = of_cell(24, 24, 18, 90, 90, 90)
    rule = Rule(VoxelGrid(lattice, 15, 2.5), 0.0, 0.3, 2)
    turned = quaternions.rotation_matrices(SAMPLES[99])
    split = (np.array([[2, 1, 0], [2, 1, 0]]) / 24 + np.array([[0, 0, 0.003], [0, 0, -0.003]])) @ turned
    found = candidates_of(split, rule)
    assert 99 not in found.rotation
    with_another = np.concatenate([split, (np.array([[0, 3, 0]]) / 24) @ turned])
    found = candidates_of(with_another, rule)
    assert found.explained[found.rotation.tolist().index(99)] == 3


def test_no_peaks_or_none_that_a_reflection_can_explain():
    rule = Rule(VoxelGrid(of_cell(24, 24, 18, 90, 90, 90), 15, 1.0), 0.0, 0.3, 1)
    for nothing in (np.empty((0, 3)), np.array([[0.03, 0, 0]])):
        assert len(candidates_of(nothing, rule).rotation) == 0


@given(st.integers(0, 10**6))
def test_the_distance_from_a_circle_is_half_the_angle(seed):
    """What the tubes rest on: (x f1)^2 + (x f2)^2 = sin^2(angle / 2), also for parallel and opposite directions."""
    rng = np.random.default_rng(seed)
    lattice = of_cell(24, 24, 18, 90, 90, 90)
    rule = Rule(VoxelGrid(lattice, 15, 2.5), 0.01, 0.2, 1)
    points = orientation_search.shell(rule)
    some = points.position[rng.integers(len(points.position))]
    direction = rng.normal(size=3) if seed % 3 else some * (-1 if seed % 2 else 1)
    peak = direction / np.linalg.norm(direction) * np.linalg.norm(some)
    matches = matching(peak[None], points.modulus, rule.grid.tolerance)
    found, _ = tubes(peak[None], points.position, points.modulus, matches)
    inside = np.abs(points.modulus - np.linalg.norm(peak)) <= rule.grid.tolerance
    assert len(found) == np.count_nonzero(inside)
    x = Rotation.random(random_state=seed).as_quat(scalar_first=True)
    turned = quaternions.rotation_matrices(x) @ peak
    for tube, point in zip(found, points.position[inside]):
        cosine = turned @ point / np.linalg.norm(turned) / np.linalg.norm(point)
        assert (x @ tube[:4]) ** 2 + (x @ tube[4:8]) ** 2 == pytest.approx((1 - cosine) / 2, abs=1e-6)


def test_candidates_of_the_reference(reference_data, tmp_path):
    """Each second frame: the same rotations, and none where there is no file."""
    root = reference_data / "emc"
    for name in ("outlier", "radial-bg"):
        with tarfile.open(root / "Data" / "run1" / f"{name}.tar.xz") as archive:
            archive.extractall(tmp_path, filter="data")
    with lzma.open(root / "make-detector" / "rec-vectors.bin.xz") as file:
        q = np.frombuffer(file.read(), "<f8", offset=12).reshape(-1, 4)[:, :3]
    with lzma.open(root / "make-detector" / "pix-map.bin.xz") as file:
        place = np.frombuffer(file.read(), "<i4")
    D, wavelength = 0.05504 / 172e-6 * math.sqrt(0.002**2 + 0.003**2 + 1), 1.03324
    limit = math.ceil(wavelength * D / 4.0)
    rule = Rule(VoxelGrid(of_cell(24, 24, 18, 90, 90, 90), 15, 2.5), 8 / (wavelength * D), limit / (wavelength * D), 3)
    samples, _ = quaternions.samples(17)
    tree, points = sample_tree(samples), orientation_search.shell(rule)
    used, expected = {}, {}
    for number in range(0, 900, 2):
        patches = peaks.read(tmp_path / f"Data/run1/outlier/peak-{number:05d}.dat")
        accepted = patches.selected((patches.sizes >= 2) & (patches.sizes <= 30))
        q_of_peaks = centroids(accepted, q, place) / (wavelength * D)
        q_of_peaks = q_of_peaks[orientation_search.in_shell(rule, q_of_peaks)]
        expected[number] = candidates.read_frame(tmp_path / f"Data/run1/radial-bg/prob_orien-{number:05d}.dat")
        if 3 <= len(q_of_peaks) <= 60:
            used[number] = q_of_peaks
    assert not any(len(expected[number]) for number in expected if number not in used)
    found = dict(zip(used, orientation_search.search(list(used.values()), rule, points, samples, tree)))
    for number, of_frame in found.items():
        np.testing.assert_array_equal(of_frame.rotation, expected[number])
    assert sum(len(of_frame.rotation) for of_frame in found.values()) > 30000
