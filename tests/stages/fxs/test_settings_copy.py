"""The settings that lie beside every result."""

import hashlib

import yaml

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import build, load
from fxs_hpc.stages.fxs import settings_copy
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.workspace import Workspace


def test_it_can_be_used_as_settings_again(tmp_path):
    settings, _ = build("reconstruct", {"structure_name": "x", "grid": {"max_order": 20}, "preset": "reference"})
    config = RunConfig(home=tmp_path)
    context = Context(Workspace.of(tmp_path, settings), config, 2, "double", False, tmp_path / "x.yaml", print, "fxs-hpc fxs reconstruct x")
    source = tmp_path / "input.h5"
    source.write_bytes(b"abc" * 1000)
    path = settings_copy.write(tmp_path / "run_0", "settings.yaml", settings, context, [source], seed=7)
    assert load("reconstruct", str(path), tmp_path).model == settings
    block = yaml.safe_load(path.read_text())["provenance"]
    assert block["seed"] == 7 and block["precision"] == "double" and block["command_line"] == "fxs-hpc fxs reconstruct x"
    assert block["inputs"] == {str(source): hashlib.sha256(b"abc" * 1000).hexdigest()}
    assert set(block) >= {"version", "host", "date", "settings_file"}
    assert [p.name for p in path.parent.iterdir()] == ["settings.yaml"]
