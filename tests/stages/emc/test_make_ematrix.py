"""Maps between reflections and pixels, as files."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import reference_run
import small_run

from fxs_hpc.emc import quaternions as samples
from fxs_hpc.emc.candidates import Candidates
from fxs_hpc.files.emc import candidates, peak_maps
from fxs_hpc.files.emc import quaternions as quaternion_file
from fxs_hpc.stages.emc import make_ematrix, make_quaternion, make_sym_op, peak_map_files, setup_ematrix

HASH_17 = "2810b37b6bdef31627f1c9d2386a829b25dfd2ece3e8664700e33802dc72dd41"
"""Of the reference program's c-quaternion17.bin."""
GEOMETRY = ("make-detector/rec-vectors.bin", "make-detector/rec2pix-map.bin")


@pytest.fixture
def home(reference_data, tmp_path):
    reference_run.config(reference_data / "emc", tmp_path)
    for name in GEOMETRY:
        reference_run.unpack(reference_data / "emc", tmp_path, name)
    return tmp_path


def same_bytes(reference_data, home, name):
    return (home / name).read_bytes() == reference_run.content(reference_data / "emc", home, name)


def test_the_reference_maps_of_the_coarse_rotations_on_two_ranks(reference_data, home, mpirun):
    reference_run.unpack(reference_data / "emc", home, "aux/prob-orien.bin")
    make_quaternion.run(small_run.context(home))
    command = [*mpirun(2), sys.executable, "-m", "fxs_hpc", "emc", "make-Ematrix", str(home / "config.ini")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr
    assert "66148 of 245820 rotations, 652 reflections, 21225 pixels" in result.stdout
    for name in ("Data/mpi-r2peak-low.bin", "Data/mpi-peak2r-low.bin"):
        assert same_bytes(reference_data, home, name), name
    assert not list((home / "Data").glob(".*"))


def test_the_reference_maps_of_the_fine_rotations(reference_data, home, monkeypatch):
    reference_run.unpack(reference_data / "emc", home, "aux/c-reduced-quaternion23.bin")
    monkeypatch.setattr(peak_map_files, "ENTRIES", 100_000)
    setup_ematrix.run(small_run.context(home))
    for name in ("Data/mpi-r2peak-local.bin", "Data/mpi-peak2r-local.bin"):
        assert same_bytes(reference_data, home, name), name


def test_rotations_that_are_nobodys_candidate_have_empty_lists(tmp_path):
    small_run.make(tmp_path)
    (tmp_path / "aux/basis-vec.dat").write_text("24 0 0\n0 24 0\n0 0 18\n")
    quaternion_file.write(tmp_path / "aux/c-quaternion2.bin", samples.sample_count(2), samples.blocks(2))
    candidates.write(tmp_path / "aux/prob-orien.bin", Candidates.of_lists([np.array([7, 30], np.int32), np.array([30, 399], np.int32)]))
    keys = {"quat_file": "aux/c-quaternion2.bin", "r2peak_file": "Data/r2peak.bin", "peak2r_file": "Data/peak2r.bin"}
    context = small_run.context(tmp_path, **keys)
    plan = make_ematrix.plan(context)
    assert "3 of 420 rotations" in plan.lines[0]
    make_ematrix.run(context)
    found = peak_maps.read(tmp_path / "Data/r2peak.bin", 420)
    assert set(np.flatnonzero(found.counts).tolist()) == {7, 30, 399}
    turned = peak_maps.read(tmp_path / "Data/peak2r.bin")
    assert turned.counts.sum() == found.counts.sum() > 0


def test_samples_have_the_reference_program_s_bytes(tmp_path):
    small_run.make(tmp_path)
    context = small_run.context(tmp_path, quat_file="aux/c-quaternion17.bin")
    make_quaternion.run(context)
    assert hashlib.sha256((tmp_path / "aux/c-quaternion17.bin").read_bytes()).hexdigest() == HASH_17
    make_quaternion.run(context, 4)
    assert quaternion_file.read_count(tmp_path / "aux/c-quaternion4.bin") == samples.sample_count(4)
    assert "set quat_file" in context.said[-1]


@pytest.mark.parametrize(
    ("name", "operators", "said"), [(None, 16, "highest symmetry"), ("P 4", 8, "4/m"), ("96", 16, "4/mmm"), ("1", 2, "-1")]
)
def test_operators_of_the_group_or_of_the_cell(tmp_path, name, operators, said):
    small_run.make(tmp_path)
    (tmp_path / "aux/basis-vec.dat").write_text("24 0 0\n0 24 0\n0 0 18\n")
    context = small_run.context(tmp_path, **({"space_group": name} if name else {}))
    make_sym_op.run(context)
    lines = (tmp_path / "aux/sym-op.dat").read_text().splitlines()
    assert int(lines[0]) == operators == len(lines) - 1
    assert said in " ".join(context.said)
