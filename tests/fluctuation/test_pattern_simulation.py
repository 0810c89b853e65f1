"""Simulated patterns against formulas."""

from dataclasses import replace

import numpy as np
import pytest

from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.fourier_volume import fourier_volume
from fxs_hpc.fluctuation.pattern_simulation import (
    Experiment,
    draws,
    exact_invariants,
    rotation_matrix,
    scale_of_fluence,
    scale_of_photons,
    shot,
)
from fxs_hpc.fluctuation.polar_grid import FlatDetector
from fxs_hpc.fluctuation.scatterers import Solids

SOLIDS = shapes.build(["sphere", "cube"], [(30, 1, 0.3), (25, 2, 2.5)], [14, 10], [1, 2], [False, True], 3)
DETECTOR = FlatDetector((30, 34), 800.0, 400.0, 1.5, (13.6, 15.9))
USABLE = np.hypot(*(np.indices((30, 34)) - np.array([13.6, 15.9])[:, None, None])) > 2
VOLUME = fourier_volume(Solids(SOLIDS), 0.2)
EXACT = Experiment(DETECTOR, USABLE, scale=1e-4, noise=False)


def lab_wave_vectors():
    """Elastic scattering: k' - k, both of length 2 pi / lambda."""
    rows, columns = np.nonzero(USABLE)
    out = np.stack([(rows - 13.6) * 0.8, (columns - 15.9) * 0.8, np.full(len(rows), 400.0)], axis=1)
    return 2 * np.pi / 1.5 * (out / np.linalg.norm(out, axis=1)[:, None] - [0, 0, 1])


def test_expected_values_are_the_intensity_on_the_ewald_sphere():
    found = shot(VOLUME, EXACT, 0, 5)
    q = lab_wave_vectors()
    exact = np.abs(shapes.amplitude(SOLIDS, q @ rotation_matrix(found.orientations[0]))) ** 2
    rows, columns = np.nonzero(USABLE)
    radius = np.hypot(rows - 13.6, columns - 15.9) * 0.8
    exact *= 1e-4 * np.cos(np.arctan(radius / 400.0)) ** 3
    assert np.abs(found.image[USABLE] - exact).max() < 2e-3 * exact.max() and (found.image[~USABLE] == 0).all()
    assert DETECTOR.q_of(np.hypot(rows - 13.6, columns - 15.9)) == pytest.approx(np.linalg.norm(q, axis=1))


def test_polarisation_is_what_correlate_undoes():
    plain, polarised = shot(VOLUME, EXACT, 0, 1), shot(VOLUME, replace(EXACT, polarization="h"), 0, 1)
    row, column = 13, 33
    x, y, d = 13 - 13.6, 33 - 15.9, DETECTOR.distance_in_pixels
    cosine = d / np.sqrt(d * d + x * x + y * y)
    across = x * x / (x * x + y * y)
    ratio = polarised.image[row, column] / plain.image[row, column]
    assert ratio == pytest.approx(cosine**2 + (1 - cosine**2) * across, rel=1e-5)


def test_a_pattern_depends_on_seed_and_number_alone():
    noisy = replace(EXACT, noise=True, scale=1.0)
    first = [shot(VOLUME, noisy, 7, number).image for number in (0, 1, 2)]
    assert np.array_equal(shot(VOLUME, noisy, 7, 1).image, first[1])
    assert not np.array_equal(first[0], first[1]) and not np.array_equal(shot(VOLUME, noisy, 8, 0).image, first[0])
    assert np.array_equal(draws(noisy, 7, 2)[2], shot(VOLUME, noisy, 7, 2).orientations)


def test_photons_are_counted():
    bright = replace(EXACT, scale=1e-2, background=3.0)
    expected = shot(VOLUME, bright, 3, 0).image[USABLE]
    counted = shot(VOLUME, replace(bright, noise=True), 3, 0).image[USABLE]
    assert (counted == np.round(counted)).all()
    deviation = (counted - expected) / np.sqrt(expected)
    assert abs(deviation.mean()) < 5 / np.sqrt(len(deviation)) and deviation.std() == pytest.approx(1, abs=0.15)


def test_orientations_are_uniform():
    turned = np.array([rotation_matrix(draws(EXACT, 1, n)[2][0]) for n in range(4000)])
    assert np.abs(turned.mean(axis=0)).max() < 5 / np.sqrt(4000 * 3)
    assert turned @ turned.transpose(0, 2, 1) == pytest.approx(np.broadcast_to(np.eye(3), (4000, 3, 3)))
    # The angle of a uniform rotation has density (1 - cos) / pi, mean pi / 2 + 2 / pi.
    angle = np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert angle.mean() == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.05)


def test_several_particles_add_their_intensities_or_their_waves():
    two = replace(EXACT, particles=2)
    found = shot(VOLUME, two, 4, 0)
    q = lab_wave_vectors()
    amplitudes = [shapes.amplitude(SOLIDS, q @ rotation_matrix(each)) for each in found.orientations]
    factor = two.geometry * 1e-4
    apart = sum(np.abs(a) ** 2 for a in amplitudes) * factor
    assert np.abs(found.image[USABLE] - apart).max() < 2e-3 * apart.max()
    together = shot(VOLUME, replace(two, interference=True, focus=1e-6), 4, 0)
    coherent = np.abs(sum(amplitudes)) ** 2 * factor
    assert np.abs(together.image[USABLE] - coherent).max() < 4e-3 * coherent.max()
    counts = [len(draws(replace(EXACT, particles=2.5, spread="poisson"), 0, n)[2]) for n in range(600)]
    assert np.mean(counts) == pytest.approx(2.5, abs=0.35) and np.var(counts) == pytest.approx(2.5, abs=0.7)


def test_energies_have_the_spread_asked_for():
    energies = [draws(replace(EXACT, energy_spread=0.3), 0, n)[1] for n in range(3000)]
    assert np.mean(energies) == pytest.approx(1, abs=0.03) and np.std(energies) == pytest.approx(0.3, abs=0.03)


def test_exact_invariants_are_those_of_the_intensity():
    """Sum over l of (2l+1) / 4 pi .. is a correlation over rotations: B_l P_l at angle 0 gives <I(q1) I(q2)> along one line."""
    q = np.linspace(0.01, 0.15, 6)
    invariants, mean = exact_invariants(VOLUME, q, 40)
    random = np.random.default_rng(0)
    directions = random.normal(size=(20000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    field = np.array([np.abs(shapes.amplitude(SOLIDS, radius * directions)) ** 2 for radius in q])
    noise = np.sqrt(field.var(axis=1) / 20000)
    assert (np.abs(field.mean(axis=1) - mean) < 5 * noise).all()
    second = field @ field.T / 20000
    spread = np.sqrt((field**2) @ (field**2).T / 20000 / 20000)
    # P_l(1) = 1: <I(q1, n) I(q2, n)> over directions n is the sum of B_l / 4 pi.
    assert (np.abs(invariants.sum(axis=0) / (4 * np.pi) - second) < 5 * spread).all()
    assert (invariants[1::2] == 0).all()
    assert mean == pytest.approx(np.sqrt(np.diag(invariants[0]) / (4 * np.pi)))


def test_scales():
    q = np.linspace(0, 0.2, 200)
    mean = exact_invariants(VOLUME, q, 0)[1]
    scale = scale_of_photons(500.0, EXACT, q, mean)
    photons = [shot(VOLUME, replace(EXACT, scale=scale), 0, n).photons for n in range(200)]
    assert np.mean(photons) == pytest.approx(500, rel=0.03)
    # Forward scattering of n electrons: r_e^2 n^2 per unit solid angle.
    electrons = sum(s.density * volume for s, volume in zip(SOLIDS, (4 / 3 * np.pi * 14**3, 20.0**3), strict=True))
    forward = np.abs(shapes.amplitude(SOLIDS, np.zeros((1, 3)))[0]) ** 2
    expected = 1e12 * 1e-8 * (2.8179403262e-5 * electrons) ** 2 * (0.8 / 400.0) ** 2
    assert scale_of_fluence(1e12, DETECTOR) * forward == pytest.approx(expected)
