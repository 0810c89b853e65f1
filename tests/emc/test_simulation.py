"""Simulated frames: the reference set's truth explains its frames, noise is Poisson's, faults are where they should be."""

import tarfile
from dataclasses import replace
from io import BytesIO

import fabio
import numpy as np
import pytest
from scipy import stats

from fxs_hpc.emc import detector
from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.model_intensities import random_intensities
from fxs_hpc.emc.raster import raster
from fxs_hpc.emc.simulation import WATER, Experiment, model_background, random_faults
from fxs_hpc.emc.spots import PeakShape
from fxs_hpc.emc.truth import Kind, Population, draw
from fxs_hpc.files.emc import truth as truth_file

NO_FAULTS = {"dead": 0, "hot": 0, "hot_value": 0, "stop": 0.0, "seed": 1}


@pytest.fixture(scope="module")
def small():
    geometry = replace(detector.flat((80, 90), (40.3, 44.6), 100.0, (0, 0, -1), 1.1), q_min=4, q_max=60)
    scene = raster(geometry, np.zeros(geometry.shape, bool))
    inversion = np.array([np.eye(3, dtype=int), -np.eye(3, dtype=int)])
    model = random_intensities(Lattice(np.diag([22.0, 20.0, 18.0])), inversion, 0.6, 30.0, 10.0, 1)
    background = model_background(scene.modulus, 2.0, 0.2)
    faults = random_faults(scene, np.zeros(len(scene.q), bool), 7, 3, 60000, scene.modulus.min() + 0.02, 1)
    return Experiment(scene, model, PeakShape(0.004), background, faults, 1)


def test_frames_are_poisson_about_what_is_expected(small):
    truth = draw(Population(60, 1), range(60))
    good = np.ones(len(small.background), bool)
    good[np.concatenate([small.faults.dead, small.faults.hot, small.faults.shadow])] = False
    expected = np.array([small.expected(truth, k, k)[good] for k in range(60)])
    counts = np.array([small.frame(truth, k, k).ravel()[good] for k in range(60)])
    chi2 = ((counts - expected) ** 2 / expected).sum()
    # The variance of (n - m)^2 / m is 2 + 1/m for Poisson's n.
    assert abs(chi2 - counts.size) < 4 * np.sqrt((2 + 1 / expected).sum())
    assert abs(counts.sum() - expected.sum()) < 4 * np.sqrt(expected.sum())
    bright = expected > 5
    assert bright.sum() > 500
    middle = stats.poisson.cdf(counts[bright] - 1, expected[bright]) + 0.5 * stats.poisson.pmf(counts[bright], expected[bright])
    assert abs(middle.mean() - 0.5) < 4 * np.sqrt(1 / 12 / bright.sum())


def test_faults_and_beam_stop(small):
    frame = small.frame(draw(Population(3, 1), [2]), 0, 2).ravel()
    assert set(np.flatnonzero(frame == -1)) == set(small.faults.dead) and len(small.faults.dead) == 7
    assert (frame[small.faults.hot] == 60000).all() and len(small.faults.hot) == 3
    shadow = np.setdiff1d(small.faults.shadow, np.concatenate([small.faults.hot, small.faults.dead]))
    assert len(shadow) > 5 and not frame[shadow].any()


def test_kinds_of_frames(small):
    population = Population(40, 2, multiple=0.25, junk=0.25, blank=0.25)
    truth = draw(population, range(40))
    photons = np.array([small.crystal_photons(truth, k).sum() for k in range(40)])
    assert (photons[np.isin(truth.kind, (Kind.BLANK, Kind.JUNK))] == 0).all()
    assert (photons[np.isin(truth.kind, (Kind.SINGLE, Kind.MULTIPLE))] > 0).all()
    junk, blank = (int(np.flatnonzero(truth.kind == kind)[0]) for kind in (Kind.JUNK, Kind.BLANK))
    plain = small.background * small.raster.polar
    assert np.allclose(small.expected(truth, blank, blank), plain * truth.background[blank])
    assert (small.expected(truth, junk, junk) - plain * truth.background[junk]).sum() > 50


def test_same_frame_whoever_makes_it(small):
    population = Population(30, 9, multiple=0.3, junk=0.2)
    everything, alone = draw(population, range(30)), draw(population, [17])
    np.testing.assert_array_equal(small.frame(everything, 17, 17), small.frame(alone, 0, 17))
    assert not np.array_equal(small.frame(everything, 16, 16), small.frame(everything, 17, 17))


def test_background_has_its_level_and_its_ring():
    q = np.linspace(0, 0.6, 601)
    plain, ring = model_background(q, 3.0, 0.0), model_background(q, 3.0, 0.4)
    assert plain[0] == pytest.approx(3.0) and (np.diff(plain) < 0).all()
    assert q[np.argmax(ring - plain)] == pytest.approx(WATER, abs=1e-3) and (ring - plain).max() == pytest.approx(1.2)
    assert model_background(np.array([np.inf]), 3.0, 0.4) == 0


def test_truth_file_gives_the_same_frames(small, tmp_path):
    truth = draw(Population(12, 5, multiple=0.5, width_spread=0.2, mosaicity=0.01, cell_spread=0.01), range(12))
    disturbed = replace(small, shape=PeakShape(0.004, 0.005, 0.2))
    truth_file.write(tmp_path, disturbed, truth, {"VN": 15})
    for name in ("truth.h5", "truth.npz"):
        stored = truth_file.read(tmp_path / name)
        again = Experiment(small.raster, stored.intensities, stored.shape, stored.background, small.faults, stored.seed)
        for k in (0, 5, 11):
            np.testing.assert_array_equal(again.frame(stored.truth, k, k), disturbed.frame(truth, k, k))
        assert len(stored.intensities.unique[0]) == len(disturbed.intensities.unique[0])


def test_truth_of_the_reference_set_explains_its_frames(reference_data):
    """chi^2 of 90 frames of 43613 pixels each is 1 to 1e-3; of the pixels with most photons to their statistics."""
    stored = truth_file.read(reference_data / "emc/truth.npz")
    geometry = detector.flat((240, 250), (121.3, 124.6), 0.05504 / 172e-6, (0.002, -0.003, -1), 1.03324)
    low, high = detector.limits(geometry.wavelength, geometry.D, 8.0, 2.9)
    scene = raster(replace(geometry, q_min=low, q_max=high), ~stored.good.reshape(240, 250))
    np.testing.assert_array_equal(scene.usable, stored.good)
    experiment = Experiment(scene, stored.intensities, stored.shape, stored.background, random_faults(scene, ~stored.good, **NO_FAULTS), 0)
    chosen = [k for k in range(5, 900, 10) if stored.truth.kind[k] != Kind.JUNK]
    counts = _reference_frames(reference_data / "emc/frames.tar.xz", chosen)
    expected = {k: experiment.expected(stored.truth, k, k)[stored.good] for k in chosen}
    residual = np.concatenate([(counts[k].ravel()[stored.good] - expected[k]) for k in chosen])
    mean = np.concatenate([expected[k] for k in chosen])
    for some in (mean > 0, mean > 10, mean > 30):
        chi2 = residual[some] ** 2 / mean[some]
        assert abs(chi2.mean() - 1) < 4 * np.sqrt((2 + 1 / mean[some]).sum()) / some.sum()
        assert abs(residual[some].sum()) < 4 * np.sqrt(mean[some].sum())
    assert (mean > 30).sum() > 100


def _reference_frames(path, chosen):
    wanted = {f"input/run1/sim_{k:05d}.cbf": k for k in chosen}
    frames = {}
    with tarfile.open(path, "r|xz") as archive:
        for member in archive:
            if member.name in wanted:
                frames[wanted[member.name]] = fabio.open(BytesIO(archive.extractfile(member).read())).data
    return frames
