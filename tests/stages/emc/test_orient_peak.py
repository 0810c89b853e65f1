"""Candidate orientations as files: the reference program's run, stale files, ranks, threads, errors."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import reference_run
import small_run

from fxs_hpc.emc import quaternions as samples
from fxs_hpc.emc.peaks import PeakPatches
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.files.emc import candidates, peaks
from fxs_hpc.files.emc import quaternions as quaternion_file
from fxs_hpc.stages.emc import inputs, orient_peak


@pytest.fixture
def home(tmp_path):
    """41 frames whose peaks lie anywhere, and a lattice that explains some."""
    small_run.make(tmp_path)
    (tmp_path / "aux/basis-vec.dat").write_text("40 0 0\n0 40 0\n0 0 31\n")
    quaternion_file.write(tmp_path / "aux/c-quaternion4.bin", samples.sample_count(4), samples.blocks(4))
    random = np.random.default_rng(1)
    context = small_run.context(tmp_path)
    usable = inputs.pixels(context, (20, 24)).index
    for number, path in enumerate(inputs.lists(context).peak):
        pixel = random.choice(usable, 2 * (number % 12), replace=False).astype(np.int32)
        patches = PeakPatches(pixel, np.full(len(pixel), 5, np.int32), np.arange(0, len(pixel) + 1, 2))
        (tmp_path / path).write_text(peaks.text(patches))
    return tmp_path


KEYS = {"quat_file": "aux/c-quaternion4.bin", "max_num_peak": 9, "gw": 3.5}


def written(home):
    paths = [path for kind in ("prob_orien", "explained") for path in (home / "Data").rglob(f"{kind}-*.dat")]
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}


def test_files_of_the_frames_that_have_candidates(home):
    context = small_run.context(home, **KEYS)
    lists = inputs.lists(context)
    stale = [home / lists.orientation[0], home / candidates.explained_path(lists.orientation[0])]
    for path in stale:
        path.write_text("1\n7\n")
    orient_peak.run(context)
    counts = candidates.read_counts(home / "orient-peak/num_prob_orien.dat")
    assert len(counts) == 41
    assert 5 < np.count_nonzero(counts) < 35
    for number, count in enumerate(counts):
        found = candidates.read_explained(home / lists.orientation[number])
        assert len(found.rotation) == count
        assert (home / lists.orientation[number]).exists() == bool(count)
        if count:
            assert 3 <= found.of_peaks <= 9
            assert 3 <= found.peaks.min() <= found.peaks.max() <= found.of_peaks
    assert not any(path.exists() for path in stale)
    assert f"{np.count_nonzero(counts)} of 41 frames have candidate orientations, {counts.sum()} in all" in context.said


def test_threads_and_ranks_do_not_change_the_files(home, mpirun):
    orient_peak.run(small_run.context(home, **KEYS))
    first = written(home), (home / "orient-peak/num_prob_orien.dat").read_bytes()
    orient_peak.run(replace(small_run.context(home, **KEYS), threads=2))
    assert (written(home), (home / "orient-peak/num_prob_orien.dat").read_bytes()) == first
    changes = [argument for key, value in KEYS.items() for argument in ("--set", f"{key}={value}")]
    command = [*mpirun(2), sys.executable, "-m", "fxs_hpc", "emc", "orient-peak", str(home / "config.ini"), *changes]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr
    assert (written(home), (home / "orient-peak/num_prob_orien.dat").read_bytes()) == first


def test_no_frame_has_candidates(home):
    context = small_run.context(home, **KEYS | {"gw": 0.01})
    orient_peak.run(context)
    assert "none; check the cell" in context.said[-1]
    assert not written(home)
    assert not candidates.read_counts(home / "orient-peak/num_prob_orien.dat").any()


def test_an_interrupted_search_leaves_no_counts(home):
    orient_peak.run(small_run.context(home, **KEYS))
    context = small_run.context(home, **KEYS)
    (home / inputs.lists(context).peak[20]).write_text("3\n1 2 3\n")
    with pytest.raises(InputFileError, match="patch 1 should have 3 pixels"):
        orient_peak.run(context)
    assert not (home / "orient-peak/num_prob_orien.dat").exists()


def test_what_cannot_be_searched_is_named(home):
    with pytest.raises(InputFileError, match="make-quaternion"):
        orient_peak.run(small_run.context(home, **KEYS | {"quat_file": "aux/c-quaternion9.bin"}))
    (home / "aux/basis-vec.dat").write_text("1 0 0\n0 1 0\n0 0 1\n")
    with pytest.raises(DataError, match="no reflection between 5.5 and"):
        orient_peak.run(small_run.context(home, **KEYS))
    (home / "aux/basis-vec.dat").write_text("40 0 0\n0 40 0\n0 0 31\n")
    context = small_run.context(home, **KEYS)
    masked = int(np.setdiff1d(np.arange(480), inputs.pixels(context, (20, 24)).index)[0])
    (home / inputs.lists(context).peak[3]).write_text(f"2\n{masked} 5 {masked + 1} 5\n")
    with pytest.raises(DataError, match=r"peak-\S+: a peak lies on a pixel that is masked"):
        orient_peak.run(context)


def test_the_plan_knows_the_number_of_rotations(home):
    context = small_run.context(home, **KEYS)
    plan = orient_peak.plan(context)
    assert plan.lines[0].startswith("3240 rotations")
    assert plan.shared > 32 * 3240
    assert orient_peak.plan(small_run.context(home, **KEYS | {"quat_file": "aux/c-quaternion94.bin"})).shared > 41_530_140 * 20


def test_the_reference_candidates_on_two_ranks(reference_data, tmp_path, mpirun):
    source = reference_data / "emc"
    reference_run.config(source, tmp_path)
    for name in ("make-background/lists.tar.xz", "Data/run1/radial-bg.tar.xz", "Data/run1/outlier.tar.xz"):
        reference_run.unpack_tar(source, tmp_path, name)
    for name in ("rec-vectors.bin", "rec2pix-map.bin"):
        reference_run.unpack(source, tmp_path, f"make-detector/{name}")
    quaternion_file.write(tmp_path / "aux/c-quaternion17.bin", samples.sample_count(17), samples.blocks(17))
    expected = {path.name: path.read_bytes() for path in (tmp_path / "Data/run1/radial-bg").glob("prob_orien-*.dat")}
    assert len(expected) == 468
    shutil.rmtree(tmp_path / "Data/run1/radial-bg")
    command = [*mpirun(2), sys.executable, "-m", "fxs_hpc", "emc", "orient-peak", str(tmp_path / "config.ini")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "Data/run1/radial-bg").glob("prob_orien-*.dat")} == expected
    counts = (source / "orient-peak/num_prob_orien.dat").read_bytes()
    assert (tmp_path / "orient-peak/num_prob_orien.dat").read_bytes() == counts
