"""Hot pixels, a wrong background, a displaced detector, disturbed crystals: the refinement still gives the right answer."""

import numpy as np
import pytest
from scene import scene, turned

from fxs_hpc.emc.refinement.common import COMMON, Geometry, step
from fxs_hpc.emc.refinement.hot_pixels import bright_frames, hot, without
from fxs_hpc.emc.refinement.peak_model import PeakShape
from fxs_hpc.emc.refinement.pixels import pixel_table
from fxs_hpc.emc.refinement.rounds import Model, Options, finish, refine_block, rescaled, with_heights
from fxs_hpc.emc.refinement.search import search, search_grid, second_lattice
from fxs_hpc.emc.refinement.spots import STATE
from fxs_hpc.emc.refinement.starts import distinct, misorientation

FRAMES = 60
LIMITS = {"start_limit": 1 / 3.2, "limit": 1 / 2.6}


def experiment(shape=None, seed=2, frames=FRAMES):
    made, rng = scene(), np.random.default_rng(seed)
    rotations = made.rotations(frames, seed)
    photons = np.array([made.photons(r, np.zeros(STATE), rng, shape) for r in rotations])
    return made, rotations, photons, [start[None] for start in turned(rotations, 1.0, rng)], rng


def refined(made, photons, starts, rounds=3, background=None, pixels=None, **options):
    chosen = Options(**LIMITS, **options)
    model = Model(pixels or made.pixels, made.table, made.proper, np.ones(made.unique), made.shape)
    background = np.tile(made.level, (len(photons), 1)) if background is None else background
    found, corrected = None, pixels or made.pixels
    q = corrected.q[np.argsort(corrected.place)]
    for number in range(rounds):
        result = refine_block(model, chosen, number, photons, background, found, starts if number == 0 else None)
        end = finish([result], model, chosen)
        model, found = with_heights(model, end.heights.value), rescaled(result.found, end, 0)
        if chosen.common.any() and number:
            shape, geometry = step(result.equations, model.shape, model.geometry, chosen.common)
            moved = pixel_table(geometry.corrected(q, corrected.frame[2]), made.polar, made.bins)
            model = Model(moved, model.lattice, model.proper, model.heights, shape, geometry)
    return model, found, end


def agreement(made, model):
    known = model.heights != 0
    return np.corrcoef(model.heights[known], made.heights[known])[0, 1]


def degrees(made, found, rotations):
    return np.degrees(misorientation(found.rotation, rotations, made.proper))


def test_control():
    made, rotations, photons, starts, _ = experiment()
    model, found, end = refined(made, photons, starts)
    assert agreement(made, model) > 0.998 and end.accepted[0].mean() > 0.95
    assert np.median(degrees(made, found, rotations)) < 0.1


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_wrong_background(factor):
    made, rotations, photons, starts, _ = experiment()
    background = np.tile(made.level * factor, (FRAMES, 1))
    model, found, end = refined(made, photons, starts, background=background)
    assert agreement(made, model) > 0.995 and end.accepted[0].mean() > 0.9
    assert np.median(degrees(made, found, rotations)) < 0.12


def test_hot_pixels_are_found_and_left_out():
    """Four pixels that always read a thousand: they are as bright as the strongest peaks, in every frame."""
    made, rotations, photons, starts, rng = experiment()
    places = rng.choice(len(made.q), 4, replace=False)
    photons[:, places] = 1000
    by_modulus = np.argsort(np.linalg.norm(made.q, axis=1))
    found = bright_frames(made.pixels, photons, np.tile(made.level, (FRAMES, 1)), 4.5)
    dead = np.zeros(len(made.q), bool)
    dead[by_modulus] = hot(found[by_modulus], FRAMES)
    assert sorted(np.flatnonzero(dead)) == sorted(places)
    pixels = without(made.pixels, dead)
    model, result, end = refined(made, photons, starts, pixels=pixels)
    assert agreement(made, model) > 0.998 and end.accepted[0].mean() > 0.95
    assert np.median(degrees(made, result, rotations)) < 0.1


def test_common_shape_is_found():
    truth = PeakShape(scene().shape.reference, 1.15 * scene().shape.width, np.radians(0.4), 0.006)
    made, _, photons, starts, _ = experiment(truth)
    common = np.arange(COMMON) < 3
    model, _, _ = refined(made, photons, starts, rounds=8, common=common)
    assert model.shape.width == pytest.approx(truth.width, rel=0.05)
    assert model.shape.mosaicity == pytest.approx(truth.mosaicity, rel=0.25)
    assert model.shape.radial == pytest.approx(truth.radial, rel=0.35)
    assert agreement(made, model) > 0.998


def test_displaced_detector_is_found():
    made, rotations, photons, starts, _ = experiment()
    # as if the beam had hit the detector 0.6 and -0.4 pixels elsewhere and 0.5 % nearer
    error = Geometry(0.6 / 120, -0.4 / 120, -0.005)
    wrong = pixel_table(error.corrected(made.q, made.pixels.frame[2]), made.polar, made.bins)
    plain, found, _ = refined(made, photons, starts, pixels=wrong)
    better, found_better, _ = refined(made, photons, starts, rounds=7, pixels=wrong, common=np.arange(COMMON) >= 3)
    undone = Geometry(-error.x, -error.y, -error.log_distance)
    assert better.geometry.x == pytest.approx(undone.x, abs=0.08 / 120) and better.geometry.y == pytest.approx(undone.y, abs=0.08 / 120)
    assert better.geometry.log_distance == pytest.approx(undone.log_distance, abs=1e-3)
    assert agreement(made, better) > agreement(made, plain)
    assert np.median(degrees(made, found_better, rotations)) < np.median(degrees(made, found, rotations))


def test_search_finds_crystals_and_leaves_empty_frames():
    made, rotations, photons, _, rng = experiment(frames=8)
    blank = rng.poisson(made.background(), (12, len(made.q))).astype(np.int16)
    model = Model(made.pixels, made.table, made.proper, made.heights, made.shape)
    options = Options(**LIMITS)
    found = search(model, options, search_grid(model, options), np.concatenate([photons, blank]), np.tile(made.level, (20, 1)))
    error = np.degrees(misorientation(found.rotation[:8], rotations, made.proper))
    assert np.all(error < 0.5) and found.gain[:8].min() > 10 * found.gain[8:].max()


def test_second_lattice():
    made, rotations, photons, _, rng = experiment(frames=6)
    other = made.rotations(6, 77)
    both = photons.copy()
    for d in range(3):
        both[d] += rng.poisson(made.signal(other[d], np.zeros(STATE))).astype(np.int16)
    model = Model(made.pixels, made.table, made.proper, made.heights, made.shape)
    options = Options(**LIMITS)
    background = np.tile(made.level, (6, 1))
    first = refine_block(model, options, 0, both, background, None, [start[None] for start in turned(rotations, 0.5, rng)]).found
    two = second_lattice(model, options, search_grid(model, options), both, background, first)
    np.testing.assert_array_equal(two.present, [True] * 3 + [False] * 3)
    assert np.all(np.degrees(misorientation(two.second.rotation[:3], other[:3], made.proper)) < 0.5)
    assert np.all(two.unexplained[:3] <= 2)


def test_distinct_starts():
    made = scene()
    rotation = made.rotations(1, 5)[0]
    near = turned(rotation[None], 1.0, np.random.default_rng(0))[0]
    copy = made.proper[3] @ rotation
    far = made.rotations(1, 6)[0]
    values = np.array([1.0, 3.0, 2.0, 0.5])
    chosen = distinct(np.stack([rotation, near, copy, far]), values, 4, np.radians(2), made.proper)
    assert chosen.tolist() == [1, 3]
