"""simulate_patterns, and the way on to invariants that are compared with the truth."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import yaml
from scipy.interpolate import RectBivariateSpline
from shots import CORRELATE, SHAPE, SIMULATE, context, merged

from fxs_hpc.errors import SettingsError
from fxs_hpc.files.ccd import read_model
from fxs_hpc.files.density_files import read_density
from fxs_hpc.files.pattern_lists import PatternReader, open_patterns
from fxs_hpc.files.proj_data import read_proj_data
from fxs_hpc.files.simulated_patterns import read_truth
from fxs_hpc.fluctuation.pattern_simulation import rotation_matrix
from fxs_hpc.stages.fxs import correlate, extract, simulate_patterns
from fxs_hpc.stages.fxs.finished import finished

HDF5 = {"IO": {"files": {"patterns": {"options": {"format": "hdf5"}}}}}


def run(home, changes=(), **options):
    settings, surroundings = context("simulate_patterns", merged(SIMULATE, dict(changes)), home, **options)
    return simulate_patterns.run(settings, surroundings)


def images(folder):
    patterns = open_patterns(folder / "patterns_list.txt", SHAPE, 1000)
    return np.array([PatternReader(patterns).read(number) for number in range(len(patterns))])


def test_raw_and_hdf5_hold_the_same_patterns(tmp_path):
    options = {"beam_stop_radius": 3.0, "gaps": [[30, 32, 0, 44]]}
    raw, stacks = run(tmp_path, options), run(tmp_path, merged(options, HDF5))
    one, two = images(raw), images(stacks)
    mask = np.fromfile(raw / "mask.raw", "<f4").reshape(SHAPE) > 0
    assert one.shape == two.shape == (10, *SHAPE) and [p.name for p in sorted(stacks.glob("*.h5"))] == [
        "patterns_00000.h5",
        "patterns_00001.h5",
        "patterns_00002.h5",
        "truth.h5",
    ]
    assert not mask[30:32].any() and not mask[18:22, 20:23].any() and mask[0, 0]
    assert np.array_equal(one[:, mask], two[:, mask]) and np.isnan(two[:, ~mask]).all() and (one[:, ~mask] == 0).all()
    link = tmp_path / "data/fxs/patterns"
    assert (link / "3d_shots").resolve() == stacks and (link / "3d_shots.txt").resolve() == stacks / "patterns_list.txt"


def test_the_truth_tells_what_was_made(tmp_path):
    folder = run(tmp_path, {"n_patterns": 40, "poisson_noise": False, "n_particles": 2})
    truth, model = read_truth(folder / "truth.h5"), read_model(folder / "truth.h5")
    assert truth.n_particles == 2 and len(model.shapes) == 3
    with h5py.File(folder / "truth.h5") as file:
        orientations = file["patterns/orientations"][()]
        assert orientations.shape == (40, 2, 4) and (file["patterns/n_particles"][()] == 2).all()
    assert np.linalg.norm(orientations, axis=2) == pytest.approx(np.ones((40, 2)))
    assert rotation_matrix(orientations[0, 0]) @ rotation_matrix(orientations[0, 0]).T == pytest.approx(np.eye(3))
    photons = images(folder).sum(axis=(1, 2))
    assert photons.mean() == pytest.approx(2 * 2e4, abs=5 * photons.std() / np.sqrt(40))


def test_density_and_structure_files(tmp_path):
    folder = run(tmp_path, {"poisson_noise": False, "truth": {"n_shells": 40}})
    # The model in truth.h5 carries the exact shapes: the same object again.
    again = run(tmp_path, {"poisson_noise": False, "object": "density", "density_file": str(folder / "truth.h5")})
    assert np.allclose(images(again), images(folder), rtol=1e-5, atol=1e-6 * images(folder).max())
    field = read_density(folder / "truth.h5")
    np.savez(tmp_path / "d.npz", density=field.density, r=field.r, theta=field.theta, phi=field.phi)
    sampled = run(tmp_path, {"poisson_noise": False, "object": "density", "density_file": "d.npz"})
    one, two = images(folder).ravel(), images(sampled).ravel()
    assert np.corrcoef(one, two)[0, 1] > 0.98
    assert read_model(sampled / "truth.h5").density.shape == (12, 48, 96)
    lines = [f"HETATM{n:5d}  C   UNK A{n:4d}    {20 * n:8.3f}{5 * n * n:8.3f}{0:8.3f}  1.00  0.00           C" for n in range(1, 4)]
    (tmp_path / "m.pdb").write_text("\n".join(lines) + "\nEND\n")
    atoms = run(tmp_path, {"object": "structure", "structure_file": "m.pdb", "photons_per_particle": False, "fluence": 1e20})
    assert images(atoms).sum() > 0


def test_an_unfinished_run_goes_on_and_a_finished_one_is_known(tmp_path):
    settings, surroundings = context("simulate_patterns", SIMULATE, tmp_path)
    folder = simulate_patterns.run(settings, surroundings)
    assert finished("simulate_patterns", settings, surroundings) == folder
    before = images(folder)
    (folder / "patterns_list.txt").unlink()
    (folder / "pattern_000004.raw").unlink()
    kept = (folder / "pattern_000003.raw").stat().st_mtime_ns
    assert finished("simulate_patterns", settings, surroundings) is None
    with pytest.raises(SettingsError, match="begun with other values of seed"):
        run(tmp_path, {"seed": 5}, resume=True)
    assert run(tmp_path, resume=True) == folder
    assert np.array_equal(images(folder), before) and (folder / "pattern_000003.raw").stat().st_mtime_ns == kept


def test_the_plan(tmp_path):
    settings, surroundings = context("simulate_patterns", SIMULATE, tmp_path)
    plan = simulate_patterns.plan(settings, surroundings)
    folder = simulate_patterns.run(settings, surroundings)
    assert plan.disk == sum(path.stat().st_size for path in folder.glob("*.raw")) - (folder / "mask.raw").stat().st_size


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Invariants of 3000 patterns, and the truth."""
    home = tmp_path_factory.mktemp("shots")
    shots = {"n_patterns": 3000, "photons_per_particle": 1e5, "beam_stop_radius": 1.5}
    folder = run(home, merged(merged(shots, HDF5), {"IO": {"files": {"patterns": {"options": {"patterns_per_file": 1000}}}}}))
    rings = {"qrange": [0.07, 0.26, 0.0127], "phi_range": [0.0, 2 * np.pi, 120, "exact"]}
    tree = merged(CORRELATE, {**rings, "solid_angle_correction": True, "batch_size": 100})
    tree["IO"] = merged(tree["IO"], {"folders": {"in_base": {"data": "patterns/3d_shots/"}}})
    settings, surroundings = context("correlate", tree, home)
    correlate.run(settings, surroundings)
    solver = {"max_order": 12, "structure_name": "shots"}
    settings, surroundings = context("extract", solver, home)
    result = extract.run(settings, surroundings)
    return read_proj_data(result / "proj_data.h5"), read_truth(folder / "truth.h5"), home


def test_mean_intensity_and_invariants_of_patterns_are_the_true_ones(measured):
    found, truth, home = measured
    mean = np.interp(found.q, truth.q, truth.average_intensity)
    assert np.abs(found.average_intensity / mean - 1).max() < 0.06
    assert found.n_particles == 1
    volume = np.multiply.outer(found.q, found.q)
    for order, limit in ((2, 0.995), (4, 0.995), (6, 0.999), (8, 0.999), (10, 0.999)):
        exact = RectBivariateSpline(truth.q, truth.q, truth.invariants[order])(found.q, found.q) * volume
        ours = found.invariants[order] * volume
        assert (ours * exact).sum() / np.sqrt((ours**2).sum() * (exact**2).sum()) > limit
        assert (ours * exact).sum() / (exact**2).sum() == pytest.approx(1, abs=0.08)
    assert len(read_model(home / "data/fxs/ccd/3d_shots.h5").shapes) == 3


@pytest.mark.mpi
def test_patterns_do_not_depend_on_the_ranks(tmp_path, mpirun):
    alone = images(run(tmp_path, HDF5))
    (tmp_path / "config.ini").write_text("home_dir = .\n")
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(merged(SIMULATE, HDF5)))
    words = ["fxs", "simulate_patterns", str(tmp_path / "s.yaml"), "--config", str(tmp_path / "config.ini")]
    subprocess.run([*mpirun(2), sys.executable, "-m", "fxs_hpc", *words], check=True, stdout=subprocess.DEVNULL)
    shared = images((tmp_path / "data/fxs/patterns/3d_shots").resolve())
    assert np.array_equal(alone, shared, equal_nan=True) and np.isfinite(alone).all()
