"""`fxs-hpc init`."""

from pathlib import Path

import pytest

from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.settings import load
from fxs_hpc.errors import UsageError
from fxs_hpc.stages.working_directory import EMC_FOLDERS, config_template, create


def test_everything_is_there_and_usable(tmp_path):
    home = tmp_path / "new" / "work"
    made, kept = create(home)
    assert made and not kept
    for name in EMC_FOLDERS:
        assert (home / name).is_dir()
    for command in COMMANDS:
        folder = home / "settings" / "projects" / "fxs" / command
        assert {path.name for path in folder.iterdir()} >= {"default_0.01.yaml", "tutorial.yaml", "demo.yaml"}
        loaded = load(command, "tutorial", home)
        assert loaded.source == folder / "tutorial.yaml" and not any("default" in note for note in loaded.notes)
        assert loaded.model == load(command, "tutorial", tmp_path).model


def test_files_that_exist_are_kept(tmp_path):
    create(tmp_path)
    mine = tmp_path / "settings/projects/fxs/extract/tutorial.yaml"
    mine.write_text("max_order: 3\n")
    made, kept = create(tmp_path)
    assert made == [] and kept == [mine] and mine.read_text() == "max_order: 3\n"


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        create(tmp_path / "file")


def test_the_template_is_the_file_at_the_top():
    assert (Path(__file__).parents[2] / "config.ini").read_text() == config_template()
