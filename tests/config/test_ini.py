"""config.ini."""

import pytest

from fxs_hpc.config import ini
from fxs_hpc.config.command_names import NAMES
from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.sections import SECTIONS
from fxs_hpc.errors import SettingsError
from fxs_hpc.stages.working_directory import config_template


def config(tmp_path, text):
    path = tmp_path / "config.ini"
    path.write_text(text)
    return ini.load(path)


def test_the_template(tmp_path):
    loaded = config(tmp_path, config_template())
    assert loaded.home == tmp_path
    assert loaded.threads is None and loaded.ranks is None and loaded.precision == "single"
    assert loaded.settings_names == dict.fromkeys(("simulate_ccd", "extract", "reconstruct", "average"), "tutorial")
    assert set(loaded.slurm[""].values()) == {"auto"} and loaded.emc["wl"] == "1.033"
    keys = EmcConfig(loaded)
    assert keys.unknown() == [] and all(keys.section(model) for model in SECTIONS.values())
    assert loaded.cores >= 1


def test_values(tmp_path):
    text = "home_dir = work\n[run]\nthreads = 3\nprecision = double # exact\n[slurm]\ntime = 1:00:00\n[slurm:reconstruct]\ngres = gpu:1\n"
    loaded = config(tmp_path, text)
    assert (loaded.home, loaded.threads, loaded.precision) == (tmp_path / "work", 3, "double")
    assert loaded.cores == min(3, ini.available_cores())
    assert loaded.slurm == {"": {"time": "1:00:00"}, "reconstruct": {"gres": "gpu:1"}}


EMC = """home_dir = /data/emc
quat_file = /data/emc/aux/c-quaternion70.bin

[make-detector]
num_row = 2527
cx = 1300.5

[low-res-emc]
iter_data_block = 5
"""


def test_emc_keys_are_kept_and_global(tmp_path):
    loaded = config(tmp_path, EMC)
    assert str(loaded.home) == "/data/emc"
    assert loaded.emc == {"quat_file": "/data/emc/aux/c-quaternion70.bin", "num_row": "2527", "cx": "1300.5", "iter_data_block": "5"}


def test_emc_and_our_sections_in_one_file(tmp_path):
    loaded = config(tmp_path, EMC + "[run]\nthreads = 2\n")
    assert loaded.threads == 2 and "num_row" in loaded.emc


def test_the_reference_file_loads(reference_data):
    for path in (reference_data / "emc").rglob("config.ini"):
        assert ini.load(path).emc["num_row"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[run]\nthread = 2\n", "line 2: unknown key 'thread' in [run] (did you mean 'threads'"),
        ("homedir = .\n", "line 1: unknown key 'homedir' (did you mean 'home_dir'"),
        ("[run]\nthreads = many\n", "line 2: threads = many: allowed is 'auto' or an integer >= 1"),
        ("[run]\nthreads = 0\n", "threads = 0"),
        ("[run]\nprecision = singel\n", "did you mean 'single'"),
        ("[rnu]\nthreads = 2\n", "line 1: unknown section [rnu] (did you mean 'run'"),
        ("[slrum]\n", "did you mean 'slurm'"),
        ("[fxs]\nreconstrct = a\n", "did you mean 'reconstruct'"),
        ("[slurm:x]\npartion = a\n", "did you mean 'partition'"),
        ("threads = 2\n", "line 1: threads belongs in the section [run]"),
        ("[run]\nhome_dir = /x\n", "home_dir belongs before the first section"),
        ("[run]\nthreads 2\n", "line 2: 'threads 2' is no `key = value`"),
        ("[run]\nthreads = 1\nthreads = 2\n", "line 3: threads is given a second time (first in line 2)"),
        ("a = 1\n[x-emc]\na = 2\n", "a is given a second time"),
        ("[run\n", "is no `[section]`"),
    ],
)
def test_mistakes_name_file_line_and_what_is_allowed(tmp_path, text, expected):
    with pytest.raises(SettingsError) as caught:
        config(tmp_path, text)
    assert expected in str(caught.value) and str(tmp_path / "config.ini") in str(caught.value)


def test_found_in_this_folder_or_above(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert ini.find(tmp_path / "a" / "b") is None or not str(ini.find(tmp_path / "a" / "b")).startswith(str(tmp_path))
    (tmp_path / "config.ini").write_text("")
    assert ini.find(tmp_path / "a" / "b") == tmp_path / "config.ini"


def test_an_absent_file_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        ini.load(tmp_path / "config.ini")


def test_the_names_of_the_commands_are_those_of_the_commands():
    assert tuple(COMMANDS) == NAMES
