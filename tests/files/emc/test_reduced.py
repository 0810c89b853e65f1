"""Reduced frames: the dense files of the reference and the store hold the same, and any part of it can be read."""

import lzma
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import frame_store
from fxs_hpc.files.emc.dense_frames import write_dense
from fxs_hpc.files.emc.frame_block import FrameBlock, reblocked
from fxs_hpc.files.emc.frame_store import StoredFrames, join_stores, pixel_order, write_store
from fxs_hpc.files.emc.reduced import open_reduced

BINS = 7
ORDER = pixel_order(np.arange(5))


def frames(count, pixels, mean, seed=0):
    """Frames whose occupancy changes from block to block, with dead pixels, empty frames among them."""
    rng = np.random.default_rng(seed)
    level = mean * rng.uniform(0, 2, count)[:, None] * (rng.random(count) > 0.2)[:, None]
    photons = rng.poisson(level, (count, pixels)).astype(np.int16)
    photons[rng.random(photons.shape) < 0.01] = -1
    return FrameBlock(photons, rng.normal(size=(count, BINS)), rng.permutation(count).astype(np.int64))


def cut(block, size):
    return [FrameBlock(*(values[i : i + size] for values in block)) for i in range(0, len(block.raw_id), size)]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(frame_store, "MAX_BLOCK", 4)


@pytest.mark.parametrize("mean", [0.003, 0.1, 3.0])
@pytest.mark.parametrize("kind", ["bin", "h5"])
def test_any_run_of_frames_and_prefix_of_pixels(tmp_path, small_blocks, mean, kind):
    block = frames(23, 301, mean)
    photons, background = tmp_path / f"data.{kind}", tmp_path / "background.bin"
    if kind == "h5":
        assert write_store(photons, cut(block, 5), 301, BINS, ORDER) == 23
    else:
        assert write_dense(photons, background, cut(block, 5)) == 23
    reduced = open_reduced(photons, background, 301, BINS, ORDER)
    assert (reduced.count, reduced.pixels, reduced.bins) == (23, 301, BINS)
    for first, stop in ((0, 23), (0, 1), (3, 4), (3, 9), (8, 8), (22, 23), (7, 23)):
        np.testing.assert_array_equal(reduced.read_background(first, stop), block.background[first:stop])
        for pixels in (None, 301, 100, 1):
            expected = block.photons[first:stop, :pixels]
            np.testing.assert_array_equal(reduced.read_photons(first, stop, pixels), expected)
            sparse = reduced.read_sparse(first, stop, pixels)
            assert len(sparse) == stop - first
            np.testing.assert_array_equal(sparse.count, expected[expected > 0])
            np.testing.assert_array_equal(sparse.pixel, np.nonzero(expected > 0)[1])
            np.testing.assert_array_equal(np.diff(sparse.first), (expected > 0).sum(1))
            np.testing.assert_array_equal(sparse.dead, np.nonzero(expected < 0)[1])
            np.testing.assert_array_equal(np.diff(sparse.dead_first), (expected < 0).sum(1))


def test_store_keeps_raw_numbers_and_mixes_both_forms(tmp_path, small_blocks):
    dense, sparse = frames(8, 200, 2.0), frames(8, 200, 0.01)
    both = FrameBlock(*(np.concatenate(pair) for pair in zip(dense, sparse, strict=True)))
    write_store(tmp_path / "a.h5", [both], 200, BINS, ORDER)
    with StoredFrames(tmp_path / "a.h5") as stored, h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(stored.raw_id, both.raw_id)
        np.testing.assert_array_equal(stored.read_photons(5, 13), both.photons[5:13])
        assert list(file["photons/is_sparse"]) == [False, False, True, True]
        assert file["photons/dense"].id.get_num_chunks() == 2  # sparse blocks take no space there


def test_joined_stores_are_one_store(tmp_path, small_blocks):
    block = frames(19, 150, 0.15, seed=3)
    write_store(tmp_path / "whole.h5", [block], 150, BINS, ORDER)
    parts = [tmp_path / f"part-{number}.h5" for number in range(3)]
    for path, (first, stop) in zip(parts, ((0, 8), (8, 12), (12, 19)), strict=True):
        write_store(path, [FrameBlock(*(values[first:stop] for values in block))], 150, BINS, ORDER)
    join_stores(tmp_path / "joined.h5", parts)
    with StoredFrames(tmp_path / "joined.h5", 150, BINS, ORDER) as joined:
        np.testing.assert_array_equal(joined.read_photons(0, 19), block.photons)
        np.testing.assert_array_equal(joined.read_sparse(2, 17).dense(), block.photons[2:17])
        np.testing.assert_array_equal(joined.read_background(0, 19), block.background)
        np.testing.assert_array_equal(joined.raw_id, block.raw_id)


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 10))
@settings(max_examples=30)
def test_reblocking_keeps_frames_and_order(sizes, size):
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    whole = frames(int(edges[-1]), 3, 1.0)
    parts = [FrameBlock(*(values[a:b] for values in whole)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    made = list(reblocked(parts, size))
    assert all(len(part.raw_id) == size for part in made[:-1])
    np.testing.assert_array_equal(np.concatenate([part.raw_id for part in made] or [[]]), whole.raw_id)


def test_wrong_inputs_are_named(tmp_path):
    block = frames(3, 50, 1.0)
    with pytest.raises(InputFileError, match=r"none\.h5.*reduce-data"):
        open_reduced(tmp_path / "none.h5", tmp_path / "b", 50, BINS)
    with pytest.raises(InputFileError, match="none.bin"):
        open_reduced(tmp_path / "none.bin", tmp_path / "b", 50, BINS)
    write_dense(tmp_path / "a.bin", tmp_path / "b.bin", [block])
    with pytest.raises(InputFileError, match="300 bytes are no whole number of frames of 51"):
        open_reduced(tmp_path / "a.bin", tmp_path / "b.bin", 51, BINS)
    with pytest.raises(InputFileError, match="1 backgrounds of 21 bins, but 3 frames"):
        open_reduced(tmp_path / "a.bin", tmp_path / "b.bin", 50, 3 * BINS)
    write_store(tmp_path / "a.h5", [block], 50, BINS, ORDER)
    with pytest.raises(InputFileError, match="50 pixels, expected 51"):
        open_reduced(tmp_path / "a.h5", tmp_path / "b.bin", 51, BINS)
    with pytest.raises(InputFileError, match="other pixels"):
        open_reduced(tmp_path / "a.h5", tmp_path / "b.bin", 50, BINS, "0")
    with h5py.File(tmp_path / "later.h5", "w") as file:
        file.attrs.update({"format": frame_store.FORMAT, "version": 99})
    with pytest.raises(InputFileError, match="version 99"):
        open_reduced(tmp_path / "later.h5", tmp_path / "b.bin", 50, BINS)


def test_store_of_the_reference_run_is_a_sixth_of_its_data(reference_data, tmp_path):
    emc = reference_data / "emc"
    photons = np.frombuffer(lzma.open(emc / "Data/mpi-datafile.bin.xz").read(), "<i2").reshape(468, 43613)
    background = np.frombuffer(lzma.open(emc / "Data/mpi-bg_model.bin.xz").read(), "<f8").reshape(468, 40)
    write_store(tmp_path / "a.h5", [FrameBlock(photons, background, np.arange(468))], 43613, 40, ORDER)
    assert (tmp_path / "a.h5").stat().st_size < (photons.nbytes + background.nbytes) / 5.5
    write_dense(tmp_path / "a.bin", tmp_path / "b.bin", [FrameBlock(photons, background, np.arange(468))])
    assert Path(tmp_path / "a.bin").read_bytes() == photons.tobytes()
    one, other = open_reduced(tmp_path / "a.h5", Path(), 43613, 40), open_reduced(tmp_path / "a.bin", tmp_path / "b.bin", 43613, 40)
    for first, stop in ((0, 30), (200, 301), (460, 468)):
        np.testing.assert_array_equal(one.read_photons(first, stop, 21225), other.read_photons(first, stop, 21225))
        np.testing.assert_array_equal(one.read_background(first, stop), other.read_background(first, stop))
