"""rej-frames on the reference run: its own rule byte for byte, and the default one against the truth."""

import csv
import shutil

import numpy as np
import pytest

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.files.emc import phi, probabilities
from fxs_hpc.parallel.communicator import Alone
from fxs_hpc.stages.emc import rej_frames
from fxs_hpc.stages.emc.context import Context
from tests.stages.emc import reference_run

FLAG = "Data/high-prob/low-res-recon-0/iter_flag-24"


@pytest.fixture(scope="module")
def home(reference_data, tmp_path_factory):
    source, home = reference_data / "emc", tmp_path_factory.mktemp("rejection")
    reference_run.config(source, home)
    for name in ("aux/basis-vec.dat", "aux/sym-op.dat", "reduce-data/reduced-data_id.dat", f"{FLAG}/total-phi.dat"):
        reference_run.unpack(source, home, name)
    for name in ("make-detector/rec-vectors.bin", "make-detector/rec2pix-map.bin", f"{FLAG}/high_p-0.dat", f"{FLAG}/high_p-1.dat"):
        reference_run.unpack(source, home, name)
    for name in ("make-background/lists.tar.xz", "Data/run1/outlier.tar.xz"):
        reference_run.unpack_tar(source, home, name)
    reference_run.quaternion_file.write(home / "aux/c-quaternion17.bin", 245820, reference_run.quaternions.blocks(17))
    return home


def run(home, rule):
    loaded = ini.load(home / "config.ini")
    loaded = ini.with_emc_keys(loaded, {"rejection_rule": rule})
    said: list[str] = []
    rej_frames.run(Context(EmcConfig(loaded), Alone(), 1, said.append, "test"))
    return said


def test_rule_of_the_reference_gives_its_file(home, reference_data):
    said = run(home, "reference")
    assert (home / "rej-frames/out-phi.dat").read_bytes() == (reference_data / "emc/rej-frames/out-phi.dat").read_bytes()
    assert said == ["0 of 468 frames are rejected, by low-res-recon-0/iter_flag-24"]


def test_unexplained_peaks_find_double_and_junk_frames(home, reference_data):
    run(home, "peaks")
    rejected = phi.read(home / "aux/start-phi.dat", 468) == 0
    raw = np.array((home / "reduce-data/reduced-data_id.dat").read_text().split(), int)[1:]
    kind = np.load(reference_data / "emc/truth.npz")["kind"][raw]
    single, double, junk = (rejected[kind == k].mean() for k in (1, 2, 3))
    assert double >= 0.55 and junk >= 0.95 and single < 0.10
    with (home / "rej-frames/frames.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["verdict"] != "kept" for row in rows] == rejected.tolist()
    assert (home / "rej-frames/frames.png").stat().st_size > 5000


def test_both_programs_files_are_read(home, tmp_path):
    found = probabilities.read_all(home / FLAG, 468)
    shutil.copy(home / FLAG / "high_p-1.dat", tmp_path / "high_p-0.dat")
    assert len(probabilities.read_all(tmp_path)) == 234
    assert sum(len(frame.rotation) for frame in found) > 468
