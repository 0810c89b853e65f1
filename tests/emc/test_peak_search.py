"""From a frame to background, outliers and peaks: simulated frames with known spots, and all frames of the reference run."""

import io
import lzma
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from fxs_hpc.emc.detector import Pixels, flat, limits, usable_pixels
from fxs_hpc.emc.outlier_threshold import thresholds
from fxs_hpc.emc.peak_search import FrameBackground, PeakSearch, _drop_rings, _limits
from fxs_hpc.files import frame_cbf
from fxs_hpc.files.emc import outliers, peaks, radial_background

SHAPE = (90, 96)


@pytest.fixture(scope="module")
def detector():
    made = replace(flat(SHAPE, (44.2, 47.9), 120.0, (0, 0, -1), 1.0), q_min=4, q_max=42)
    mask = np.zeros(SHAPE, bool)
    mask[60:62] = True
    return made, usable_pixels(made, mask)


def simulated(detector, spots, rng, brightness=1.0):
    made, pixels = detector
    mean = np.zeros(SHAPE[0] * SHAPE[1])
    mean[pixels.index] = brightness * 3 * np.exp(-pixels.modulus / 30) * pixels.polar
    frame = rng.poisson(mean).reshape(SHAPE)
    rows, columns = np.indices(SHAPE)
    for row, column, height in spots:
        frame += rng.poisson(height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2))
    return frame.astype(np.int32)


def centres(found):
    positions = np.stack(np.divmod(found.peaks.pixel, SHAPE[1]))
    slices = [slice(start, stop) for start, stop in zip(found.peaks.first[:-1], found.peaks.first[1:])]
    return [np.average(positions[:, patch], axis=1, weights=found.peaks.count[patch]) for patch in slices]


def test_spots_are_found_where_they_are(detector):
    rng = np.random.default_rng(2)
    spots = [(20, 30, 60), (33, 70, 40), (70, 40, 90), (52, 20, 50)]
    search = PeakSearch(detector[1], detector[0], 14, 5000, "robust")
    for _ in range(20):
        found = search(simulated(detector, spots, rng))
        assert len(found.peaks) == 4
        for centre in centres(found):
            assert min(np.hypot(centre[0] - row, centre[1] - column) for row, column, _ in spots) < 0.6
        assert set(found.peaks.pixel.tolist()) <= set(found.pixel.tolist())
        truth = 3 * np.exp(-(np.arange(14) + 0.5) * 3 / 30)
        assert np.all(np.abs(found.radial[3:] / truth[3:] - 1) < 0.35)
        assert found.radial[0] == -1


def test_background_only_has_no_peaks(detector):
    rng = np.random.default_rng(4)
    search = PeakSearch(detector[1], detector[0], 14, 5000, "robust")
    assert sum(len(search(simulated(detector, [], rng)).peaks) for _ in range(50)) == 0


def test_frames_do_not_remember_those_before(detector):
    rng = np.random.default_rng(9)
    search = PeakSearch(detector[1], detector[0], 14, 5000, "robust")
    frames = [simulated(detector, [(20, 30, 60)], rng, brightness) for brightness in (1, 8, 0.1)]
    once = [search(frame) for frame in frames]
    again = [search(frame) for frame in reversed(frames)][::-1]
    for one, two in zip(once, again):
        assert np.array_equal(one.radial, two.radial) and np.array_equal(one.pixel, two.pixel)
        assert peaks.text(one.peaks) == peaks.text(two.peaks)


def test_dead_and_hot_pixels_count_as_nothing(detector):
    rng = np.random.default_rng(6)
    frame = simulated(detector, [(20, 30, 60)], rng)
    damaged = frame.copy()
    damaged[70:75, 30:60] = -1
    damaged[30:33, 50:60] = 6000
    search = PeakSearch(detector[1], detector[0], 14, 5000, "robust")
    found, whole = search(damaged), search(frame)
    assert len(found.peaks) == len(whole.peaks) == 1
    assert not np.any((damaged.ravel()[found.pixel] < 0) | (damaged.ravel()[found.pixel] > 5000))
    np.testing.assert_allclose(found.radial[3:], whole.radial[3:], rtol=0.2)


def test_a_bin_full_of_peaks_is_a_ring_and_a_frame_full_of_peaks_is_not(detector):
    made, pixels = detector
    rng = np.random.default_rng(11)
    angles = np.linspace(0, 2 * np.pi, 15)[:-1] + 0.1
    ring = [(44.2 + 25 * np.cos(a), 47.9 + 25 * np.sin(a), 80) for a in angles]
    search = PeakSearch(pixels, made, 14, 5000, "robust")
    found = search(simulated(detector, ring, rng))
    assert len(found.peaks) <= 1
    assert np.any(found.radial[7:9] == -1)
    everywhere = [(r, c, 80) for r in range(8, 84, 8) for c in range(8, 90, 8) if not 55 < r < 68]
    many = search(simulated(detector, everywhere, rng))
    few = PeakSearch(pixels, made, 14, 5000, "reference")(simulated(detector, everywhere, rng))
    assert len(many.peaks) > 50
    assert len(few.peaks) < 25


def test_limits_follow_the_neighbours():
    peaks_of_bins = np.array([0, 0, 6, 0, 0, 0, 0, 0, 20, 22, 25, 21, 30, 20, 19, 22])
    limit = _limits(peaks_of_bins, thresholds(1000))
    assert (peaks_of_bins > limit).tolist() == [False, False, True] + 13 * [False]


def test_dropped_patches_take_their_bins_along():
    radial = np.array([1.0, 1.0, 1.0, 1.0, -1.0])
    number = np.array([0, 3, 2, 1])  # the second reaches into the unusable bin 4, the third into the crowded bin 2
    first = np.array([0, 2, 4, 6, 8])
    member = np.array([0, 0, 3, 4, 2, 1, 1, 1])
    kept = _drop_rings(number, first, member, np.array([False, False, True, False, False]), radial)
    assert kept.tolist() == [True, True, False, False]
    assert radial.tolist() == [1, -1, -1, 1, -1]


def test_an_unreadable_frame_has_nothing():
    found = FrameBackground.unreadable(7)
    assert radial_background.content(found.radial) == np.full(7, -1.0).tobytes()
    assert outliers.text(found.pixel, found.count) == peaks.text(found.peaks) == ""


def unpacked(path):
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as archive:
        return {member.name.rpartition("/")[2]: archive.extractfile(member).read() for member in archive if member.isfile()}


@pytest.fixture(scope="module")
def reference_run(reference_data):
    folder = reference_data / "emc"
    content = lzma.decompress((folder / "make-detector/rec-vectors.bin.xz").read_bytes())
    records = np.frombuffer(content[12:], "<f8").reshape(-1, 4)
    index = np.frombuffer(lzma.decompress((folder / "make-detector/rec2pix-map.bin.xz").read_bytes()), "<i4")
    pixels = Pixels(records[:, :3].copy(), records[:, 3].copy(), index, (240, 250))
    made = flat((240, 250), (121.3, 124.6), 0.05504 / 172e-6, (0.002, -0.003, -1.0), 1.03324)
    q_min, q_max = limits(made.wavelength, made.D, 8.0, 2.9)
    return (
        pixels,
        replace(made, q_min=q_min, q_max=q_max),
        unpacked(folder / "frames.tar.xz"),
        unpacked(folder / "Data/run1/radial-bg.tar.xz"),
        unpacked(folder / "Data/run1/outlier.tar.xz"),
    )


def frames_of(reference_run, tmp_path):
    for name, content in sorted(reference_run[2].items()):
        path = tmp_path / "frame.cbf"
        path.write_bytes(content)
        yield name[4:9], frame_cbf.read(path)


def test_the_reference_rule_gives_the_files_of_the_reference(reference_run, tmp_path):
    pixels, made, _, radial, found_there = reference_run
    search = PeakSearch(pixels, made, 40, 1e4, "reference")
    done = 0
    for tag, frame in frames_of(reference_run, tmp_path):
        found = search(frame)
        expected = np.frombuffer(radial[f"ave_bg-{tag}.bin"])
        assert np.array_equal(found.radial == -1, expected == -1), tag
        np.testing.assert_allclose(found.radial, expected, rtol=1e-12)
        assert outliers.text(found.pixel, found.count).encode() == found_there[f"outlier-{tag}.dat"], tag
        assert peaks.text(found.peaks).encode() == found_there[f"peak-{tag}.dat"], tag
        done += 1
    assert done == 900


def test_the_default_rule_masks_no_noise_and_finds_all_of_those_peaks(reference_run, tmp_path):
    """The frames have no rings: of 34200 bins with pixels the reference's rule masks 3164, the default three, about a bright spot."""
    pixels, made, _, radial, found_there = reference_run
    search = PeakSearch(pixels, made, 40, 1e4, "robust")
    unusable = lost = gained = 0
    for tag, frame in frames_of(reference_run, tmp_path):
        found = search(frame)
        usable_there = np.frombuffer(radial[f"ave_bg-{tag}.bin"]) >= 0
        unusable += np.count_nonzero(found.radial[2:] < 0)
        there = found_there[f"peak-{tag}.dat"].decode().splitlines()[1::2]
        here = peaks.text(found.peaks).splitlines()[1::2]
        lost += len(set(there) - set(here))
        gained += len(set(here) - set(there))
        both = usable_there & (found.radial >= 0)
        assert np.allclose(found.radial[both], np.frombuffer(radial[f"ave_bg-{tag}.bin"])[both], rtol=1e-12)
    assert unusable == 3
    assert lost == 1
    assert gained == 325
