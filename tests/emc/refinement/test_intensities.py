"""Heights of the reflections from frames of known orientation."""

import numpy as np
import pytest
from scene import scene
from scipy.optimize import brentq

from fxs_hpc.emc.refinement.intensities import fit_heights
from fxs_hpc.emc.refinement.observations import joined, observe
from fxs_hpc.emc.refinement.spots import LOG_PHI, STATE

LIMIT = 1 / 2.6


def observed(frames=30, strength=60.0, seed=1, phi_error=0.0):
    made, rng = scene(strength=strength), np.random.default_rng(seed)
    rotations = made.rotations(frames, seed)
    states = np.zeros((frames, STATE))
    states[:, LOG_PHI] = rng.normal(0, 0.2, frames)
    photons = np.array([made.photons(r, s, rng) for r, s in zip(rotations, states, strict=True)])
    states[:, LOG_PHI] += rng.normal(0, phi_error, frames) if phi_error else 0.0
    background = np.tile(made.level, (frames, 1))
    arguments = (made.pixels, made.table, made.shape.variances, LIMIT)
    seen = observe(*arguments, photons, background, rotations, states, np.ones(frames, bool))
    return made, rotations, states, photons, seen


def test_heights_are_the_most_likely_ones():
    made, rotations, states, photons, seen = observed(frames=6)
    found = fit_heights([seen], made.table.unique, [np.ones(6, bool)])
    # brute force: every pixel of every frame, one reflection set at a time
    ground = made.background()
    for u in (3, 10, 25):
        made.heights[:] = 0.0
        made.heights[u] = 1.0
        slope = np.array([made.signal(r, s) for r, s in zip(rotations, states, strict=True)])
        a, b, k = slope[slope > 0], np.broadcast_to(ground, slope.shape)[slope > 0], photons[slope > 0]
        if not len(a):
            continue
        root = brentq(lambda f, a=a, b=b, k=k: np.sum(a * (k / (b + f * a) - 1)), -0.95 * np.min(b / a), 1e5)
        assert found.value[u] == pytest.approx(root, rel=1e-4, abs=1e-3)
        information = np.sum(k * (a / (b + root * a)) ** 2)
        assert found.photon_sigma[u] == pytest.approx(information**-0.5, rel=1e-3)


def test_errors_are_honest():
    made, *_, seen = observed(frames=60, strength=15.0, phi_error=0.1)
    truth = scene(strength=15.0).heights
    found = fit_heights([seen], made.table.unique, [np.ones(60, bool)])
    known = np.isfinite(found.sigma) & (found.multiplicity > 4)
    assert known.sum() > 20
    pull = (found.value - truth)[known] / found.sigma[known]
    assert 0.7 < np.sqrt(np.mean(pull**2)) < 1.4
    assert np.all(found.sigma[known] >= found.photon_sigma[known])


def test_weak_reflections_are_unbiased():
    """Photons of background alone: heights scatter about zero, and some are negative."""
    made, rng = scene(), np.random.default_rng(8)
    rotations, states = made.rotations(40, 3), np.zeros((40, STATE))
    photons = rng.poisson(made.background(), (40, len(made.q))).astype(np.int16)
    arguments = (made.pixels, made.table, made.shape.variances, LIMIT)
    seen = observe(*arguments, photons, np.tile(made.level, (40, 1)), rotations, states, np.ones(40, bool))
    found = fit_heights([seen], made.table.unique, [np.ones(40, bool)])
    known = found.multiplicity > 3
    pull = found.value[known] / found.sigma[known]
    assert abs(pull.mean()) < 4 / np.sqrt(known.sum()) and (found.value[known] < 0).sum() > 0.25 * known.sum()


def test_unused_frames_and_unseen_reflections():
    made, *_, seen = observed(frames=4)
    only = fit_heights([seen], made.table.unique, [np.array([True, False, True, False])])
    hit = np.unique(made.table.unique[seen.reflection[np.isin(seen.frame, [0, 2])]])
    missing = np.setdiff1d(np.arange(made.unique), hit)
    assert len(missing) and np.all(only.value[missing] == 0) and np.all(np.isinf(only.sigma[missing]))
    assert np.all(only.multiplicity[hit] > 0)


def test_a_height_of_which_a_tail_was_hit_counts_as_not_seen():
    """It keeps its value, which explains the photons of that tail, but no error that could be taken for one."""
    made, *_, seen = observed(frames=40)
    used = [np.ones(40, bool)]
    whole = fit_heights([seen], made.table.unique, used)
    u = int(np.argmax(whole.value / whole.sigma))
    # every peak of this set is seen by a thousandth of what it was
    mine = np.isin(seen.reflection, np.flatnonzero(made.table.unique == u))
    pixel = np.repeat(mine, np.diff(seen.first))
    slope = np.where(pixel, seen.slope * 1e-3, seen.slope).astype(np.float32)
    total = np.where(mine[:, None], seen.total * np.array([1e-3, 1, 1, 1e-3, 1e-6]), seen.total)
    faint = fit_heights(
        [seen._replace(slope=slope, total=total, bound=np.where(mine, seen.bound * 1e3, seen.bound))], made.table.unique, used
    )
    assert faint.value[u] == pytest.approx(1e3 * whole.value[u], rel=1e-3) and np.isinf(faint.sigma[u]) and np.isinf(faint.photon_sigma[u])
    others = np.arange(made.unique) != u
    np.testing.assert_allclose(faint.sigma[others], whole.sigma[others], rtol=1e-6)


def test_blocks_add_up():
    made, rotations, states, photons, seen = observed(frames=8)
    background = np.tile(made.level, (8, 1))
    halves = [
        observe(made.pixels, made.table, made.shape.variances, LIMIT, photons[p], background[p], rotations[p], states[p], np.ones(4, bool))
        for p in (slice(0, 4), slice(4, 8))
    ]
    whole = fit_heights([seen], made.table.unique, [np.ones(8, bool)])
    parts = fit_heights(halves, made.table.unique, [np.ones(4, bool)] * 2)
    np.testing.assert_allclose(parts.value, whole.value, rtol=1e-9)
    both = joined([halves[0], halves[1].of_frames(4)])
    for name in seen._fields:
        np.testing.assert_array_equal(getattr(both, name), getattr(seen, name))
