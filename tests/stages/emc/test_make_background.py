"""make-filelists, make-background and make-powder in a working directory."""

import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

import front_end_run
import numpy as np
import pytest
import reference_run
from front_end_run import SHAPE, context

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.emc.peak_search import PeakSearch
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.emc import file_lists, frame_table, outliers, peaks, radial_background, rec_vectors
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc import inputs, make_background, make_detector, make_filelists, make_powder
from fxs_hpc.stages.emc.context import Context

FRAMES = 24


@pytest.fixture
def home(tmp_path):
    front_end_run.write_cbf(tmp_path / "raw/run1", front_end_run.frames(FRAMES))
    made, _ = context(tmp_path, mask_frame="raw/run1/sim_00000.cbf")
    make_detector.run(made)
    return tmp_path


def results(lists):
    return {path: Path(path).read_bytes() for path in (*lists.radial, *lists.outlier, *lists.peak)}


def test_every_frame_gets_what_the_search_finds_in_it(home):
    made, said = context(home, mask_frame="raw/run1/sim_00000.cbf")
    make_background.run(made)
    lists = inputs.lists(made)
    geometry = inputs.geometry(made)
    search = PeakSearch(rec_vectors.read(home / "make-detector/rec-vectors.bin", SHAPE), geometry, 10, 5000, "robust")
    table = frame_table.read(home / "make-background/frames.dat")
    assert len(lists) == len(table) == FRAMES
    for number, frame in enumerate(front_end_run.frames(FRAMES)):
        found = search(frame)
        assert np.array_equal(radial_background.read(lists.radial[number], 10), found.radial)
        assert Path(lists.peak[number]).read_text() == peaks.text(found.peaks)
        assert np.array_equal(outliers.read(lists.outlier[number])[0], found.pixel)
        assert tuple(table[number]) == make_background.row(found)
        assert len(found.peaks) == 0 if number % 4 == 0 else len(found.peaks) >= 2
    assert f"{FRAMES} of {FRAMES} frames read" in said[-2]
    for name in ("background.png", "example-frame.png"):
        assert (home / "make-background" / name).stat().st_size > 10_000
    assert not list((home / "Data").rglob("*.tmp"))


def test_unreadable_frames_are_named_and_left_out_and_keep_their_numbers(home):
    (home / "raw/run1/sim_00005.cbf").write_bytes(b"###CBF")
    (home / "raw/run1/sim_00010.cbf").unlink()
    front_end_run.write_cbf(home / "other", np.zeros((1, 7, 9), np.int32))
    (home / "other/sim_00000.cbf").replace(home / "raw/run1/sim_00017.cbf")
    made, said = context(home, frames=None, max_failed_frames=0.2)
    make_filelists.run(made, str(home / "raw/run1/*.cbf"))
    lists = inputs.lists(made)
    assert len(lists) == FRAMES - 1
    make_background.run(made)
    table = frame_table.read(home / "make-background/frames.dat")
    assert np.flatnonzero(table[:, 0] == 0).tolist() == [5, 16]
    assert table[5, 4] == 10 and table[5, 1] == 0
    assert radial_background.read(lists.radial[5], 10).tolist() == [-1] * 10
    assert len(peaks.read(lists.peak[16])) == 0
    assert any("frame 5 left out" in line and "sim_00005.cbf" in line for line in said)
    assert any("frame 16 left out" in line and "7 x 9 pixels" in line for line in said)
    assert any(f"{FRAMES - 3} of {FRAMES - 1} frames read, 2 left out" in line for line in said)


def test_too_many_unreadable_frames_end_the_run(home):
    for number in (3, 4, 5):
        (home / f"raw/run1/sim_{number:05d}.cbf").write_bytes(b"")
    made, _ = context(home, max_failed_frames=0.1)
    with pytest.raises(DataError, match=r"3 frames cannot be read.*max_failed_frames = 0.1 of 24") as caught:
        make_background.run(made)
    assert "sim_00003.cbf" in str(caught.value)
    assert not (home / "make-background/frames.dat").exists()


def test_the_table_of_frames_goes_when_a_run_begins(home):
    made, _ = context(home)
    make_background.run(made)
    (home / "raw/run1/sim_00000.cbf").write_bytes(b"")
    with pytest.raises(DataError):
        make_background.run(context(home, max_failed_frames=0)[0])
    assert not (home / "make-background/frames.dat").exists()


def test_lists_follow_the_key_and_can_be_cut(home):
    made, _ = context(home, frames="raw/run1/sim_0000?.cbf")
    assert len(make_filelists.current(made)) == 10
    made, _ = context(home, frames="raw/run1/*.cbf", num_raw_data=7)
    assert len(make_filelists.current(made)) == 7
    assert len(file_lists.read(home / "make-background", home)) == FRAMES
    with pytest.raises(InputFileError, match="24 frames, but num_raw_data = 25"):
        make_filelists.current(context(home, num_raw_data=25)[0])


def test_lists_given_by_the_user_hold_without_a_key(home):
    made, _ = context(home, frames=None)
    with pytest.raises(InputFileError, match="which frames"):
        make_filelists.run(made)
    with pytest.raises(InputFileError, match="make-filelists"):
        make_background.run(made)
    lists = file_lists.named([str(home / "raw/run1/sim_00003.cbf")], home / "elsewhere")
    file_lists.write(home / "make-background", lists)
    make_background.run(made)
    assert len(peaks.read(home / "elsewhere/run1/outlier/peak-00003.dat")) >= 2


def test_peaks_of_another_geometry_are_named(home):
    made, _ = context(home)
    make_background.run(made)
    make_detector.run(context(home, Rstop=20)[0])
    with pytest.raises(DataError, match=r"peak-000\d\d.dat: a peak lies on a pixel that is masked"):
        make_powder.run(context(home, Rstop=20)[0])


def test_powder_adds_up_the_peaks(home):
    made, said = context(home)
    make_background.run(made)
    make_powder.run(made)
    lists = inputs.lists(made)
    sizes = [peaks.read(path).sizes for path in lists.peak]
    accepted = [np.count_nonzero((s >= 2) & (s <= 40)) for s in sizes]
    expected = [n if 2 <= n <= 20 else 0 for n in accepted]
    assert (home / "make-powder/frame-peak-count.dat").read_text().split() == list(map(str, expected))
    histogram = np.loadtxt(home / "make-powder/1d-pseudo-powder.dat")
    assert histogram[:, 2].sum() == sum(expected) and histogram[:, 1].sum() == sum(n * (n - 1) // 2 for n in expected)
    assert histogram[10, 0] == pytest.approx(10 / 2 / 90, rel=1e-5)
    for name in ("1d-pseudo-powder", "2d-pseudo-powder", "frame-peak-count", "patch-sz-count"):
        assert (home / f"make-powder/{name}.png").stat().st_size > 5000
    assert f"{np.count_nonzero(expected)} of {FRAMES} frames" in said[-5]


def test_plans(home):
    made, _ = context(home)
    plan = make_background.plan(made)
    assert f"{FRAMES} frames" in plan.lines[0] and not plan.missing and plan.disk >= FRAMES * 3 * 4096
    plan = make_background.plan(context(home, frames="none/*.cbf", num_raw_data=1000)[0])
    assert "1000 frames" in plan.lines[0] and "none" in plan.missing[0]
    assert make_powder.plan(made).memory > 60 * 64 * 40


@pytest.mark.mpi
def test_two_ranks_write_what_one_writes(home):
    made, _ = context(home)
    (home / "raw/run1/sim_00020.cbf").write_bytes(b"")
    make_background.run(made)
    lists, table = inputs.lists(made), (home / "make-background/frames.dat").read_bytes()
    alone = results(lists)
    for path in alone:
        Path(path).unlink()
    mpirun = Path(sys.executable).with_name("mpirun")
    if not mpirun.exists():
        pytest.skip("no mpirun beside this Python")
    command = [mpirun, "--oversubscribe", "--allow-run-as-root", "-np", "2", sys.executable, "-m", "fxs_hpc", "emc", "make-background"]
    done = subprocess.run([*command, str(home / "config.ini")], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("frames read, 1 left out") == 1
    assert results(lists) == alone
    assert (home / "make-background/frames.dat").read_bytes() == table


def test_frames_of_the_reference(reference_data, tmp_path):
    """The first 40 frames through the stages; `tests/emc/test_peak_search.py` does all 900."""
    source = reference_data / "emc"
    config = reference_run.config(source, tmp_path)
    config.write_text(config.read_text().replace("num_raw_data = 900", "num_raw_data = 40") + "ring_rule = reference\n")
    for name in ("make-detector/rec-vectors.bin", "make-detector/rec2pix-map.bin"):
        reference_run.unpack(source, tmp_path, name)
    with tarfile.open(source / "frames.tar.xz") as archive:
        for member in archive:
            archive.extract(member, tmp_path, filter="data")
            if member.name.endswith("00039.cbf"):
                break
    made = Context(EmcConfig(ini.load(config)), Alone(), 1, lambda line: None, "test")
    make_filelists.run(made, str(tmp_path / "input/run1/*.cbf"))
    make_background.run(made)
    lists = inputs.lists(made)
    for name, paths in (("outlier", (*lists.outlier, *lists.peak)), ("radial-bg", lists.radial)):
        content = lzma.decompress((source / f"Data/run1/{name}.tar.xz").read_bytes())
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for path in paths:
                there = archive.extractfile(str(Path(path).relative_to(tmp_path))).read()
                if name == "outlier":
                    assert Path(path).read_bytes() == there, path
                else:
                    np.testing.assert_allclose(radial_background.read(path, 40), np.frombuffer(there), rtol=1e-12)
