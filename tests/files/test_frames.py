"""Raw frames of every kind of file give the counts that were put in; what is damaged is named."""

import pickle

import fabio
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from instruments import Cxi, Eiger, Jungfrau, Pilatus, Tiff, example

from fxs_hpc.errors import InputFileError
from fxs_hpc.files import frame_cbf
from fxs_hpc.files.frame_counts import photon_counts
from fxs_hpc.files.frame_hdf5 import Hdf5Frames
from fxs_hpc.files.frames import open_frames


def check(source, counts):
    assert len(source) == len(counts)
    for number, expected in enumerate(counts):
        frame = source.read(number)
        assert frame.dtype == np.int32 and frame.flags["C_CONTIGUOUS"]
        assert np.array_equal(np.maximum(frame, -1), np.maximum(expected, -1))


def test_pilatus(tmp_path):
    counts = example(12)
    counts[:, 5] = -2
    Pilatus(tmp_path, counts).write()
    check(open_frames(tmp_path / "*.cbf"), counts)


def test_cbf_of_unusual_kinds_go_through_fabio(tmp_path):
    counts = np.maximum(example(1)[0], 0)
    fabio.cbfimage.CbfImage(data=counts.astype(np.uint16)).write(str(tmp_path / "a.cbf"))
    assert frame_cbf.read(tmp_path / "a.cbf") is None
    assert np.array_equal(open_frames(tmp_path / "a.cbf").read(0), counts)


@given(arrays(np.int32, (3, 5), elements=st.sampled_from([0, 1, -1, 127, -128, 129, 32767, -32768, 40_000, -40_000, 2**29, -(2**29)])))
def test_byte_offsets_of_every_length(tmp_path_factory, counts):
    path = tmp_path_factory.mktemp("cbf") / "x.cbf"
    fabio.cbfimage.CbfImage(data=counts).write(str(path))
    assert np.array_equal(frame_cbf.read(path), counts)


def test_differences_of_eight_bytes():
    """Written out by hand: fabio's compression is wrong beyond 32 bits."""
    far = b"\x80" + b"\x00\x80" + b"\x00\x00\x00\x80"
    data = np.frombuffer(b"\x05" + far + (-(2**31)).to_bytes(8, "little", signed=True) + b"\x07", np.uint8)
    counts = np.zeros(3, np.int32)
    assert frame_cbf.decode(data, counts) == len(data)
    assert counts.tolist() == [5, 5 - 2**31, 12 - 2**31]
    assert frame_cbf.decode(data[:-3], counts) == -1


def test_eiger(tmp_path):
    counts = example(7)
    master = Eiger(tmp_path, counts).write()
    check(open_frames(master), counts)
    frames = Hdf5Frames(master)
    assert np.array_equal(frames.static_mask(), counts[0] < 0)
    assert frames.value("/entry/instrument/detector/detector_distance") == 0.12


def test_eiger_master_and_its_data_files_are_not_counted_twice(tmp_path):
    counts = example(7)
    Eiger(tmp_path, counts).write()
    check(open_frames(tmp_path / "*.h5"), counts)


def test_a_missing_data_file_takes_only_its_frames_with_it(tmp_path):
    counts = example(8)
    master = Eiger(tmp_path, counts).write()
    (tmp_path / "run7_data_000002.h5").unlink()
    source = open_frames(master)
    assert len(source) == 8
    for number in (0, 1, 2, 6, 7):
        assert np.array_equal(source.read(number), counts[number])
    for number in (3, 4, 5):
        with pytest.raises(InputFileError, match=r"run7_data_000002\.h5 is missing"):
            source.read(number)
    (tmp_path / "run7_data_000003.h5").unlink()
    assert len(open_frames(master)) == 8  # the master says how many there were


def test_jungfrau_energies_become_photons(tmp_path):
    counts = example(5, (24, 31))
    path = Jungfrau(tmp_path, counts).write()
    check(open_frames(path, adu_per_photon=12.4), counts)


def test_cxi_with_a_mask_for_each_frame(tmp_path):
    counts = example(6)
    counts[2, 7, 7] = -1
    path = Cxi(tmp_path, counts).write()
    check(open_frames(path), counts)
    assert Hdf5Frames(path).static_mask() is None


def test_tiff_in_the_order_of_their_numbers(tmp_path):
    counts = example(12)
    Tiff(tmp_path, counts).write("image_{}.tif")
    check(open_frames(tmp_path / "image_*.tif"), counts)


def test_lists_of_frames_of_different_kinds(tmp_path):
    counts = example(7)
    Pilatus(tmp_path / "a", counts[:2]).write()
    master = Eiger(tmp_path, counts).write()
    (tmp_path / "frames.lst").write_text(f"a/shot_00001.cbf\n# a comment\n\n{master} //5\n{master}//2\n{tmp_path}/a/shot_00000.cbf\n")
    source = open_frames("frames.lst", tmp_path)
    check(source, counts[[1, 5, 2, 0]])
    assert source.names[1] == f"{master}//5"
    (tmp_path / "master.lst").write_text(f"{master.name}\n")
    check(open_frames("master.lst", tmp_path), counts)
    check(open_frames(source.names, tmp_path), counts[[1, 5, 2, 0]])


def test_sources_travel_between_processes(tmp_path):
    counts = example(4)
    source = open_frames(Eiger(tmp_path, counts).write())
    source.read(0)
    check(pickle.loads(pickle.dumps(source)), counts)


def test_more_files_than_are_kept_open(tmp_path):
    counts = example(12)
    for number, frame in enumerate(counts):
        with h5py.File(tmp_path / f"f{number}.h5", "w") as file:
            file["/some/where/frames"] = frame[None]
    source = open_frames(tmp_path / "f*.h5")
    check(source, counts)
    check(source, counts)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "cannot be read"), (b"###CBF: VERSION 1.5\nnothing", "cannot be read")],
)
def test_damaged_images_are_named(tmp_path, content, words):
    counts = example(3)
    paths = Pilatus(tmp_path, counts).write()
    paths[1].write_bytes(content)
    source = open_frames(tmp_path / "*.cbf")
    assert np.array_equal(source.read(2), counts[2])
    with pytest.raises(InputFileError, match=f"shot_00001.cbf.*{words}"):
        source.read(1)


def test_cut_off_and_altered_cbf_are_named(tmp_path):
    paths = Pilatus(tmp_path, example(2)).write()
    content = paths[0].read_bytes()
    paths[0].write_bytes(content[:-700])
    with pytest.raises(InputFileError, match="shot_00000.cbf: cut off"):
        open_frames(paths[0]).read(0)
    start = content.index(frame_cbf.MARK) + 4
    paths[0].write_bytes(content[:start] + b"\x80" + content[start + 1 :])
    with pytest.raises(InputFileError, match="shot_00000.cbf: damaged"):
        open_frames(paths[0]).read(0)


def test_a_damaged_container_among_others_is_one_frame_that_fails(tmp_path):
    counts = example(4)
    Cxi(tmp_path, counts).write("a.cxi")
    (tmp_path / "b.cxi").write_bytes((tmp_path / "a.cxi").read_bytes()[:600])
    source = open_frames(tmp_path / "*.cxi")
    assert len(source) == 5
    check(open_frames(source.names[:4]), counts)
    with pytest.raises(InputFileError, match=r"b\.cxi"):
        source.read(4)
    with pytest.raises(InputFileError, match=r"b\.cxi"):
        open_frames(tmp_path / "b.cxi")


def test_what_cannot_be_meant_is_an_error(tmp_path):
    with pytest.raises(InputFileError, match="no such files"):
        open_frames(tmp_path / "*.cbf")
    with pytest.raises(InputFileError, match="is a folder"):
        open_frames(tmp_path)
    (tmp_path / "empty.lst").write_text("# nothing\n")
    with pytest.raises(InputFileError, match="empty"):
        open_frames(tmp_path / "empty.lst")
    master = Eiger(tmp_path, example(3)).write()
    with pytest.raises(InputFileError, match="no dataset /entry/dta"):
        open_frames(master, dataset="/entry/dta")
    with pytest.raises(InputFileError, match="no frame 3"):
        Hdf5Frames(master).read(3)


def test_frames_that_cannot_be_told_apart_need_a_name(tmp_path):
    counts = example(2)
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["/left"], file["/right"] = counts, counts[::-1]
    with pytest.raises(InputFileError, match=r"several arrays.*frame_dataset"):
        open_frames(tmp_path / "two.h5")
    check(open_frames(tmp_path / "two.h5", dataset="/right"), counts[::-1])


def test_a_pixel_mask_of_another_size_is_an_error(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["/entry/data/data"] = example(2)
        file["/entry/instrument/detector/pixel_mask"] = np.zeros((23, 30), np.uint8)
    with pytest.raises(InputFileError, match="pixel mask has 23 x 30"):
        open_frames(tmp_path / "x.h5").read(0)


@pytest.mark.parametrize(
    ("values", "adu", "expected"),
    [
        (np.array([[0, 7, 65534, 65535]], np.uint16), 1, [0, 7, 65534, -1]),
        (np.array([[0, 200, 254, 255]], np.uint8), 1, [0, 200, 254, -1]),
        (np.array([[3, 2**32 - 1, 2**32 - 2, 2**31 - 2]], np.uint32), 1, [3, -1, -1, 2**31 - 2]),
        (np.array([[-1, -2, 5, 2**40]], np.int64), 1, [-1, -1, 5, -1]),
        (np.array([[-300, 5, 0, 9]], np.int16), 1, [-300, 5, 0, 9]),
        (np.array([[-3, 5, 0, 19]], np.int16), 10, [-1, 0, 0, 2]),
        (np.array([[-0.8, 0.4, 1.6, np.nan]], np.float32), 1, [0, 0, 2, -1]),
        (np.array([[np.inf, 1e12, -np.inf, 30.0]], np.float64), 10, [-1, -1, 0, 3]),
        (np.array([[True, False, True, False]]), 1, [1, 0, 1, 0]),
    ],
)
def test_counts_of_every_type_of_number(values, adu, expected):
    assert photon_counts(values, adu).tolist() == [expected]


def test_complex_numbers_are_no_counts():
    with pytest.raises(ValueError, match="complex"):
        photon_counts(np.zeros((2, 2), complex))
