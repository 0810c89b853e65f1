"""Pseudo-powder sums: against loops over pairs, and the reference's files."""

import io
import lzma
import tarfile

import numpy as np
import pytest

from fxs_hpc.emc.detector import flat
from fxs_hpc.emc.peaks import PeakPatches, centroids
from fxs_hpc.emc.powder import PseudoPowder
from fxs_hpc.files.emc import peaks, powder


def test_pairs_and_moduli_are_counted_one_by_one():
    rng = np.random.default_rng(0)
    made = PseudoPowder(np.zeros(50, np.int32))
    pairs, moduli, brightest, counted = {}, {}, np.zeros(50, int), []
    for number in (2, 5, 7, 12):
        sizes = rng.integers(1, 4, number)
        pixel = rng.integers(0, 50, sizes.sum()).astype(np.int32)
        count = rng.integers(1, 90, sizes.sum()).astype(np.int32)
        centre = rng.normal(size=(number, 3)) * 20
        patches = PeakPatches(pixel, count, np.concatenate([[0], np.cumsum(sizes)]))
        made.add_sizes(patches.sizes)
        made.add(patches, centre, 3, 10)
        for p, k in zip(pixel, count):
            brightest[p] = max(brightest[p], k)
        counted.append(number if 3 <= number <= 10 else 0)
        for i in range(number if 3 <= number <= 10 else 0):
            bin_ = int(2 * np.linalg.norm(centre[i]) + 0.5)
            moduli[bin_] = moduli.get(bin_, 0) + 1
            for j in range(i):
                bin_ = int(2 * np.linalg.norm(centre[i] - centre[j]) + 0.5)
                pairs[bin_] = pairs.get(bin_, 0) + 1
    assert {i: n for i, n in enumerate(made.distances.tolist()) if n} == pairs
    assert {i: n for i, n in enumerate(made.moduli.tolist()) if n} == moduli
    assert np.array_equal(made.brightest, brightest)
    assert made.peaks == counted == [0, 5, 7, 0]
    assert made.sizes.sum() == 26


def test_what_is_farther_than_the_last_bin_is_left_out():
    made = PseudoPowder(np.zeros(4, np.int32))
    patches = PeakPatches(np.array([0, 1], np.int32), np.array([5, 5], np.int32), np.array([0, 1, 2]))
    made.add(patches, np.array([[1e5, 0, 0], [3.0, 0, 0]]), 1, 9)
    made.add_sizes(np.array([2, 2999, 3000]))
    assert made.moduli.sum() == 1 and made.moduli[6] == 1 and made.distances.sum() == 0
    assert made.sizes.sum() == 2


@pytest.fixture(scope="module")
def patches_of_the_reference(reference_data):
    archive = lzma.decompress((reference_data / "emc/Data/run1/outlier.tar.xz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        names = sorted(name for name in members.getnames() if "peak-" in name)
        return [members.extractfile(name).read() for name in names]


def test_the_files_of_the_reference(reference_data, patches_of_the_reference, tmp_path):
    folder = reference_data / "emc"
    records = np.frombuffer(lzma.decompress((folder / "make-detector/rec-vectors.bin.xz").read_bytes())[12:], "<f8").reshape(-1, 4)
    place = np.frombuffer(lzma.decompress((folder / "make-detector/pix-map.bin.xz").read_bytes()), "<i4")
    made = PseudoPowder(np.zeros(60_000, np.int32))
    path = tmp_path / "peak.dat"
    for content in patches_of_the_reference:
        path.write_bytes(content)
        patches = peaks.read(path)
        made.add_sizes(patches.sizes)
        accepted = patches.selected((patches.sizes >= 2) & (patches.sizes <= 30))
        made.add(accepted, centroids(accepted, records[:, :3], place), 3, 60)
    powder.write(tmp_path, made, flat((240, 250), (121.3, 124.6), 0.05504 / 172e-6, (0.002, -0.003, -1.0), 1.03324), 2)
    for name in ("1d-pseudo-powder.dat", "2d-pseudo-powder.dat", "frame-peak-count.dat", "patch-sz-count.dat"):
        packed = folder / "make-powder" / f"{name}.xz"
        expected = lzma.decompress(packed.read_bytes()) if packed.exists() else (folder / "make-powder" / name).read_bytes()
        assert (tmp_path / name).read_bytes() == expected, name
