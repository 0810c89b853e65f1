"""Reduced frames: the reference program's bytes, and a small run against the rules written out."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference_run
import small_run

from fxs_hpc.errors import DataError, InputFileError, UsageError
from fxs_hpc.files.emc import candidates
from fxs_hpc.files.emc.frame_store import StoredFrames
from fxs_hpc.files.emc.reduced import open_reduced
from fxs_hpc.stages.emc import convert_data, init_phi, reduce_data

WRITTEN = (
    "reduce-data/reduced-data_id.dat",
    "aux/prob-orien.bin",
    "aux/reduced-cbf_files.dat",
    "aux/reduced-radialfiles.dat",
    "aux/reduced-peakfiles.dat",
    "Data/mpi-datafile.bin",
    "Data/mpi-bg_model.bin",
)


def expected_photons(made, order):
    """The rules of the documents, one pixel after another."""
    photons = []
    for frame in order:
        counts, patches = made["counts"][frame].copy(), made["patches"][frame]
        for first, stop in zip(patches.first[:-1], patches.first[1:], strict=True):
            if stop - first > 3:
                counts[patches.pixel[first:stop]] = -1
        counts[(counts < 0) | (counts > 200) | (counts > 32767)] = -1
        photons.append(counts[made["index"]])
    return np.array(photons, np.int16)


@pytest.fixture(params=["h5", "bin"])
def run(request, tmp_path):
    made = small_run.make(tmp_path / "run", suffix=request.param)
    context = small_run.context(tmp_path / "run")
    reduce_data.run(context)
    return made, context, request.param


def test_small_run_follows_the_rules(run):
    made, context, suffix = run
    home = context.home
    numbers = np.loadtxt(home / "reduce-data/reduced-data_id.dat", dtype=int)
    order = numbers[1:]
    with_candidates = [frame for frame, found in enumerate(made["candidates"]) if len(found)]
    assert numbers[0] == len(order) == len(with_candidates) and sorted(order) == with_candidates
    stored = open_reduced(home / f"Data/mpi-datafile.{suffix}", home / "Data/mpi-bg_model.bin", len(made["index"]), small_run.BINS)
    expected = expected_photons(made, order)
    assert (expected < 0).any() and 200 in expected
    np.testing.assert_array_equal(stored.read_photons(0, stored.count), expected)
    np.testing.assert_array_equal(stored.read_background(0, stored.count), np.array(made["background"])[order])
    listed = candidates.read(home / "aux/prob-orien.bin", len(order), 60)
    for place, frame in enumerate(order):
        np.testing.assert_array_equal(listed[place], made["candidates"][frame])
    for name, part in (("cbf_", "sim_"), ("peak", "peak-"), ("radial", "ave_bg-")):
        paths = (home / f"aux/reduced-{name}files.dat").read_text().split()
        assert [f"{part}{frame:05d}" in path for path, frame in zip(paths, order, strict=True)] == [True] * len(order)
    assert any("frames have candidate orientations" in line for line in context.said)
    if suffix == "h5":
        with StoredFrames(home / "Data/mpi-datafile.h5") as store:
            np.testing.assert_array_equal(store.raw_id, order)


def test_data_go_to_the_other_form_and_back(run, tmp_path):
    made, context, suffix = run
    other, back = (tmp_path / "other.bin", tmp_path / "back.h5") if suffix == "h5" else (tmp_path / "other.h5", tmp_path / "back.bin")
    convert_data.run(context, other)
    changed = small_run.context(context.home, mpi_datafile=other, mpi_bgfile=tmp_path / "mpi-bg_model.bin")
    convert_data.run(changed, back, tmp_path / "radial.bin")
    first = open_reduced(context.home / f"Data/mpi-datafile.{suffix}", context.home / "Data/mpi-bg_model.bin", len(made["index"]), 5)
    for path, radial in ((other, tmp_path / "mpi-bg_model.bin"), (back, tmp_path / "radial.bin")):
        again = open_reduced(path, radial, len(made["index"]), 5)
        np.testing.assert_array_equal(again.read_photons(0, 99), first.read_photons(0, 99))
        np.testing.assert_array_equal(again.read_background(0, 99), first.read_background(0, 99))
    if suffix == "bin":
        assert back.read_bytes() == (context.home / "Data/mpi-datafile.bin").read_bytes()
        assert (tmp_path / "radial.bin").read_bytes() == (context.home / "Data/mpi-bg_model.bin").read_bytes()
    with pytest.raises(UsageError, match="is the file that is read"):
        convert_data.run(context, context.home / f"Data/mpi-datafile.{suffix}")


@pytest.mark.mpi
@pytest.mark.parametrize("suffix", ["h5", "bin"])
def test_three_ranks_write_what_one_writes(tmp_path, suffix):
    small_run.make(tmp_path / "run", frames=150, suffix=suffix)
    context = small_run.context(tmp_path / "run")
    reduce_data.run(context)
    names = [name for name in WRITTEN if suffix == "bin" or not name.startswith("Data")]
    alone = {name: (context.home / name).read_bytes() for name in names}
    frames = open_reduced(context.home / f"Data/mpi-datafile.{suffix}", context.home / "Data/mpi-bg_model.bin", *_sizes(context))
    photons = frames.read_photons(0, frames.count)
    mpirun = Path(sys.executable).with_name("mpirun")
    if not mpirun.exists():
        pytest.skip("no mpirun beside this Python")
    command = [mpirun, "--oversubscribe", "--allow-run-as-root", "-np", "3", sys.executable, "-m", "fxs_hpc", "emc", "reduce-data"]
    done = subprocess.run([*command, str(context.home / "config.ini")], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        assert (context.home / name).read_bytes() == alone[name], name
    again = open_reduced(context.home / f"Data/mpi-datafile.{suffix}", context.home / "Data/mpi-bg_model.bin", *_sizes(context))
    np.testing.assert_array_equal(again.read_photons(0, again.count), photons)
    assert not [path for path in (context.home / "Data").iterdir() if path.name.startswith(".")]


def _sizes(context):
    return len(reduce_data.pixel_index(context)), small_run.BINS


def test_what_does_not_fit_is_named(tmp_path):
    home = tmp_path / "run"
    small_run.make(home)
    counts = candidates.read_counts(home / "orient-peak/num_prob_orien.dat")
    candidates.write_counts(home / "orient-peak/num_prob_orien.dat", counts[:-1])
    with pytest.raises(InputFileError, match="40 frames, but make-background lists 41"):
        reduce_data.run(small_run.context(home))
    candidates.write_counts(home / "orient-peak/num_prob_orien.dat", counts + (counts > 0))
    with pytest.raises(InputFileError, match=r"rotations, but num_prob_orien\.dat says"):
        reduce_data.run(small_run.context(home))
    candidates.write_counts(home / "orient-peak/num_prob_orien.dat", 0 * counts)
    with pytest.raises(DataError, match="no frame has a candidate"):
        reduce_data.run(small_run.context(home))


def test_phi_of_the_small_run(run):
    made, context, _ = run
    init_phi.run(context)
    order = np.loadtxt(context.home / "reduce-data/reduced-data_id.dat", dtype=int)[1:]
    means = []
    for frame in order:
        patches = made["patches"][frame]
        parts = np.split(patches.count, patches.first[1:-1])
        sums = [part.sum() for part in parts if len(part) <= 3]
        means.append(np.mean(sums) if sums else 0.0)
    phi = np.loadtxt(context.home / "aux/start-phi.dat")
    np.testing.assert_allclose(phi, np.array(means) / np.mean(means), rtol=1e-14)
    text = [(context.home / f"aux/start-phi{half}.dat").read_text().split() for half in ("", "-A", "-B")]
    assert text[1] == text[0][0::2] and text[2] == text[0][1::2]


@pytest.fixture(scope="module")
def reference(reference_data, tmp_path_factory):
    source, home = reference_data / "emc", tmp_path_factory.mktemp("reference")
    reference_run.front_end(source, home)
    return source, home


def test_bytes_of_the_reference_program(reference):
    source, home = reference
    context = small_run.context(home)
    reduce_data.run(context)
    init_phi.run(context)
    for name in (*WRITTEN, "aux/start-phi.dat", "aux/start-phi-A.dat", "aux/start-phi-B.dat"):
        expected, found = reference_run.content(source, home, name), (home / name).read_bytes()
        assert hashlib.sha256(found).digest() == hashlib.sha256(expected).digest(), name


def test_store_of_the_reference_run_is_converted_to_its_bytes(reference, tmp_path):
    source, home = reference
    stored = small_run.context(home, mpi_datafile=home / "Data/mpi-datafile.h5")
    reduce_data.run(stored)
    assert any("times smaller than dense" in line for line in stored.said)
    convert_data.run(stored, tmp_path / "dense.bin")
    assert (tmp_path / "dense.bin").read_bytes() == reference_run.content(source, home, "Data/mpi-datafile.bin")
    assert (tmp_path / "mpi-bg_model.bin").read_bytes() == reference_run.content(source, home, "Data/mpi-bg_model.bin")
