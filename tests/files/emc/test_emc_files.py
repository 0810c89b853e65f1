"""Files of the EMC iterations: read, written, and the reference program's bytes."""

import numpy as np
import pytest

from fxs_hpc.emc.probabilities import Assignment
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.emc import emc_log, hkl_values, intensity, mean_std, phi, probabilities

FLAG = "emc/Data/high-prob/low-res-recon-0/iter_flag-"


def test_scale_factors_of_the_reference(reference_data, tmp_path):
    for name, number in (
        (f"{FLAG}24/total-phi.dat", phi.TOTAL),
        ("emc/aux/start-phi.dat", phi.START),
        ("emc/rej-frames/out-phi.dat", phi.REJECTED),
    ):
        phi.write(tmp_path / "phi.dat", phi.read(reference_data / name, 468), number)
        assert (tmp_path / "phi.dat").read_bytes() == (reference_data / name).read_bytes()


def test_probabilities_of_the_reference(reference_data, tmp_path):
    for part in (0, 1):
        source = reference_data / f"{FLAG}1/high_p-{part}.dat"
        frames = probabilities.read(source)
        first = np.concatenate([[0], np.cumsum([len(frame.rotation) for frame in frames])])
        joined = (np.concatenate(values) for values in zip(*frames))
        probabilities.write(tmp_path / "high_p-0.dat", Assignment(first, *joined))
        assert (tmp_path / "high_p-0.dat").read_bytes() == source.read_bytes()


def test_intensities_of_the_reference(reference_data, tmp_path):
    source = reference_data / f"{FLAG}1/hkl-val.dat"
    hkl, values = hkl_values.read(source)
    hkl_values.write(tmp_path / "hkl-val.dat", (7, 7, 5), hkl, values)
    assert (tmp_path / "hkl-val.dat").read_bytes() == source.read_bytes()
    source = reference_data / f"{FLAG}1/intens-mean-std.dat"
    mean_std.write(tmp_path / "intens-mean-std.dat", mean_std.read(source))
    assert (tmp_path / "intens-mean-std.dat").read_bytes() == source.read_bytes()


def test_log_of_the_reference(reference_data, tmp_path):
    wanted = (reference_data / "emc/Data/high-prob/low-res-recon-0/EMC.log").read_text()
    path = tmp_path / "EMC.log"
    emc_log.begin(path, emc_log.RunHead(2, 245820, 468, 21225), fresh=True)
    for iteration, kind, seconds, angle in ((1, "intensity", 30, 45.1956), (1, "phi", 7, 23.3544), (2, "intensity", 54, 4.30455)):
        emc_log.append(path, iteration, kind, seconds, angle, kind == "phi")
    assert wanted.startswith(path.read_text())
    local = (reference_data / "emc/Data/high-prob/high-res-recon-0/EMC.log").read_text()
    emc_log.begin(path, emc_log.RunHead(2, 10572, 468, 40352, 1860), fresh=True)
    assert local.startswith(path.read_text())


@pytest.mark.parametrize(
    ("content", "read", "message"),
    [
        ("1\n-2\n", lambda path: phi.read(path), "line 2: -2.0"),
        ("1\nx\n", lambda path: phi.read(path), "one number per frame"),
        ("1\n\n2\n5 0.5 \n", probabilities.read, "cut off"),
        ("1 1 1 2\n0 0 1 5.0\n", hkl_values.read, "1 reflections, but its first line says 2"),
        ("0 1 2 3 4.0\n", mean_std.read, "cut off"),
        ("12345", lambda path: intensity.read(path, 3), "5 bytes"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, read, message):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(InputFileError, match=message):
        read(path)


def test_missing_parts_are_noticed(tmp_path):
    nothing = Assignment(np.zeros(2, np.int64), np.empty(0, np.int32), np.empty(0))
    probabilities.write(tmp_path / "high_p-1.dat", nothing)
    with pytest.raises(InputFileError, match="expected high_p-0.dat"):
        probabilities.read_all(tmp_path)
    probabilities.write(tmp_path / "high_p-0.dat", nothing)
    assert [len(frame.rotation) for frame in probabilities.read_all(tmp_path, 2)] == [0, 0]
    with pytest.raises(InputFileError, match="probabilities of 2 frames, expected 3"):
        probabilities.read_all(tmp_path, 3)
