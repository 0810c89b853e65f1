"""Configs of the halves of the frames."""

from pathlib import Path

import pytest

from fxs_hpc.config import ini
from fxs_hpc.config.emc.halves import KEYS, half_config, half_config_name, half_of, half_path


@pytest.mark.parametrize("half", ["A", "B"])
def test_the_reference_half_configs(reference_data, half):
    base = reference_data / "emc"
    text = (base / "config.ini").read_text()
    values = {key: Path(value) for line in text.splitlines() if (pair := line.split(" = "))[0] in KEYS for key, value in [pair]}
    assert half_config(text, half, values) == (base / f"config-{half}.ini").read_text()


def test_keys_that_were_left_to_their_defaults_are_added(tmp_path):
    text = "home_dir = .\n\n[low-res-emc]\n# where\nprob_dir = Data/high-prob\nstart_phi_file = aux/my.phi.dat\n"
    values = {"start_phi_file": Path("aux/my.phi.dat"), "start_prob_dir": Path("aux/start_prob")}
    path = tmp_path / half_config_name("config.ini", "B")
    path.write_text(half_config(text, "B", values))
    keys = ini.load(path).emc
    assert keys["prob_dir"] == "Data/high-prob" and keys["start_phi_file"] == "aux/my.phi-B.dat"
    assert keys["start_prob_dir"] == "aux/start_prob-B"
    assert "# where" in path.read_text()


def test_the_half_is_told_by_the_name_of_the_config_alone():
    assert half_of("config-A.ini") == "A" and half_of("/data/Batch-B/config.ini") is None and half_of("/data/Batch-B/config-B.ini") == "B"
    assert half_path(Path("/a.b/x.dat"), "A") == Path("/a.b/x-A.dat")
