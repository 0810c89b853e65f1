"""Symmetrisation, equivalent rotations, work blocks, pruning, convergence, rejection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.emc.compression import Exposure
from fxs_hpc.emc.convergence import FlagRecord, angle, converged
from fxs_hpc.emc.equivalence import grid_operators, representatives
from fxs_hpc.emc.lattice import Lattice, VoxelGrid
from fxs_hpc.emc.pruning import Pruning, PruningRule, hopeful, returned
from fxs_hpc.emc.quaternions import misorientation, rotation_matrices, samples
from fxs_hpc.emc.reflections import complete_reflections
from fxs_hpc.emc.rejection import Verdict, by_orientations, by_peaks, explained_share
from fxs_hpc.emc.rules import OWN, REFERENCE, remembered
from fxs_hpc.emc.start_model import random_intensity
from fxs_hpc.emc.symmetrisation import symmetrised
from fxs_hpc.emc.symmetry import of_space_group
from fxs_hpc.emc.work_blocks import FRAMES, Node, shares, tree_sum, work_blocks
from fxs_hpc.emc.workload import Model
from fxs_hpc.stages.emc.frame_stream import stream_edges


def crystal(basis, space_group):
    lattice = Lattice(basis)
    reflections = complete_reflections(VoxelGrid(lattice, 9, 2.0), 0.03, 0.2)
    return Model.of(reflections, of_space_group(space_group, lattice))


@pytest.fixture(scope="module")
def trigonal():
    a, c = 20.0, 17.0
    return crystal(np.array([[a, -a / 2, 0], [0, a * np.sqrt(3) / 2, 0], [0, 0, c]]), "P 3 2 1")


@pytest.fixture(scope="module")
def tetragonal():
    return crystal(np.diag([20.0, 20.0, 15.0]), "P 4/m m m")


def evened(model, part, by_exposure=True):
    everything = np.arange(model.reflections.count)
    return symmetrised(everything, part, by_exposure, model.same, model.cubes, model.reflections.first)


@pytest.mark.parametrize("name", ["trigonal", "tetragonal"])
def test_equivalent_reflections_get_equal_sums(name, request):
    model = request.getfixturevalue(name)
    start = random_intensity(model.reflections, (3,))
    sums = model.sums(evened(model, Exposure(start, np.ones(len(start)))))
    for orbit in range(model.same.orbits):
        assert np.ptp(sums[model.same.orbit == orbit]) <= 1e-12 * sums.max()
    # Smooth peaks lose little between the points of the grid.
    expected = np.bincount(model.same.orbit, model.sums(start)) / np.bincount(model.same.orbit)
    np.testing.assert_allclose(np.bincount(model.same.orbit, sums) / np.bincount(model.same.orbit), expected, rtol=0.06)


def test_grid_symmetry_is_the_plain_mean_and_is_idempotent(tetragonal):
    start = random_intensity(tetragonal.reflections, (4,))
    once = evened(tetragonal, Exposure(start, np.ones(len(start))))
    np.testing.assert_allclose(evened(tetragonal, Exposure(once, np.ones(len(start)))), once, atol=1e-14)
    assert once.sum() == pytest.approx(start.sum(), rel=1e-13)


def test_what_was_not_seen_says_nothing(tetragonal):
    start = np.ones(len(tetragonal.cubes.place))
    weight = np.random.default_rng(0).random(len(start))
    weight[tetragonal.reflections.first[0] : tetragonal.reflections.first[1]] = 0
    for by_exposure in (True, False):
        np.testing.assert_allclose(evened(tetragonal, Exposure(start * (weight > 0), weight), by_exposure), 1, rtol=1e-12)


def test_mean_by_exposure(tetragonal):
    random = np.random.default_rng(1)
    values, weight = random.random(len(tetragonal.cubes.place)), random.random(len(tetragonal.cubes.place))
    pooled = [evened(tetragonal, Exposure(v, np.ones(len(v)))) for v in (values * weight, weight)]
    np.testing.assert_allclose(evened(tetragonal, Exposure(values, weight)), pooled[0] / pooled[1], rtol=1e-9)


def test_slices_of_orbits_give_the_same_bits(trigonal):
    start = random_intensity(trigonal.reflections, (5,))
    whole = evened(trigonal, Exposure(start, np.ones(len(start))))
    for orbit in range(0, trigonal.same.orbits, 7):
        targets = np.flatnonzero(trigonal.same.orbit == orbit)
        voxels = np.concatenate([np.arange(*trigonal.reflections.first[k : k + 2]) for k in targets])
        part = symmetrised(
            targets, Exposure(start[voxels], np.ones(len(voxels))), True, trigonal.same, trigonal.cubes, trigonal.reflections.first
        )
        assert np.array_equal(part, whole[voxels])


def test_samples_keep_222_but_not_the_fourfold_axis():
    group = of_space_group("P 4/m m m", Lattice(np.diag([20.0, 20.0, 15.0])))
    quaternions, _ = samples(4)
    found = representatives(quaternions, grid_operators(group.matrices))
    counts = np.bincount(np.unique(found, return_inverse=True)[1])
    assert counts.min() == 4 and np.mean(counts == 4) > 0.9  # a few samples lie on axes of order two
    assert misorientation(quaternions, quaternions[found], group.quaternions).max() < 1e-7
    assert np.array_equal(found[found], found)


def test_oblique_lattices_share_what_keeps_the_grid():
    group = of_space_group("P 3 2 1", Lattice(np.array([[20.0, -10, 0], [0, 10 * np.sqrt(3), 0], [0, 0, 17]])))
    operators = grid_operators(group.matrices)
    assert 1 <= len(operators) < 6
    assert np.array_equal(representatives(samples(2)[0], operators[:1]), np.arange(420))


@given(st.lists(st.integers(0, 400), min_size=1, max_size=300))
def test_work_blocks_cover_all_frames(evaluations):
    edges = work_blocks(np.array(evaluations))
    sizes = np.diff(edges)
    assert edges[0] == 0 and edges[-1] == len(evaluations)
    assert sizes.min() >= 1 and sizes.max() <= FRAMES
    for ranks in (1, 2, 5):
        owned = shares(edges, np.array(evaluations), ranks)
        assert owned[0] == 0 and owned[-1] == len(sizes) and np.all(np.diff(owned) >= 0)


@given(st.integers(1, 40), st.lists(st.integers(0, 40), max_size=6), st.integers(0, 10**6))
def test_tree_sum_has_the_same_bits_however_it_is_shared_out(blocks, cuts, seed):
    values = np.random.default_rng(seed).standard_normal((blocks, 3)) * 10.0 ** np.random.default_rng(seed).integers(-8, 8, (blocks, 1))
    edges = sorted({0, blocks, *(cut for cut in cuts if cut < blocks)})
    alone = tree_sum([Node(i, i + 1, values[i].copy()) for i in range(blocks)], blocks)
    parts = [tree_sum([Node(i, i + 1, values[i].copy()) for i in range(low, high)], blocks) for low, high in zip(edges[:-1], edges[1:])]
    shared = tree_sum([node for part in parts for node in part], blocks)
    assert len(alone) == len(shared) == 1
    assert np.array_equal(alone[0].value, shared[0].value)
    np.testing.assert_allclose(alone[0].value, values.sum(axis=0), rtol=1e-9, atol=1e-6)


def test_streams_are_cut_between_work_blocks():
    blocks = np.array([10, 14, 30, 31, 50, 60])
    assert stream_edges(blocks, 1, 100, 1).tolist() == [10, 60]
    assert stream_edges(blocks, None, 100, 5000).tolist() == [10, 60]
    halves = stream_edges(blocks, 2, 100, 1)
    assert set(halves) <= set(blocks) and len(halves) == 3
    assert np.array_equal(stream_edges(blocks, 100, 100, 1), blocks)
    assert len(stream_edges(blocks, None, 100, 2000)) > 3


def test_pruning_gives_up_the_hopeless_and_looks_again():
    rule = PruningRule(margin=50, interval=3, settling=1, turn=5)
    start, values = np.array([0, 3, 3, 5]), np.array([0.0, -49, -51, 10, -100])
    active = hopeful(rule, start, values)
    assert active.tolist() == [True, True, False, True, False]
    assert returned(start, np.array([0.0, -49, -9, 10, -100]), active) == 1
    state = Pruning(np.ones(5, bool))
    assert state.full(rule, 1)
    state = state.after(active, 1.0)
    assert not state.full(rule, 2)
    state = state.after(None, 1.0).after(None, 1.0)
    assert state.full(rule, 4)  # the interval is over
    assert Pruning(active, 0, 6.0).full(rule, 9)  # the model turned
    assert Pruning(active).full(PruningRule(margin=0), 9)


def record(flag, kind, change, likelihood):
    return FlagRecord(flag, kind, change, likelihood, 1.0, 1.0, 0.0, 1.0, 0, 1.0, {})


def test_convergence_needs_small_changes_and_a_settled_likelihood():
    kinds = ["intensity", "phi"] * 4
    still = [record(n + 1, kind, 0.01, 1000.0) for n, kind in enumerate(kinds)]
    assert converged(still, 0.05)
    assert not converged([record(n + 1, kind, 0.0, 1000.0) for n, kind in enumerate(kinds)], 0.0)
    assert not converged(still[:4], 0.05)
    assert not converged([*still[:-1], record(8, "phi", 0.06, 1000.0)], 0.05)
    assert not converged([*still[:-2], record(7, "intensity", 0.01, 1001.0), still[-1]], 0.05)


@given(st.floats(1e-7, 3))
def test_angle(turn):
    assert angle(np.array([2.0, 0]), 5 * np.array([np.cos(turn), np.sin(turn)])) == pytest.approx(np.degrees(turn), rel=1e-6)


def test_peaks_of_one_crystal_are_explained_and_others_are_not():
    grid = VoxelGrid(Lattice(np.diag([24.0, 24, 18])), 15, 2.5)
    random = np.random.default_rng(0)
    one, two = rotation_matrices(random.standard_normal((2, 4)) / 2)
    one, two = (np.linalg.qr(matrix)[0] for matrix in (one, two))
    hkl = random.integers(-4, 5, (40, 3))
    peaks = hkl @ grid.lattice.reciprocal.T
    assert explained_share(peaks @ one, one, grid, 0.05) == 1
    assert explained_share(peaks @ two, one, grid, 0.0) < 0.5
    assert explained_share(np.zeros((0, 3)), one, grid, 0.05) == 0


def test_rules_of_rejection():
    phi, share = np.array([1.0, 2, 0, 1]), np.array([0.9, 0.5, 0.9, np.nan])
    result = by_peaks(phi, share, 0.8)
    assert result.verdicts == [Verdict.KEPT, Verdict.UNEXPLAINED, Verdict.BLANK, Verdict.BLANK]
    assert result.phi.tolist() == [1, 0, 0, 0]
    group = of_space_group("P 4/m m m", Lattice(np.diag([20.0, 20.0, 15.0])))
    quaternions = samples(4)[0]
    same = np.array([quaternions[7], *(quaternions[[representative for representative in range(100, 101)]])])
    copies = np.stack([same[0], same[0]])
    found = by_orientations(
        np.ones(3), [copies, same, np.zeros((0, 4))], [np.array([0.5, 0.5])] * 2 + [np.empty(0)], group.quaternions, 0.1
    )
    assert found.verdicts == [Verdict.KEPT, Verdict.MULTIPLE, Verdict.MULTIPLE]


def test_scale_factors_remember_the_peaks():
    new, start = np.array([4.0, 0, 1]), np.array([1.0, 2, 0])
    assert remembered(REFERENCE, new, start) is new
    np.testing.assert_allclose(remembered(OWN, new, start), [2, 0, 0])
