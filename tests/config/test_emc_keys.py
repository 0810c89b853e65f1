"""The EMC keys of config.ini: the reference's files as they are, and errors before any work."""

import pytest

from fxs_hpc.config import ini
from fxs_hpc.config.emc.background import Background
from fxs_hpc.config.emc.detector import Detector
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.local import LocalUpdate
from fxs_hpc.config.emc.reconstruction import Reconstruction
from fxs_hpc.config.emc.sections import SECTIONS
from fxs_hpc.errors import SettingsError

KEYS = {
    "num_row": "240", "num_col": "250", "cx": "121.3", "cy": "124.6", "Rstop": "8.0", "detd": "0.05504", "px": "172e-6",
    "wl": "1.03324", "res_max": "2.9", "sx": "0.002", "sy": "-0.003", "sz": "-1",
}  # fmt: skip


def config(tmp_path, **changes):
    keys = {**KEYS, **changes}
    path = tmp_path / "config.ini"
    path.write_text("home_dir = .\n\n[make-detector]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None))
    return EmcConfig(ini.load(path))


def test_the_reference_config_is_accepted_as_it_is(reference_data, tmp_path):
    path = tmp_path / "config.ini"
    path.write_text((reference_data / "emc" / "config.ini").read_text().replace("@WORK@", str(tmp_path)))
    keys = EmcConfig(ini.load(path))
    assert keys.unknown() == []
    for model in SECTIONS.values():
        keys.section(model)
    assert keys.section(Background).hot_pix_thres == 10000
    assert keys.section(LocalUpdate).high_res_cutoff == 3.0
    assert keys.section(Reconstruction).iter_data_block == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wl": "1.03e-10"}, ["wl = 1.03e-10", "Angstrom"]),
        ({"detd": "55.04e3"}, ["detd", "metres"]),
        ({"px": "172"}, ["px = 172", "metres"]),
        ({"cx": "300"}, ["cx = 300", "off the detector", "rows are 0 .. 239"]),
        ({"cy": "-4"}, ["cy = -4", "off the detector"]),
        ({"sz": "0"}, ["sz = 0"]),
        ({"num_row": "many"}, ["num_row = many", "integer", "detector rows"]),
        ({"res_max": None}, ["res_max is missing", "finest resolution", "Angstrom"]),
        ({"wl": None}, ["missing keys: wl", "geometry_file"]),
        ({"Rstop": None, "Rstopp": "8"}, ["Rstopp", "Rstop"]),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, words):
    with pytest.raises(SettingsError) as caught:
        config(tmp_path, **changes).section(Detector)
    for word in ["config.ini", *words]:
        assert word in str(caught.value)


def test_unknown_keys_are_listed_and_harmless(tmp_path):
    keys = config(tmp_path, camera_serial="E-32")
    assert keys.section(Detector).num_row == 240
    assert keys.unknown() == ["camera_serial"]


def test_relative_paths_count_from_the_working_directory(tmp_path):
    keys = config(tmp_path)
    assert keys.path("aux/x.dat") == tmp_path / "aux/x.dat"
    assert str(keys.path("/data/x.dat")) == "/data/x.dat"
