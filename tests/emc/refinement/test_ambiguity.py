"""Frames of a crystal with less symmetry (4/m) than its lattice (4/mmm), each indexed in a random one of the two ways."""

import numpy as np
import pytest
from scene import laue_operators, scene, turned

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.refinement.ambiguity import images, reindexed, reindexed_rotations, require, resolve, spots_of, twin_laws
from fxs_hpc.emc.refinement.peak_model import index_operators
from fxs_hpc.emc.refinement.rounds import Model, Options, equal_heights, finish, refine_block, rescaled, with_heights
from fxs_hpc.emc.refinement.starts import misorientation
from fxs_hpc.emc.symmetry import of_lattice, of_matrices
from fxs_hpc.errors import DataError

FRAMES = 90


def group(made, laue):
    return of_matrices(laue_operators(laue), made.lattice)


def experiment(true_laue, seed=1):
    """Photons and true orientations of crystals with the symmetry `true_laue`; starts in a random way of indexing."""
    made = scene(laue="4/m")
    if true_laue == "4/mmm":
        high = scene(laue="4/mmm")
        made.heights[made.table.unique] = high.heights[high.table.unique]
    rng = np.random.default_rng(seed)
    rotations = made.rotations(FRAMES, seed)
    photons = np.array([made.photons(r, np.zeros(8), rng) for r in rotations])
    whole = laue_operators("4/mmm")
    whole = whole[np.linalg.det(whole) > 0]
    starts = turned(whole[rng.integers(0, 8, FRAMES)] @ rotations, 1.0, rng)
    return made, rotations, photons, [start[None] for start in starts]


def refined(made, photons, starts, rounds=3):
    laws = twin_laws(group(made, "4/m"), of_lattice(made.lattice))
    options = Options(1 / 3.2, 1 / 2.6)
    model = Model(made.pixels, made.table, made.proper, equal_heights(made.table), made.shape)
    background, found, resolved = np.tile(made.level, (FRAMES, 1)), None, []
    for number in range(rounds):
        result = refine_block(model, options, number, photons, background, found, starts if number == 0 else None)
        spots = spots_of(result.seen, result.found.accepted)
        resolved.append(resolve(spots, FRAMES, made.table, laws, np.zeros(FRAMES, np.int64) if number else None))
        choice = resolved[-1].choice
        turned_found = result.found._replace(rotation=reindexed_rotations(result.found.rotation, choice, laws))
        result = result._replace(found=turned_found, seen=reindexed(result.seen, choice, made.table, laws))
        end = finish([result], model, options)
        model, found = with_heights(model, end.heights.value), rescaled(result.found, end, 0)
    return model, found, resolved, laws


def test_laws_of_4m_and_4mmm():
    lattice = Lattice(np.diag([14.0, 14.0, 11.0]))
    whole = of_lattice(lattice)
    low = twin_laws(of_matrices(laue_operators("4/m"), lattice), whole)
    assert len(low.matrices) == 2 and np.array_equal(low.matrices[0], np.eye(3))
    # the other way exchanges h and k
    assert np.linalg.det(low.matrices[1]) == pytest.approx(1) and abs(low.indices[1][2, 2]) == 1 and low.indices[1][2, 2] == -1
    assert len(twin_laws(of_matrices(laue_operators("4/mmm"), lattice), whole).matrices) == 1
    orthorhombic = Lattice(np.diag([10.0, 12.0, 15.0]))
    monoclinic = of_matrices(np.array([np.eye(3), np.diag([-1.0, 1, -1]), -np.eye(3), np.diag([1.0, -1, 1])]), orthorhombic)
    assert len(twin_laws(monoclinic, of_lattice(orthorhombic)).matrices) == 2


def test_images_keep_the_modulus():
    made = scene(laue="4/m")
    laws = twin_laws(group(made, "4/m"), of_lattice(made.lattice))
    moved = images(made.table, laws)
    assert np.all(moved >= 0)
    np.testing.assert_allclose(made.table.modulus[moved[1]], made.table.modulus, rtol=1e-9)
    np.testing.assert_array_equal(moved[0], np.arange(len(made.table.modulus)))


def test_one_way_is_found_for_all_frames():
    made, rotations, photons, starts = experiment("4/m")
    model, found, resolved, laws = refined(made, photons, starts)
    for step in resolved:
        require(step, laws)
    assert resolved[0].agreement > 0.95 and resolved[-1].decided > 0.9
    # the whole crystal may be the other way round
    error = np.degrees([misorientation(law @ rotations, found.rotation, made.proper) for law in laws.matrices])
    best = int(np.argmax((error < 1).mean(axis=1)))
    assert (error[best] < 1).mean() > 0.97 and np.median(error[best]) < 0.15
    truth = np.zeros_like(made.heights)
    truth[made.table.unique[images(made.table, laws)[best]]] = made.heights[made.table.unique]
    seen = model.heights != 0
    assert np.corrcoef(model.heights[seen], truth[seen])[0, 1] > 0.995
    other = np.zeros_like(made.heights)
    other[made.table.unique[images(made.table, laws)[1 - best]]] = made.heights[made.table.unique]
    assert np.corrcoef(model.heights[seen], other[seen])[0, 1] < 0.9


def test_an_ambiguity_that_nothing_decides_is_refused():
    """Intensities with the symmetry of the lattice: both ways are equally good."""
    made, _, photons, starts = experiment("4/mmm")
    _, _, resolved, laws = refined(made, photons, starts, rounds=1)
    with pytest.raises(DataError, match="do not tell which is right"):
        require(resolved[0], laws)


def test_index_operators_of_the_laws_belong_to_their_matrices():
    made = scene(laue="4/m")
    laws = twin_laws(group(made, "4/m"), of_lattice(made.lattice))
    np.testing.assert_array_equal(index_operators(made.lattice, laws.matrices), laws.indices)
