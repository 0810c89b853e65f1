"""Options of simulate_patterns one by one, on objects of the plane where dimensions do not matter: they are cheap."""

import h5py
import numpy as np
import pytest
from shots import SHAPE, SIMULATE, context, merged

from fxs_hpc.errors import SettingsError
from fxs_hpc.files.ccd import read_plane_model
from fxs_hpc.files.pattern_lists import PatternReader, open_patterns
from fxs_hpc.files.simulated_patterns import read_truth
from fxs_hpc.stages.fxs import simulate_patterns

PLANE = merged(
    SIMULATE,
    {
        "dimensions": 2,
        "poisson_noise": False,
        "shapes": {"types": ["disc", "square", "triangle"], "centers": [[30.0, 0.3], [25.0, 2.5], [30.0, 4.4]]},
    },
)


def run(home, **changes):
    settings, surroundings = context("simulate_patterns", merged(PLANE, changes), home)
    return simulate_patterns.run(settings, surroundings)


def images(folder):
    patterns = open_patterns(folder / "patterns_list.txt", SHAPE, 10000)
    return np.array([PatternReader(patterns).read(number) for number in range(len(patterns))], np.float64)


@pytest.fixture
def plain(tmp_path):
    return images(run(tmp_path))


def pixels():
    rows, columns = np.indices(SHAPE)
    return rows - 19.6, columns - 20.9


def test_the_seed_decides(tmp_path, plain):
    np.testing.assert_array_equal(images(run(tmp_path)), plain)
    assert not np.allclose(images(run(tmp_path, seed=1)), plain, rtol=0.1)


def test_patterns_are_prolonged_without_changing(tmp_path, plain):
    np.testing.assert_array_equal(images(run(tmp_path, n_patterns=14))[:10], plain)


def test_photons_scale_with_what_is_asked_for(tmp_path, plain):
    np.testing.assert_allclose(images(run(tmp_path, photons_per_particle=1e5)), 5 * plain, rtol=1e-6)
    noisy = images(run(tmp_path, poisson_noise=True))
    assert np.array_equal(noisy, np.round(noisy)) and noisy.sum() == pytest.approx(plain.sum(), abs=5 * np.sqrt(plain.sum()))


def test_fluence_gives_the_cross_section(tmp_path):
    """At q = 0: r_e^2 x (electrons)^2 x photons per area x solid angle of a pixel."""
    found = read_truth(run(tmp_path, photons_per_particle=False, fluence=1e15) / "truth.h5")
    electrons = np.pi * 14**2 * 1 + 20**2 * 2 + np.sqrt(27) / 4 * 18**2 * 1.5
    expected = (2.8179403262e-5 * electrons) ** 2 * 1e15 * 1e-8 * (0.8 / 300) ** 2
    assert found.average_intensity[0] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(SettingsError, match="give one of them"):
        run(tmp_path, fluence=1e15)


def test_background_lies_on_all_pixels(tmp_path, plain):
    np.testing.assert_allclose(images(run(tmp_path, background_photons=2.5)), plain + 2.5, rtol=1e-5)


@pytest.mark.parametrize(("direction", "across"), [("h", 0), ("v", 1)])
def test_polarisation(tmp_path, direction, across):
    x, y = pixels()
    polarised, plain = images(run(tmp_path, polarization=direction)), images(run(tmp_path))
    cosine = 1 / np.sqrt(1 + (x**2 + y**2) / 375**2)
    azimuth = np.cos(np.arctan2(y, x)) if across == 0 else np.sin(np.arctan2(y, x))
    factor = cosine**2 + (1 - cosine**2) * azimuth**2
    ratio = polarised / plain / factor
    # One number is left: the mean number of photons is what was asked for in both.
    assert ratio.std() < 1e-5 * ratio.mean() and ratio.mean() == pytest.approx(1, abs=0.1)


def test_pulses_and_particles_vary(tmp_path, plain):
    folder = run(tmp_path, n_patterns=400, pulse_energy_spread=0.3)
    with h5py.File(folder / "truth.h5") as file:
        energies = file["patterns/energies"][()]
    assert energies.std() == pytest.approx(0.3, abs=0.05) and energies.mean() == pytest.approx(1, abs=0.06)
    found = images(folder).sum(axis=(1, 2)) / energies
    assert np.abs(found / found.mean() - 1).max() < 0.2
    folder = run(tmp_path, n_patterns=400, n_particles=2.5, particle_spread="poisson")
    with h5py.File(folder / "truth.h5") as file:
        counts = file["patterns/n_particles"][()]
    assert counts.mean() == pytest.approx(2.5, abs=0.4) and counts.var() == pytest.approx(2.5, abs=0.8)
    empty = images(folder)[counts == 0]
    assert len(empty) > 0 and not empty.any()
    with pytest.raises(SettingsError, match="no whole number"):
        run(tmp_path, n_particles=2.5)


def test_waves_interfere_over_the_focus(tmp_path):
    """Two particles on top of each other: amplitudes add where they interfere. Far apart fringes are finer than a pixel may show."""
    apart = images(run(tmp_path, n_particles=2, n_patterns=200))
    together = images(run(tmp_path, n_particles=2, n_patterns=200, interference=True, focus=1e-3))
    far = images(run(tmp_path, n_particles=2, n_patterns=200, interference=True, focus=1e4))
    centre = (slice(None), slice(19, 21), slice(20, 22))
    assert together[centre].mean() == pytest.approx(2 * apart[centre].mean(), rel=0.02)
    assert far[centre].mean() == pytest.approx(apart[centre].mean(), rel=0.2)


def test_masks_gaps_and_the_beam_stop(tmp_path):
    mask = np.ones(SHAPE, "<f4")
    mask[3, 4] = 0
    folder = tmp_path / "data/fxs/input_files"
    folder.mkdir(parents=True)
    mask.tofile(folder / "mask.raw")
    made = run(tmp_path, use_binary_mask=True, gaps=[[30, 32, 0, 10]], beam_stop_radius=4.0)
    usable = np.fromfile(made / "mask.raw", "<f4").reshape(SHAPE) > 0
    x, y = pixels()
    expected = (np.hypot(x, y) >= 4) & (mask > 0)
    expected[30:32, :10] = False
    np.testing.assert_array_equal(usable, expected)
    assert not images(made)[:, ~usable].any()


@pytest.mark.parametrize(("name", "value"), [("pixel_size", 400.0), ("sample_distance", 600.0), ("wavelength", 2.47968)])
def test_geometry(tmp_path, name, value):
    """Half the pixel, twice the distance, twice the wavelength: half the q of a pixel, to first order."""
    quiet = {"photons_per_particle": False, "fluence": 1e15, "truth": {"n_radial_points": 100, "max_order": 2}}
    wide, narrow = read_truth(run(tmp_path, **quiet) / "truth.h5"), read_truth(run(tmp_path, **{**quiet, name: value}) / "truth.h5")
    assert narrow.q[-1] == pytest.approx(wide.q[-1] / 2, rel=0.01)
    assert narrow.wavelength == (value if name == "wavelength" else 1.23984)


def test_the_origin_is_where_the_beam_hits(tmp_path):
    found = images(run(tmp_path, detector_origin=[10.0, 30.0], n_patterns=50)).mean(axis=0)
    assert np.unravel_index(found.argmax(), SHAPE) == (10, 30)


def test_the_truth_is_as_fine_as_asked_for(tmp_path):
    folder = run(tmp_path, truth={"max_order": 6, "n_radial_points": 17, "n_shells": 33})
    truth = read_truth(folder / "truth.h5")
    assert truth.invariants.shape == (7, 17, 17) and read_plane_model(folder / "truth.h5").density.shape[0] == 33


def test_threads_do_not_matter(tmp_path, plain):
    for number in (1, 2, False):
        np.testing.assert_array_equal(images(run(tmp_path, n_processes=number)), plain)


def test_files_and_links(tmp_path):
    options = {"format": "hdf5", "patterns_per_file": 3, "save_symlink": False, "save_pictures": True}
    folder = run(tmp_path, poisson_noise=True, IO={"files": {"patterns": {"options": options, "name": "list.txt"}}})
    names = {path.name for path in folder.iterdir()}
    stacks = {f"patterns_{number:05d}.h5" for number in range(4)}
    assert names == stacks | {"first_patterns.png", "list.txt", "mask.raw", "settings.yaml", "truth.h5"}
    assert not (tmp_path / "data/fxs/patterns/2d_shots").exists()
    with pytest.raises(SettingsError, match="hdf5 holds counts"):
        run(tmp_path, IO={"files": {"patterns": {"options": {"format": "hdf5"}}}})


def test_temperature_and_waters_of_a_structure(tmp_path):
    atoms = [("CA", "GLY", "C", 10.0), ("C", "GLY", "C", 30.0), ("O", "HOH", "O", 40.0)]
    text = ""
    for number, (atom, name, element, x) in enumerate(atoms, start=1):
        record = "HETATM" if name == "HOH" else "ATOM"
        text += f"{record:6}{number:5d} {atom:>3}  {name} A{number:4d}    {x:8.3f}{0:8.3f}{0:8.3f}  1.00  0.00           {element}\n"
    (tmp_path / "m.pdb").write_text(text + "END\n")
    given = {"dimensions": 3, "object": "structure", "structure_file": "m.pdb", "photons_per_particle": False, "fluence": 1e20}
    dry = run(tmp_path, **given)
    wet, warm = run(tmp_path, **given, keep_waters=True), run(tmp_path, **given, b_factor=60.0)
    assert images(wet).max() > 1.5 * images(dry).max()
    x, y = pixels()
    q = 4 * np.pi / 1.23984 * np.sin(np.arctan(np.hypot(x, y) / 375) / 2)
    damped = images(dry) * np.exp(-2 * 60 * q**2 / (16 * np.pi**2))
    np.testing.assert_allclose(images(warm), damped, atol=5e-3 * damped.max())


def test_other_folders_and_names(tmp_path):
    files = {
        "patterns": {"name": "list.txt"},
        "folder_symlink": {"name": "newest", "folder": "links"},
        "list_symlink": {"name": "newest.txt", "folder": "links"},
        "binary_mask": {"name": "good.raw", "folder": "links"},
    }
    (tmp_path / "links").mkdir()
    np.ones(SHAPE, "<f4").tofile(tmp_path / "links/good.raw")
    folders = {"data": {"base": "elsewhere/"}, "links": {"base": "links/"}}
    folder = run(tmp_path, use_binary_mask=True, IO={"folders": folders, "files": files})
    assert folder.is_relative_to(tmp_path / "elsewhere")
    assert (tmp_path / "links/newest").resolve() == folder and (tmp_path / "links/newest.txt").resolve() == folder / "list.txt"
