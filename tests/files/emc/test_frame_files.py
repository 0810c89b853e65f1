"""Files of single frames and lists of them."""

import io
import lzma
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxs_hpc.emc.peaks import PeakPatches
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import file_lists, frame_table, outliers, peaks, radial_background


@given(st.lists(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 10**6)), min_size=1, max_size=5), max_size=6))
def test_peaks_are_read_as_written(tmp_path_factory, patches):
    pixel, count = np.array([pair for patch in patches for pair in patch], np.int32).reshape(-1, 2).T
    made = PeakPatches(pixel, count, np.concatenate([[0], np.cumsum([len(patch) for patch in patches])]).astype(np.int64))
    path = tmp_path_factory.mktemp("peaks") / "peak.dat"
    path.write_text(peaks.text(made))
    again = peaks.read(path)
    assert np.array_equal(again.pixel, pixel) and np.array_equal(again.count, count) and np.array_equal(again.first, made.first)


@pytest.mark.parametrize("content", ["3\n1 2 3 4\n", "2\n1 2 3 4 \n0\n", "2\n1 2 x 4\n", "2\n1 2 3\n"])
def test_damaged_peaks_are_named(tmp_path, content):
    (tmp_path / "peak-7.dat").write_text(content)
    with pytest.raises(InputFileError, match="peak-7.dat.*make-background"):
        peaks.read(tmp_path / "peak-7.dat")


def test_damaged_outliers_and_backgrounds_are_named(tmp_path):
    for read in (peaks.read, outliers.read, lambda path: radial_background.read(path, 4)):
        with pytest.raises(InputFileError, match="none.*make-background"):
            read(tmp_path / "none")
    (tmp_path / "o.dat").write_text("1 2\n3\n")
    with pytest.raises(InputFileError, match="two whole numbers"):
        outliers.read(tmp_path / "o.dat")
    (tmp_path / "b.bin").write_bytes(radial_background.content(np.arange(3.0)))
    assert radial_background.read(tmp_path / "b.bin", 3).tolist() == [0, 1, 2]
    with pytest.raises(InputFileError, match="3 radial bins, expected qlen = 4"):
        radial_background.read(tmp_path / "b.bin", 4)


def test_the_files_of_the_reference_come_out_as_they_went_in(reference_data, tmp_path):
    for name, read, text in (
        ("outlier", lambda path: outliers.read(path), lambda found: outliers.text(*found).encode()),
        ("peak", peaks.read, lambda found: peaks.text(found).encode()),
    ):
        archive = lzma.decompress((reference_data / "emc/Data/run1/outlier.tar.xz").read_bytes())
        with tarfile.open(fileobj=io.BytesIO(archive)) as members:
            wanted = sorted(member for member in members.getnames() if f"{name}-" in member)[::40]
            for member in wanted:
                content = members.extractfile(member).read()
                (tmp_path / "x.dat").write_bytes(content)
                assert text(read(tmp_path / "x.dat")) == content
        assert len(wanted) > 20


def test_lists_of_the_reference(reference_data, tmp_path):
    archive = lzma.decompress((reference_data / "emc/make-background/lists.tar.xz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        there = {name.rpartition("/")[2]: members.extractfile(name).read() for name in members.getnames() if name.endswith(".dat")}
    frames = [line.replace("@WORK@", str(tmp_path)) for line in there["cbflist.dat"].decode().split()]
    lists = file_lists.named(frames, tmp_path / "Data")
    file_lists.write(tmp_path / "make-background", lists)
    for name, content in there.items():
        assert (tmp_path / "make-background" / name).read_text() == content.decode().replace("@WORK@", str(tmp_path))
    assert file_lists.read(tmp_path / "make-background", tmp_path) == lists
    assert len(file_lists.read(tmp_path / "make-background", tmp_path, 17)) == 17
    with pytest.raises(InputFileError, match="900 frames, but num_raw_data = 901"):
        file_lists.read(tmp_path / "make-background", tmp_path, 901)


@pytest.mark.parametrize(
    ("frames", "names"),
    [
        (["/r/run1/x_1.cbf", "/r/run2/x_1.cbf"], ["run1/outlier/peak-1.dat", "run2/outlier/peak-1.dat"]),
        (["/r/run1/x_1.cbf", "/r/run1/y_1.cbf"], ["run1/outlier/peak-x_1.dat", "run1/outlier/peak-y_1.dat"]),
        (["/a/run1/x_1.cbf", "/b/run1/x_1.cbf"], ["a-run1/outlier/peak-x_1.dat", "b-run1/outlier/peak-x_1.dat"]),
        (["/r/run1/plain.cbf"], ["run1/outlier/peak-plain.dat"]),
        (["/r/run1/k_master.h5//3", "/r/run1/k_master.h5//12"], [f"run1/outlier/peak-master-{number:05d}.dat" for number in (3, 12)]),
    ],
)
def test_no_two_frames_share_a_file(tmp_path, frames, names):
    assert file_lists.named(frames, tmp_path).peak == tuple(f"{tmp_path}/{name}" for name in names)


def test_a_frame_listed_twice_is_an_error(tmp_path):
    with pytest.raises(InputFileError, match="x_1.cbf: this frame is listed twice"):
        file_lists.named(["/r/run1/x_1.cbf", "/r/run1/x_1.cbf"], tmp_path)


def test_lists_that_do_not_belong_together(tmp_path):
    lists = file_lists.named(["/r/run1/x_1.cbf", "/r/run1/x_2.cbf"], tmp_path)
    file_lists.write(tmp_path, lists)
    (tmp_path / "peaklist.dat").write_text("only/one.dat\n")
    with pytest.raises(InputFileError, match="not equally long.*peaklist.dat 1"):
        file_lists.read(tmp_path, tmp_path)
    (tmp_path / "peaklist.dat").write_text("only/one.dat\nand/two.dat\n")
    assert file_lists.read(tmp_path, tmp_path).peak == (f"{tmp_path}/only/one.dat", f"{tmp_path}/and/two.dat")
    (tmp_path / "peaklist.dat").unlink()
    with pytest.raises(InputFileError, match="make-filelists"):
        file_lists.read(tmp_path, tmp_path)


def test_the_table_of_frames(tmp_path):
    table = np.array([[1, 20, 3, 9, 2], [0, 0, 0, 0, 40]])
    frame_table.write(tmp_path / "frames.dat", table, {1: "x.cbf: cut off"}, "robust")
    assert np.array_equal(frame_table.read(tmp_path / "frames.dat"), table)
    assert "1 0 0 0 0 40  # x.cbf: cut off" in (tmp_path / "frames.dat").read_text()
    with pytest.raises(InputFileError, match="make-background"):
        frame_table.read(tmp_path / "other.dat")
