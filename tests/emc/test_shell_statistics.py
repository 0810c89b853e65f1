"""CC1/2 and its kin."""

from dataclasses import replace

import numpy as np
import pytest

from fxs_hpc.emc.lattice import Lattice
from fxs_hpc.emc.merging import Merged, common, merge, orbits
from fxs_hpc.emc.resolution import resolution
from fxs_hpc.emc.shell_statistics import cc_star, equal_volume_edges, linear_edges, pearson, r_split, scale_of, statistics


def test_cc_half_of_the_reference_run(reference_data):
    base = reference_data / "emc"
    lattice = Lattice(np.loadtxt(base / "aux" / "basis-vec.dat"))
    cartesian = np.loadtxt(base / "aux" / "sym-op.dat", skiprows=1).reshape(-1, 3, 3)
    operators = np.rint(np.linalg.inv(lattice.reciprocal) @ cartesian @ lattice.reciprocal).astype(int)
    halves = []
    for half in "AB":
        table = np.loadtxt(base / "Data" / "high-prob" / f"high-res-recon-{half}-0" / "iter_flag-6" / "intens-mean-std.dat")
        halves.append(merge(orbits(table[:, 1:4].astype(int), operators), table[:, 4], table[:, 5]))
    first, second = common(*halves)
    hkl = np.loadtxt(base / "Data" / "high-prob" / "high-res-recon-A-0" / "iter_flag-6" / "hkl-val.dat", skiprows=1)[:, :3].astype(int)
    possible = orbits(hkl, operators).hkl
    largest = np.linalg.norm(hkl @ lattice.reciprocal.T, axis=1).max()
    shells = statistics((first, second), first, possible, lattice.reciprocal, linear_edges(largest))
    filled = shells.pairs > 0
    expected = np.loadtxt(base / "cal-CC" / "cc.dat")
    assert np.allclose(np.column_stack([shells.mean_q, shells.cc_half, shells.cc_star])[filled], expected, atol=1e-9, equal_nan=True)
    assert np.all(shells.completeness[filled] == 1)


def synthetic(noise, count=4000, seed=5):
    """Halves of exponential intensities whose noise grows as `noise(q)`; 30 A cubic cell."""
    rng = np.random.default_rng(seed)
    lattice = Lattice(np.eye(3) * 30.0)
    hkl = np.unique(rng.integers(0, 16, (count, 3)), axis=0)[1:].astype(np.int32)
    q = np.linalg.norm(hkl @ lattice.reciprocal.T, axis=1)
    hkl, q = hkl[q < 0.5], q[q < 0.5]
    truth = rng.exponential(size=len(hkl))
    sigma = noise(q)
    a, b = (truth + sigma * rng.standard_normal(len(hkl)) for _ in range(2))
    ones = np.ones(len(hkl), int)
    full = Merged(hkl, (a + b) / 2, sigma / np.sqrt(2), 2 * ones)
    return (Merged(hkl, a, sigma, ones), Merged(hkl, b, sigma, ones)), full, hkl, lattice.reciprocal, truth


def test_cc_half_and_cc_star_of_known_noise():
    halves, full, hkl, reciprocal, truth = synthetic(lambda q: np.full(len(q), 0.5))
    shells = statistics(halves, full, hkl, reciprocal, np.array([0.0, 0.5]))
    assert shells.cc_half[0] == pytest.approx(1 / (1 + 0.25), abs=0.03)
    assert shells.cc_star[0] == pytest.approx(pearson(full.intensity, truth), abs=0.02)
    assert shells.signal[0] == pytest.approx(np.mean(full.intensity / full.sigma))
    assert shells.multiplicity[0] == 2 and shells.completeness[0] == 1


def shells_of(noise, count=30000, shells=20, seed=5):
    halves, full, hkl, reciprocal, _ = synthetic(noise, count=count, seed=seed)
    return statistics(halves, full, hkl, reciprocal, equal_volume_edges(0.03, 0.5, shells))


def falling(q, end=0.4):
    """CC1/2 = 1 / (1 + sigma^2) = 0.3 at sigma^2 = 7 / 3; noise over signal grows as exp(B q^2), as intensities fall with a B factor."""
    return np.sqrt(7 / 3) * np.exp(20 * (q**2 - end**2))


def test_resolution_is_where_the_known_curve_falls_to_the_limit():
    found = resolution(shells_of(falling))
    assert 1 / found.angstrom == pytest.approx(0.4, abs=0.012) and abs(found.angstrom - 2.5) < 3 * found.error < 0.3
    assert found.words == f"{found.angstrom:.2f} +- {found.error:.2f} Angstrom"


def test_the_error_of_the_resolution_is_honest():
    """Over repetitions the deviations are about as large as said; not larger."""
    for count, shells in ((1500, 8), (300, 6)):
        found = [resolution(shells_of(falling, count=count, shells=shells, seed=seed)) for seed in range(60)]
        pulls = np.array([(one.angstrom - 2.5) / one.error for one in found if one.angstrom])
        # a standard deviation of 60 numbers is good to 9 %
        assert len(pulls) > 55 and 0.7 < np.std(pulls) < 1.3 and np.mean(np.abs(pulls) < 2) > 0.85


@pytest.mark.parametrize("level", [0.02, 0.1, 0.7])
def test_data_that_do_not_end_have_no_end(level):
    found = resolution(shells_of(lambda q: np.full(len(q), level), shells=10))
    assert found.angstrom is None and found.error is None and found.words == "not reached: CC1/2 stays above 0.3 to 2.00 Angstrom"


@pytest.mark.parametrize("count", [60, 400, 30000])
def test_noise_alone_has_no_resolution(count):
    """Whatever curve happens to fit it; in one of 300 sets of noise the mean exceeds three standard errors."""
    for seed in range(30):
        found = resolution(shells_of(lambda q: np.full(len(q), 1e4), count=count, shells=6, seed=seed))
        assert found.angstrom is None and "not reached" not in found.words, (seed, found)


def test_a_weak_correlation_everywhere_is_below_from_the_start():
    found = resolution(shells_of(lambda q: np.full(len(q), 2.5), shells=10))
    assert found.angstrom is None and found.words == "none: CC1/2 lies below 0.3 from the lowest shell on"


def test_few_reflections():
    """With too few the answer is that nothing can be said; with some, a value has an error that says what it is worth."""
    assert resolution(shells_of(falling, count=4)).words.startswith("unknown: only ")
    for seed in range(20):
        found = resolution(shells_of(falling, count=100, shells=5, seed=seed))
        assert found.angstrom is None or abs(found.angstrom - 2.5) < max(4 * found.error, 0.3), (seed, found)


def test_shells_without_pairs_do_not_count():
    made = shells_of(falling)
    holes = replace(made, cc_half=np.where(np.arange(20) % 3 == 0, np.nan, made.cc_half))
    assert resolution(holes).angstrom == pytest.approx(resolution(made).angstrom, abs=0.05)
    assert resolution(replace(made, pairs=np.full(20, 2))).words.startswith("unknown: only 0 shells")


def test_r_split_of_known_noise():
    # |A - B| of two normal numbers has the mean 2 sigma / sqrt(pi).
    rng = np.random.default_rng(1)
    a, b = (10 + 0.3 * rng.standard_normal(20000) for _ in range(2))
    assert r_split(a, 7 * b * scale_of(a, 7 * b)) == pytest.approx(2 * 0.3 / np.sqrt(np.pi) / 10 / np.sqrt(2), rel=0.02)


def test_r_split_has_one_scale_for_all_shells():
    """Halves that are noise alone: |A - B| is as large as |A + B| in the mean, hence sqrt(2), whatever the scale of half B is."""
    truth, noise = np.random.default_rng(2), np.zeros((2, 400))
    hkl = np.array([(h, 0, 0) for h in range(1, 401)], np.int32)
    noise[:, :200] = 50 + 10 * truth.standard_normal(200)
    noise[:, 200:] = 10 * truth.standard_normal((2, 200))
    ones = np.ones(400, int)
    a, b = (Merged(hkl, values, np.ones(400), ones) for values in (noise[0], 7 * noise[1]))
    found = statistics((a, b), a, hkl, np.eye(3), np.array([0.5, 200.5, *np.arange(210.5, 401, 10)])).r_split
    # 0.026: the noise is in the sum of squares that the scale is divided by, 3.7 % of it.
    assert found[0] < 0.03 and found[1:].mean() == pytest.approx(np.sqrt(2), abs=0.1)  # own scales: 1.29


def test_edges():
    edges = equal_volume_edges(0.1, 0.4, 7)
    assert np.allclose(np.diff(edges**3), (0.4**3 - 0.1**3) / 7) and edges[0] == pytest.approx(0.1)
    assert np.isclose(cc_star(np.array([1.0]))[0], 1)
