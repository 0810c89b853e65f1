"""Lists of patterns, raw and other images."""

import h5py
import numpy as np
import pytest

from fxs_hpc.errors import InputFileError
from fxs_hpc.files.pattern_lists import PatternReader, digest, open_patterns, read_image, read_raw, write_raw


def test_lists_name_raw_files_and_stacks(tmp_path):
    images = np.arange(60, dtype=np.float32).reshape(5, 3, 4)
    write_raw(tmp_path / "a.raw", images[0])
    with h5py.File(tmp_path / "stack.cxi", "w") as file:
        file["entry_1/data_1/data"] = images[1:4].astype(np.int32)
        file["entry_1/data_1/data"][1, 0, 0] = -1
    listing = tmp_path / "list.txt"
    listing.write_text(f"# two kinds\n./a.raw\n\nstack.cxi\n{tmp_path / 'stack.cxi'}//2\n")
    patterns = open_patterns(listing, (3, 4), 100)
    assert len(patterns) == 5 and [path.name for path in patterns.files()] == ["a.raw", "stack.cxi"]
    reader = PatternReader(patterns)
    found = [reader.read(number) for number in range(5)]
    assert all(image.dtype == np.float32 for image in found)
    assert np.array_equal(found[0], images[0]) and np.array_equal(found[1], images[1]) and np.array_equal(found[4], images[3])
    assert np.isnan(found[2][0, 0]) and np.array_equal(found[2].ravel()[1:], images[2].ravel()[1:])
    assert len(open_patterns(listing, (3, 4), 2)) == 2
    assert len(open_patterns(tmp_path / "stack.cxi", (3, 4), 100)) == 3


def test_a_list_behind_a_link_counts_from_where_it_lies(tmp_path):
    (tmp_path / "there").mkdir()
    write_raw(tmp_path / "there/a.raw", np.ones((2, 2)))
    (tmp_path / "there/list.txt").write_text("./a.raw\n")
    (tmp_path / "link.txt").symlink_to("there/list.txt")
    patterns = open_patterns(tmp_path / "link.txt", (2, 2), 9)
    assert (PatternReader(patterns).read(0) == 1).all()


def test_the_digest_notices_changes(tmp_path):
    write_raw(tmp_path / "a.raw", np.ones((2, 2)))
    (tmp_path / "list.txt").write_text("a.raw\n")
    patterns = open_patterns(tmp_path / "list.txt", (2, 2), 9)
    before = digest(patterns)
    assert digest(patterns) == before
    write_raw(tmp_path / "a.raw", np.ones((2, 3)))
    assert digest(patterns) != before


def test_single_images(tmp_path):
    write_raw(tmp_path / "mask.raw", np.eye(3))
    assert np.array_equal(read_image(tmp_path / "mask.raw", (3, 3)), np.eye(3))
    with h5py.File(tmp_path / "mask.h5", "w") as file:
        file["data"] = np.eye(3, dtype=np.int32)[None]
    assert np.array_equal(read_image(tmp_path / "mask.h5", (3, 3)), np.eye(3))


def test_mistakes(tmp_path):
    with pytest.raises(InputFileError, match="cannot be read"):
        read_raw(tmp_path / "no.raw", (2, 2))
    with pytest.raises(InputFileError, match="cannot be read"):
        open_patterns(tmp_path / "no.txt", (2, 2), 1)
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputFileError, match="is no list of patterns"):
        open_patterns(tmp_path / "bad.txt", (2, 2), 1)
