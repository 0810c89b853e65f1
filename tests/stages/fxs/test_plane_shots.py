"""simulate_patterns in two dimensions, and the way on to invariants that are compared with the truth."""

import h5py
import numpy as np
import pytest
from shots import CORRELATE, SHAPE, SIMULATE, context, merged

from fxs_hpc.errors import SettingsError
from fxs_hpc.files.ccd import read_ccd, read_plane_model
from fxs_hpc.files.pattern_lists import PatternReader, open_patterns
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.files.simulated_patterns import read_truth
from fxs_hpc.stages.fxs import correlate, extract, simulate_patterns

FIGURES = {
    "dimensions": 2,
    "shapes": {"types": ["disc", "square", "triangle"], "centers": [[30.0, 0.3], [25.0, 2.5], [30.0, 4.4]]},
}


def run(home, changes=(), **options):
    settings, surroundings = context("simulate_patterns", merged(merged(SIMULATE, FIGURES), dict(changes)), home, **options)
    return simulate_patterns.run(settings, surroundings)


def images(folder):
    patterns = open_patterns(folder / "patterns_list.txt", SHAPE, 1000)
    return np.array([PatternReader(patterns).read(number) for number in range(len(patterns))])


def test_the_truth_tells_what_was_made(tmp_path):
    folder = run(tmp_path, {"n_patterns": 40, "poisson_noise": False, "n_particles": 2})
    assert folder == (tmp_path / "data/fxs/patterns/2d_shots").resolve()
    truth, model = read_truth(folder / "truth.h5"), read_plane_model(folder / "truth.h5")
    assert (truth.dimensions, truth.n_particles, len(model.shapes)) == (2, 2, 3)
    assert model.density.shape == (12, 256) and model.density.max() == 2.0
    np.testing.assert_allclose(truth.invariants[0], np.outer(truth.average_intensity, truth.average_intensity))
    with h5py.File(folder / "truth.h5") as file:
        orientations = file["patterns/orientations"][()]
        assert orientations.shape == (40, 2, 4) and not orientations[..., 1:3].any()
    photons = images(folder).sum(axis=(1, 2))
    assert photons.mean() == pytest.approx(2 * 2e4, abs=5 * photons.std() / np.sqrt(40))


def test_density_files(tmp_path):
    folder = run(tmp_path, {"poisson_noise": False, "truth": {"n_shells": 80}})
    again = run(tmp_path, {"poisson_noise": False, "object": "density", "density_file": str(folder / "truth.h5")})
    np.testing.assert_allclose(images(again), images(folder), rtol=1e-6, atol=1e-6 * images(folder).max())
    field = read_plane_model(folder / "truth.h5")
    np.savez(tmp_path / "d.npz", density=field.density, r=field.r, phi=field.phi)
    sampled = run(tmp_path, {"poisson_noise": False, "object": "density", "density_file": "d.npz"})
    # Points of a grid half an angstrom fine do not hold the edges of the figures.
    assert np.corrcoef(images(folder).ravel(), images(sampled).ravel())[0, 1] > 0.995
    assert read_plane_model(sampled / "truth.h5").density.shape == (12, 256)


def test_atoms_are_in_space(tmp_path):
    with pytest.raises(SettingsError, match="structure is one in space"):
        run(tmp_path, {"object": "structure", "structure_file": "m.pdb"})


def test_the_plan(tmp_path):
    settings, surroundings = context("simulate_patterns", merged(SIMULATE, FIGURES), tmp_path)
    plan = simulate_patterns.plan(settings, surroundings)
    folder = simulate_patterns.run(settings, surroundings)
    assert plan.disk == sum(path.stat().st_size for path in folder.glob("*.raw")) - (folder / "mask.raw").stat().st_size
    assert any("points" in line for line in plan.lines)


@pytest.fixture(scope="module")
def correlated(tmp_path_factory):
    """Correlation of 1000 patterns, and the truth."""
    home = tmp_path_factory.mktemp("plane")
    options = {"format": "hdf5", "patterns_per_file": 1000}
    shots = {"n_patterns": 1000, "photons_per_particle": 1e5, "beam_stop_radius": 1.5, "truth": {"n_radial_points": 200}}
    folder = run(home, {**shots, "IO": {"files": {"patterns": {"options": options}}}})
    rings = {"qrange": [0.07, 0.26, 0.0127], "phi_range": [0.0, 2 * np.pi, 120, "exact"], "dimensions": 2}
    tree = merged(CORRELATE, {**rings, "solid_angle_correction": True, "batch_size": 100})
    tree["IO"] = merged(tree["IO"], {"folders": {"in_base": {"data": "patterns/2d_shots/"}}})
    settings, surroundings = context("correlate", tree, home)
    correlate.run(settings, surroundings)
    return home, read_truth(folder / "truth.h5")


def at(truth, order, q):
    """Exact B_n, or its conjugate, at radii q: of one harmonic, the eigenvector of its matrix."""
    values, vectors = np.linalg.eigh(truth.invariants[order])
    harmonic = vectors[:, -1] * np.sqrt(values[-1])
    sampled = np.interp(q, truth.q, harmonic.real) + 1j * np.interp(q, truth.q, harmonic.imag)
    return np.outer(sampled, sampled.conj())


def agreement(found, exact):
    """Cosine of the angle between two complex matrices, sign of the imaginary part included."""
    return np.vdot(exact, found).real / np.linalg.norm(found) / np.linalg.norm(exact)


def test_correlations_of_patterns_hold_the_conjugate_invariants(correlated):
    home, truth = correlated
    data = read_ccd(home / "data/fxs/ccd/2d_shots.h5")
    assert data.measured and data.dimensions is None and data.n_particles == 1
    mean = np.interp(data.q, truth.q, truth.average_intensity)
    assert np.abs(data.average_intensity / mean - 1).max() < 0.06
    components = np.fft.rfft(data.correlation["I1I1"], norm="forward")
    chiral = 0
    for order in (2, 4, 6, 8):
        exact = at(truth, order, data.q)
        assert agreement(components[..., order].conj(), exact) > 0.99
        chiral += agreement(components[..., order], exact) < 0.9
    assert chiral >= 2
    assert len(read_plane_model(home / "data/fxs/ccd/2d_shots.h5").shapes) == 3


def test_extract_finds_the_true_invariants(correlated):
    home, truth = correlated
    settings, surroundings = context("extract", {"dimensions": 2, "max_order": 12, "structure_name": "shots"}, home)
    found = read_proj_data(extract.run(settings, surroundings) / "proj_data.h5")
    for order in (2, 4, 6, 8, 10):
        exact = at(truth, order, found.q)
        assert agreement(found.invariants[order], exact) > 0.995
        v = found.projection_matrices[order]
        assert agreement(v @ v.conj().T, exact) > 0.995
        assert np.linalg.norm(found.invariants[order]) == pytest.approx(np.linalg.norm(exact), rel=0.1)
