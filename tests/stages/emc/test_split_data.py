"""Halves of the reduced frames."""

import hashlib

import numpy as np
import pytest
import reference_run
import small_run

from fxs_hpc.config import ini
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.errors import UsageError
from fxs_hpc.files.emc import candidates
from fxs_hpc.files.emc.reduced import open_reduced
from fxs_hpc.stages.emc import reduce_data, split_data

NEEDED = (
    "make-detector/rec-vectors.bin",
    "make-detector/rec2pix-map.bin",
    "Data/mpi-datafile.bin",
    "Data/mpi-bg_model.bin",
    "aux/prob-orien.bin",
    "reduce-data/reduced-data_id.dat",
)


def test_the_reference_halves(reference_data, tmp_path):
    base = reference_data / "emc"
    reference_run.config(base, tmp_path)
    for name in NEEDED:
        reference_run.unpack(base, tmp_path, name)
    split_data.run(small_run.context(tmp_path))
    hashes = {words[2]: words[0] for line in (base / "CONTENT.sha256").read_text().splitlines() if len(words := line.split()) == 3}
    for half in "AB":
        for name in (f"Data/mpi-datafile-{half}.bin", f"Data/mpi-bg_model-{half}.bin", f"aux/prob-orien-{half}.bin"):
            assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == hashes[name], name
        assert (tmp_path / f"reduce-data/reduced-data_id-{half}.dat").read_bytes() == (
            base / f"reduce-data/reduced-data_id-{half}.dat"
        ).read_bytes()
        expected = (base / f"config-{half}.ini").read_text().replace("@WORK@", str(tmp_path))
        assert (tmp_path / f"config-{half}.ini").read_text() == expected


@pytest.mark.parametrize("suffix", ["h5", "bin"])
def test_every_frame_goes_to_one_half(tmp_path, suffix):
    made = small_run.make(tmp_path, suffix=suffix)
    context = small_run.context(tmp_path)
    reduce_data.run(context)
    split_data.run(context)
    whole = open_reduced(tmp_path / f"Data/mpi-datafile.{suffix}", tmp_path / "Data/mpi-bg_model.bin", len(made["index"]), small_run.BINS)
    found = candidates.read(tmp_path / "aux/prob-orien.bin")
    for offset, half in enumerate("AB"):
        keys = ini.load(tmp_path / f"config-{half}.ini").emc
        part = open_reduced(tmp_path / keys["mpi_datafile"], tmp_path / keys["mpi_bgfile"], len(made["index"]), small_run.BINS)
        assert part.count == len(range(offset, whole.count, 2))
        assert np.array_equal(part.read_photons(0, part.count), whole.read_photons(0, whole.count)[offset::2])
        assert np.array_equal(part.read_background(0, part.count), whole.read_background(0, whole.count)[offset::2])
        own = candidates.read(tmp_path / keys["prob_orien_file"])
        assert [own[frame].tolist() for frame in range(len(own))] == [found[frame].tolist() for frame in range(offset, len(found), 2)]


def test_a_half_is_not_split_again(tmp_path):
    small_run.make(tmp_path)
    (tmp_path / "config.ini").rename(tmp_path / "config-A.ini")
    context = small_run.Context(EmcConfig(ini.load(tmp_path / "config-A.ini")), small_run.Alone(), 1, print, "test")
    with pytest.raises(UsageError, match="config of a half already"):
        split_data.run(context)
