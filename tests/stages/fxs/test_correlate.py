"""correlate from a list of patterns to ccd.h5: the reference program's files, all outputs, resume, ranks."""

import os
import signal
import subprocess
import sys
import tarfile
import time

import h5py
import numpy as np
import pytest
import scipy.ndimage
import yaml
from shots import CORRELATE, SHAPE, context, merged, write_patterns

from fxs_hpc.errors import DataError, InputFileError, SettingsError
from fxs_hpc.files import correlation_checkpoint
from fxs_hpc.files.ccd import open_ccd
from fxs_hpc.stages.fxs import correlate
from fxs_hpc.stages.fxs.finished import finished

PLAIN = {"use_binary_mask": True, "intensity_pixel_threshold": [True, -1.0, 1000.0]}


def run(home, changes=(), **options):
    """ccd.h5 as a dictionary."""
    settings, surroundings = context("correlate", merged(CORRELATE, dict(changes)), home, **options)
    folder = correlate.run(settings, surroundings)
    found = {}
    with h5py.File(folder / "ccd.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize("case", ["cor_a_plain", "cor_a_corr"])
def test_files_of_the_reference_program(case, reference_data, tmp_path):
    source = reference_data / "xframe" / "correlate"
    inputs = tmp_path / "data/fxs/input_files/corA"
    inputs.mkdir(parents=True)
    with tarfile.open(source / "patterns/raw.tar.xz") as archive:
        archive.extractall(inputs, filter="data")
    (inputs / "patterns_list.txt").write_text((source / "patterns/patterns_list.txt").read_text())
    tree = yaml.safe_load((source / case / "input_settings.yaml").read_text()) | {"preset": "reference"}
    settings, surroundings = context("correlate", tree, tmp_path)
    folder = correlate.run(settings, surroundings)
    reliable = np.load(source / "reliable_points.npz")[case]
    with h5py.File(source / case / "ccd.h5") as theirs, h5py.File(folder / "ccd.h5") as ours:
        expected, found = theirs["cross_correlation/I1I1"][()], ours["cross_correlation/I1I1"][()]
        assert found.shape == expected.shape == (16, 16, 128)
        assert np.array_equal(np.isnan(found)[reliable], np.isnan(expected)[reliable])
        known = reliable & np.isfinite(expected)
        assert np.linalg.norm((found - expected)[known]) < 1e-13 * np.linalg.norm(expected[known])
        assert np.allclose(ours["saxs/average_intensity"], theirs["average_intensity"], rtol=1e-13, equal_nan=True)
        assert np.array_equal(ours["saxs/radial_points"], theirs["radial_points"])
        assert np.allclose(ours["angular_points"], theirs["angular_points"], atol=1e-15)
        for name in ("num_images_good", "num_images_processed", "xray_wavelength"):
            assert ours[name][()] == theirs[name][()]


def as_the_reference_does(images, mask, q):
    """Its way written out: images and integer masks through map_coordinates, ratio per pattern, mean over patterns."""
    angle = 2 * np.arcsin(q * 1.23984 / 4 / np.pi)
    phi = 2 * np.pi * np.arange(48) / 48
    radius = np.tan(angle)[:, None] * 300.0 / 0.8
    where = [radius * np.cos(phi) + 19.6, radius * np.sin(phi) + 20.9]
    total, count, means = np.zeros((len(q), len(q), 48)), np.zeros((len(q), len(q), 48)), []
    for image in np.nan_to_num(images.astype(float)):
        pixels = (mask * ((image >= -1) & (image <= 1000))).astype(int)
        values = scipy.ndimage.map_coordinates(image * pixels, where, order=2)
        valid = scipy.ndimage.map_coordinates(pixels, where, order=2)
        values = values / (np.cos(angle)[:, None] ** 2 + np.sin(angle)[:, None] ** 2 * np.cos(phi) ** 2) / np.cos(angle)[:, None] ** 3
        with np.errstate(invalid="ignore"):
            means.append((values * (valid == 1)).sum(axis=1) / (valid == 1).sum(axis=1))
        for delta in range(48):
            pairs = valid @ np.roll(valid, -delta, axis=1).T
            products = values @ np.roll(values, -delta, axis=1).T
            total[..., delta] += np.divide(products, pairs, out=np.zeros(pairs.shape), where=pairs > 0)
            count[..., delta] += pairs > 0
    with np.errstate(invalid="ignore"):
        return total / count, np.nansum(means, axis=0) / np.isfinite(means).sum(axis=0)


def test_the_preset_does_what_the_reference_program_does(tmp_path):
    images = write_patterns(tmp_path)
    mask = np.fromfile(tmp_path / "data/fxs/input_files/mask.raw", "<f4").reshape(SHAPE)
    changes = {**PLAIN, "preset": "reference", "polarization_correction": [True, "h"], "solid_angle_correction": True}
    found = run(tmp_path, changes)
    expected, mean = as_the_reference_does(images, mask, found["radial_points"])
    assert np.array_equal(np.isnan(found["cross_correlation/I1I1"]), np.isnan(expected)) and np.isnan(expected).any()
    assert np.allclose(found["cross_correlation/I1I1"], expected, rtol=1e-11, equal_nan=True)
    assert np.allclose(found["average_intensity"], mean, rtol=1e-11, equal_nan=True)


def test_what_a_mask_hides_has_no_influence(tmp_path):
    """Right at its borders: other values behind the mask, same result to the last bit."""
    images = write_patterns(tmp_path)
    found = run(tmp_path, PLAIN)
    assert np.isfinite(found["cross_correlation/I1I1"]).all() and np.isfinite(found["average_intensity"]).all()
    assert found["radial_points"][0] > 0 and len(found["radial_points"]) < len(found["saxs/radial_points"])
    mask = np.fromfile(tmp_path / "data/fxs/input_files/mask.raw", "<f4").reshape(SHAPE)
    other = np.where(mask > 0, images, 333)
    other[2, 5:8, 30], other[7, 30, 10] = 5e4, -7
    for number, image in enumerate(other):
        image.astype("<f4").tofile(tmp_path / f"data/fxs/input_files/p{number}.raw")
    again = run(tmp_path, PLAIN)
    assert np.array_equal(again["cross_correlation/I1I1"], found["cross_correlation/I1I1"])


def test_a_flat_pattern_has_a_flat_correlation(tmp_path):
    write_patterns(tmp_path)
    mask = np.fromfile(tmp_path / "data/fxs/input_files/mask.raw", "<f4").reshape(SHAPE)
    for number in range(11):
        np.where(mask > 0, 3.0, 900.0).astype("<f4").tofile(tmp_path / f"data/fxs/input_files/p{number}.raw")
    found = run(tmp_path, PLAIN)
    assert np.abs(found["cross_correlation/I1I1"] / 9 - 1).max() < 2e-3
    wrong = run(tmp_path, {**PLAIN, "preset": "reference", "masks": {"unmeasured_q": "left_out"}})
    assert np.nanmax(np.abs(wrong["cross_correlation/I1I1"] / 9 - 1)) > 0.1


def test_all_outputs(tmp_path):
    write_patterns(tmp_path)
    wanted = ["is_good", "waxs", "waxs_aver", "ccf_q1q2", "ccf_q1q2_fc", "mean_roi"]
    ranges = {"qrange_xcca": [[0.1, 0.3, 2], [0.2, 0.5, 3]], "ROI_normalization": [False, 0.2, 0.4], "ROI_mean_filter": [True, 4.0, 5.5]}
    found = run(tmp_path, {**PLAIN, **ranges, "compute": wanted, "fc_n_max": 7})
    q = found["saxs/radial_points"]
    assert found["radial_points_1"] == pytest.approx(q[(q >= 0.1) & (q <= 0.3)][::2])
    assert found["radial_points_2"] == pytest.approx(q[(q >= 0.2) & (q <= 0.5)][::3])
    whole, parts = found["cross_correlation/I1I1"], found["cross_correlation/I1I1_fc"]
    assert whole.shape == (len(found["radial_points_1"]), len(found["radial_points_2"]), 48)
    assert parts == pytest.approx(np.fft.fft(whole)[..., :7] / 48)
    good, means = found["frames/is_good"], found["frames/roi_mean"]
    assert np.array_equal(good == 1, (means >= 4.0) & (means <= 5.5)) and found["num_images_good"] == good.sum() < 11
    rings = found["frames/average_intensity"]
    assert rings.shape == (11, len(q)) and np.isnan(rings[:, 0]).all()
    measured = np.isfinite(rings[0]) & (q > 0.1)
    assert np.allclose(rings[good == 1].mean(axis=0)[measured], found["saxs/average_intensity"][measured], rtol=1e-2)
    every = run(tmp_path, {**PLAIN, "compute": ["waxs_aver"]})
    assert not any(name.startswith("cross_correlation") for name in every) and len(every["average_intensity"]) > 10


def test_symmetrised_and_part_of_the_circle(tmp_path):
    write_patterns(tmp_path)
    plain, both = run(tmp_path, PLAIN), run(tmp_path, {**PLAIN, "ccf_2p_symmetrize": True})
    C, S = plain["cross_correlation/I1I1"], both["cross_correlation/I1I1"]
    assert np.array_equal(S[..., 12:36], C[..., 12:36]) and np.array_equal(S, np.roll(S, 24, axis=2))
    arc = run(tmp_path, {**PLAIN, "phi_range": [0.0, np.pi / 2, 12, "exact"]})
    # Two points of a quarter circle are never further apart than it is long.
    assert np.isnan(arc["cross_correlation/I1I1"][..., 13:35]).all()
    assert np.isfinite(arc["cross_correlation/I1I1"][4:, 4:, :9]).all()


def test_both_normalisations_agree_for_one_mask(tmp_path):
    write_patterns(tmp_path)
    one, two = (
        run(tmp_path, {"use_binary_mask": True, "max_n_patterns": 2, "masks": {"normalisation": which}})
        for which in ("all_patterns", "each_pattern")
    )
    assert np.allclose(one["cross_correlation/I1I1"], two["cross_correlation/I1I1"], rtol=1e-12)


def test_extract_reads_the_result(tmp_path):
    write_patterns(tmp_path)
    settings, surroundings = context("correlate", merged(CORRELATE, PLAIN), tmp_path)
    correlate.run(settings, surroundings)
    with open_ccd(tmp_path / "data/fxs/ccd/3d_shots.h5") as data:
        n = len(data.q)
        assert data.correlation["I1I1"].shape == (n, n, 48) and len(data.average_intensity) == n and data.delta[0] == 0


@pytest.mark.parametrize("normalisation", ["all_patterns", "each_pattern"])
def test_a_killed_run_goes_on_to_the_same_bits(normalisation, tmp_path, monkeypatch):
    write_patterns(tmp_path)
    changes = {**PLAIN, "batch_size": 2, "masks": {"normalisation": normalisation}}
    unbroken = run(tmp_path, changes)
    writes, write = [], correlation_checkpoint.write_sums

    def dying(*arguments):
        write(*arguments)
        writes.append(arguments)
        if len(writes) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(correlate, "_SAVING", 0)
    monkeypatch.setattr(correlation_checkpoint, "write_sums", dying)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, changes)
    monkeypatch.setattr(correlation_checkpoint, "write_sums", write)
    with pytest.raises(SettingsError, match="begun with other values of interpolation_order"):
        run(tmp_path, {**changes, "interpolation_order": 1}, resume=True)
    said = []
    resumed = run(tmp_path, changes, resume=True, said=said)
    assert any("6 patterns were correlated before" in line for line in said)
    for name, value in unbroken.items():
        assert np.array_equal(value, resumed[name], equal_nan=value.dtype.kind == "f"), name


def test_done_is_done_until_a_pattern_changes(tmp_path):
    write_patterns(tmp_path)
    settings, surroundings = context("correlate", merged(CORRELATE, PLAIN), tmp_path)
    assert finished("correlate", settings, surroundings) is None
    folder = correlate.run(settings, surroundings)
    assert finished("correlate", settings, surroundings) == folder and not list(folder.glob("checkpoint*"))
    (tmp_path / "data/fxs/input_files/p3.raw").touch()
    assert finished("correlate", settings, surroundings) is None


def test_mistakes_are_named(tmp_path):
    write_patterns(tmp_path)
    inputs = tmp_path / "data/fxs/input_files"
    with pytest.raises(DataError, match="none of the 11 patterns was accepted; their means .* are from"):
        run(tmp_path, {"ROI_mean_filter": [True, 90.0, 99.0], "ROI_normalization": [False, 0.2, 0.4]})
    with pytest.raises(DataError, match="no valid pixel lies in the region"):
        run(tmp_path, {"ROI_mean_filter": [True, 1.0, 9.0], "ROI_normalization": [False, 0.8, 0.9]})
    with pytest.raises(InputFileError, match="p0.raw: holds 1760 float32 values, image_dimensions .40, 40. ask for 1600"):
        run(tmp_path, {"image_dimensions": [40, 40]})
    (inputs / "p4.raw").unlink()
    with pytest.raises(InputFileError, match="names ./p4.raw, and there is no file"):
        run(tmp_path)
    (inputs / "patterns_list.txt").write_text("# nothing\n")
    with pytest.raises(InputFileError, match="names no pattern"):
        run(tmp_path)


def test_the_plan_covers_what_is_used(tmp_path):
    write_patterns(tmp_path)
    settings, surroundings = context("correlate", merged(CORRELATE, PLAIN), tmp_path)
    plan = correlate.plan(settings, surroundings)
    folder = correlate.run(settings, surroundings)
    assert plan.disk >= 0.5 * (folder / "ccd.h5").stat().st_size
    assert any("11 patterns of 40 x 44" in line for line in plan.lines)


def command(home, *words):
    return [sys.executable, "-m", "fxs_hpc", "fxs", "correlate", str(home / "shots.yaml"), "--config", str(home / "config.ini"), *words]


def prepare(home, count, changes=()):
    write_patterns(home)
    listing = home / "data/fxs/input_files/patterns_list.txt"
    lines = [f"./p{number % 11}.raw\n" for number in range(count)]
    listing.write_text("".join(lines))
    (home / "config.ini").write_text("home_dir = .\n")
    (home / "shots.yaml").write_text(yaml.safe_dump(merged(CORRELATE, {**PLAIN, **dict(changes)})))
    return home / "data/fxs/ccd/archive/3d_shots"


@pytest.mark.slow
def test_kill_9_costs_little(tmp_path):
    archive = prepare(tmp_path, 2500, {"n_processes": 1})
    process = subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(archive.glob("*/run_0/checkpoint_0.h5")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (folder,) = archive.glob("*/run_0")
    assert not (folder / "ccd.h5").exists()
    resumed = subprocess.run(command(tmp_path, "--resume"), capture_output=True, text=True, check=True).stdout
    assert "patterns were correlated before" in resumed and "2500 patterns used" in resumed
    subprocess.run(command(tmp_path), stdout=subprocess.DEVNULL, check=True)
    with h5py.File(folder / "ccd.h5") as one, h5py.File(folder.parent / "run_1/ccd.h5") as two:
        assert np.array_equal(one["cross_correlation/I1I1"], two["cross_correlation/I1I1"])


@pytest.mark.mpi
def test_ranks_agree_with_one(tmp_path, mpirun):
    archive = prepare(tmp_path, 11, {"split_mode": "modulus"})
    subprocess.run(command(tmp_path), stdout=subprocess.DEVNULL, check=True)
    shared = subprocess.run([*mpirun(3), *command(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert shared.count("11 patterns used") == 1
    (folder,) = archive.glob("*/run_0")
    with h5py.File(folder / "ccd.h5") as one, h5py.File(folder.parent / "run_1/ccd.h5") as three:
        for name in ("cross_correlation/I1I1", "average_intensity", "mean_pattern"):
            assert np.allclose(one[name], three[name], rtol=1e-12, equal_nan=True)


@pytest.mark.mpi
def test_an_error_of_one_rank_ends_all(tmp_path, mpirun):
    prepare(tmp_path, 11)
    (tmp_path / "data/fxs/input_files/p10.raw").write_bytes(b"short")
    done = subprocess.run([*mpirun(2), *command(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "rank 1 of 2" in done.stderr and "p10.raw: holds 1 float32 values" in done.stderr
