"""Options of correlate one by one: what they do to the result, told by other inputs or other options that must do the same."""

import pstats

import h5py
import numpy as np
import pytest
import scipy.ndimage
from shots import CORRELATE, SHAPE, context, merged, write_patterns

from fxs_hpc.stages.fxs import correlate

MASKED = {"use_binary_mask": True}
C = "cross_correlation/I1I1"


def run(home, changes=(), **options):
    """ccd.h5 as a dictionary, the result folder."""
    settings, surroundings = context("correlate", merged(CORRELATE, dict(changes)), home, **options)
    folder = correlate.run(settings, surroundings)
    found = {"folder": folder}
    with h5py.File(folder / "ccd.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def store(home, images):
    for number, image in enumerate(images):
        np.asarray(image, "<f4").tofile(home / f"data/fxs/input_files/p{number}.raw")


@pytest.fixture
def home(tmp_path):
    """Eleven patterns without bad pixels."""
    images = np.where(np.isfinite(original := write_patterns(tmp_path)), original, 5)
    images[7, 30, 10] = 4
    store(tmp_path, images)
    return tmp_path


def images_of(home):
    return np.stack([np.fromfile(home / f"data/fxs/input_files/p{number}.raw", "<f4").reshape(SHAPE) for number in range(11)])


def test_the_background_is_subtracted_from_every_pattern(home):
    images, background = images_of(home), np.linspace(0, 3, 40 * 44).reshape(SHAPE).astype("<f4")
    background.tofile(home / "data/fxs/input_files/background.raw")
    found = run(home, {**MASKED, "subtract_background": True})
    other = run(home, {**MASKED, "background_subtraction": True})
    store(home, images - background)
    expected = run(home, MASKED)
    np.testing.assert_allclose(found[C], expected[C], rtol=1e-5)
    np.testing.assert_array_equal(other[C], found[C])


def test_patterns_are_normalised_by_their_region(home):
    roi = {"ROI_normalization": [True, 0.2, 0.4], "compute": ["ccf_q1q2", "mean_roi"]}
    found = run(home, {**MASKED, **roi})
    store(home, images_of(home) / found["frames/roi_mean"][:, None, None])
    np.testing.assert_allclose(found[C], run(home, MASKED)[C], rtol=1e-5)
    assert found["frames/roi_mean"].std() > 0.1


def test_patterns_outside_of_the_limits_are_rejected(home):
    region = {**MASKED, "ROI_normalization": [False, 0.2, 0.4]}
    means = run(home, {**region, "compute": ["mean_roi", "ccf_q1q2"]})["frames/roi_mean"]
    low, high = np.sort(means)[[2, 8]]
    found = run(home, {**region, "ROI_mean_filter": [True, float(low), float(high)], "batch_size": 2})
    assert found["num_images_good"] == 7
    kept = images_of(home)[(means >= low) & (means <= high)]
    store(home, kept)
    np.testing.assert_allclose(found[C], run(home, {**MASKED, "max_n_patterns": 7})[C], rtol=1e-12)


@pytest.mark.parametrize(("method", "factor", "left"), [("average_sigma", 3.0, 0.05), ("median_mad", 6.0, 1e-3)])
def test_outliers_of_a_ring_are_left_out(home, method, factor, left):
    """An outlier widens the standard deviation of its ring, and so hides its neighbours; it leaves the median alone."""
    images = images_of(home)
    images[3, 10, 30] = 4000
    store(home, images)
    filtered = {**MASKED, "intensity_radial_pixel_filter": [True, [method, factor]]}
    found, spoilt = run(home, filtered), run(home, MASKED)
    images[3, 10, 30] = np.nan
    store(home, images)
    expected = run(home, MASKED)

    def deviation(other):
        return np.abs(other[C] / expected[C] - 1).max()

    assert deviation(spoilt) > 10 and deviation(found) < left * deviation(spoilt)


def test_pixels_outside_of_the_thresholds_are_masked(home):
    images = images_of(home)
    images[3, 10, 30], images[4, 12, 8] = 4000, -20
    store(home, images)
    found = run(home, {**MASKED, "intensity_pixel_threshold": [True, -1.0, 1000.0]})
    images[3, 10, 30] = images[4, 12, 8] = np.nan
    store(home, images)
    np.testing.assert_array_equal(found[C], run(home, MASKED)[C])


def test_the_mask_leaves_pixels_out(home):
    masked, all_pixels = run(home, MASKED), run(home)
    assert len(all_pixels["radial_points"]) > len(masked["radial_points"])
    mask = np.fromfile(home / "data/fxs/input_files/mask.raw", "<f4").reshape(SHAPE) > 0
    assert np.isnan(masked["mean_pattern"][~mask]).all() and np.isfinite(all_pixels["mean_pattern"]).all()


@pytest.mark.parametrize("batch", [0, False, 1, 3, 100])
def test_batches_do_not_matter(home, batch):
    np.testing.assert_allclose(run(home, {**MASKED, "batch_size": batch})[C], run(home, MASKED)[C], rtol=1e-12)


def test_threads_do_not_matter(home):
    one, two, free = (run(home, {**MASKED, "n_processes": number})[C] for number in (1, 2, True))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, free)


def test_only_the_first_patterns_are_used(home):
    found = run(home, {**MASKED, "max_n_patterns": 4})
    assert found["num_images_processed"] == 4
    listing = home / "data/fxs/input_files/patterns_list.txt"
    listing.write_text("".join(f"./p{number}.raw\n" for number in range(4)))
    np.testing.assert_array_equal(found[C], run(home, MASKED)[C])


@pytest.mark.parametrize("order", [0, 1, 3, 5])
def test_splines_of_every_order(home, order):
    """Rings of the mean pattern, by scipy."""
    found = run(home, {"interpolation_order": order, "phi_range": [0.0, 2 * np.pi, 64, "exact"]})
    q = found["saxs/radial_points"]
    radius = np.tan(2 * np.arcsin(q * 1.23984 / 4 / np.pi)) * 300.0 / 0.8
    phi = 2 * np.pi * np.arange(64)[:, None] / 64
    where = [radius * np.cos(phi) + 19.6, radius * np.sin(phi) + 20.9]
    values = np.mean([scipy.ndimage.map_coordinates(image.astype(float), where, order=order) for image in images_of(home)], axis=0)
    inside = np.all([(place >= 0) & (place <= size - 1) for place, size in zip(where, SHAPE, strict=True)], axis=0)
    np.testing.assert_allclose(found["saxs/average_intensity"], (values * inside).sum(axis=0) / inside.sum(axis=0), rtol=1e-9)


def test_radial_points_and_angles(home):
    found = run(home, {**MASKED, "qrange": [0.1, 0.31, 0.05], "phi_range": [0.0, 2 * np.pi, 40, "exact"]})
    np.testing.assert_allclose(found["radial_points"], [0.1, 0.15, 0.2, 0.25, 0.3])
    np.testing.assert_allclose(found["angular_points"], 2 * np.pi * np.arange(40) / 40)
    largest = np.tan(2 * np.arcsin(0.3 * 1.23984 / 4 / np.pi)) * 300.0 / 0.8
    resolved = int(2 * np.pi * largest) + int(2 * np.pi * largest) % 2
    for mode, given, expected in (("max", 1000, resolved), ("max", 40, 40), ("min", 40, resolved), ("min", 1000, 1000)):
        found = run(home, {**MASKED, "qrange": [0.1, 0.31, 0.05], "phi_range": [0.0, 2 * np.pi, given, mode]})
        assert found[C].shape == (5, 5, expected)


def test_q1_may_be_some_of_q2(home):
    """The points of one side are then all that there are; rows and columns differ, and there is no picture of equal q."""
    whole = run(home, {**MASKED, "qrange_xcca": [[0.1, 0.3, 1], [0.1, 0.3, 1]]})
    for sides in ((2, 1), (1, 2)):
        found = run(
            home,
            {**MASKED, "qrange_xcca": [[0.1, 0.3, step] for step in sides], "IO": {"files": {"ccd": {"options": {"save_pictures": True}}}}},
        )
        assert not (found["folder"] / "correlation.png").exists() and (found["folder"] / "mean_pattern.png").exists()
        np.testing.assert_array_equal(found[C], whole[C][:: sides[0], :: sides[1]])


def test_a_start_elsewhere_turns_nothing(home):
    """The angle of a correlation is a difference."""
    step = 2 * np.pi / 48
    found = run(home, {**MASKED, "phi_range": [5 * step, 5 * step + 2 * np.pi, 48, "exact"]})
    np.testing.assert_allclose(found[C], run(home, MASKED)[C], rtol=1e-9)


def test_xcca_is_another_name(home):
    np.testing.assert_array_equal(run(home, {**MASKED, "compute": ["xcca"]})[C], run(home, MASKED)[C])


def test_coefficients_alone(home):
    found = run(home, {**MASKED, "compute": ["ccf_q1q2_fc"], "fc_n_max": 5})
    assert C not in found
    whole = run(home, MASKED)[C]
    np.testing.assert_allclose(found[C + "_fc"], np.fft.fft(whole)[..., :5] / 48, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("direction", "axis"), [("h", np.cos), ("v", np.sin)])
def test_polarisation_and_solid_angle(home, direction, axis):
    store(home, np.ones_like(images_of(home)))
    found = run(home, {"polarization_correction": [True, direction], "solid_angle_correction": True})
    cosine = np.cos(2 * np.arcsin(found["radial_points"] * 1.23984 / 4 / np.pi))[:, None]
    across = axis(2 * np.pi * np.arange(48) / 48)
    ring = 1 / (cosine**2 + (1 - cosine**2) * across**2) / cosine**3
    whole = slice(0, len(ring) - 3)
    expected = np.fft.irfft(np.fft.rfft(ring)[:, None].conj() * np.fft.rfft(ring), 48) / 48
    np.testing.assert_allclose(found[C][whole, whole], expected[whole, whole], rtol=1e-9)


def test_photons_do_not_correlate_with_themselves(home):
    noisy, clean = run(home, MASKED), run(home, {**MASKED, "subtract_photon_noise": True})
    here = np.arange(2, len(noisy["radial_points"]))
    excess = noisy[C][here, here, 0] - noisy[C][here, here, 12]
    left = clean[C][here, here, 0] - clean[C][here, here, 12]
    assert (excess > 0).all() and np.abs(left.mean()) < 0.2 * excess.mean()


def test_what_is_written_beside_the_correlation(home):
    options = {"save_pictures": True, "save_symlink": False}
    found = run(home, {**MASKED, "n_particles": 2.5, "dimensions": 2, "IO": {"files": {"ccd": {"options": options}}}})
    assert found["number_of_particles"] == 2.5 and "dimensions" not in found
    assert found["folder"].parents[1].name == "2d_shots" and not (home / "data/fxs/ccd").joinpath("2d_shots.h5").exists()
    names = {path.name for path in found["folder"].iterdir() if not path.name.startswith(".")}
    assert names == {"ccd.h5", "settings.yaml", "mean_pattern.png", "mean_intensity.png", "correlation.png"}


def test_a_profile_tells_where_the_time_goes(home):
    found = run(home, {**MASKED, "profile": {"use": True, "process_id": 3}})
    profile = pstats.Stats(str(found["folder"] / "profile.pstats"))
    assert any(name == "treated" and calls[0] == 11 for (_, _, name), calls in profile.stats.items())
    assert not (run(home, MASKED)["folder"] / "profile.pstats").exists()


def test_frames_of_an_hdf5_file(home):
    images = images_of(home)
    with h5py.File(home / "data/fxs/input_files/stack.h5", "w") as file:
        file["a/photons"] = (4 * np.round(images)).astype(np.uint16)
        file["b/photons"] = np.zeros(images.shape, np.uint16)
    listing = home / "data/fxs/input_files/patterns_list.txt"
    store(home, np.round(images))
    expected = run(home, MASKED)
    listing.write_text("./stack.h5\n")
    found = run(home, {**MASKED, "frames": {"dataset": "a/photons", "adu_per_photon": 4.0}})
    np.testing.assert_array_equal(found[C], expected[C])


def test_other_folders_and_names(home):
    inputs = home / "data/fxs/input_files"
    np.zeros(SHAPE, "<f4").tofile(inputs / "background.raw")
    changes = {**MASKED, "subtract_background": True}
    expected = run(home, changes)
    names = {"input_file_list": "shots.txt", "binary_mask": "good.raw", "background": "dark.raw"}
    (home / "other").mkdir()
    for usual, name in zip(("patterns_list.txt", "mask.raw", "background.raw"), names.values(), strict=True):
        (inputs / usual).rename(home / "other" / name)
    listing = home / "other/shots.txt"
    listing.write_text(listing.read_text().replace("./", f"{inputs}/"))
    files = {key: {"name": name, "folder": "given"} for key, name in names.items()}
    files["ccd"] = {"name": "c.h5", "options": {"save_settings": False, "save_pictures": False}}
    files["ccd_symlink"] = {"name": "newest.h5", "folder": "given"}
    tree = merged(CORRELATE, {**changes, "IO": {"folders": {"given": {"base": "other/"}}, "files": files}})
    settings, surroundings = context("correlate", tree, home)
    folder = correlate.run(settings, surroundings)
    assert (home / "other/newest.h5").resolve() == folder / "c.h5" and (folder / "settings.yaml").is_file()
    with h5py.File(folder / "c.h5") as file:
        np.testing.assert_array_equal(file[C], expected[C])
