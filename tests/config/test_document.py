"""Settings in words."""

from pathlib import Path

import pytest
import yaml

from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.document import commented_yaml, markdown, rows
from fxs_hpc.config.settings import build, flat

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"
REQUIRED = {"average": {"reconstruction_files": ["a/data.h5"]}}


def test_the_docs_are_up_to_date():
    assert DOCS.read_text() == markdown(), "run `make docs`"


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_every_setting_is_described(command):
    for row in rows(command.model):
        assert row.description and row.type and row.default, row.key
        assert "<class" not in row.type and "Annotated" not in row.type, row


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
@pytest.mark.parametrize("full", [True, False])
def test_the_commented_file_holds_the_defaults(command, full):
    required = REQUIRED.get(command.name, {})
    tree = yaml.safe_load(commented_yaml(command, full))
    assert build(command.name, {**tree, **required})[0] == build(command.name, required)[0]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_the_inactive_file_sets_nothing(command):
    tree = yaml.safe_load(commented_yaml(command, full=True, active=False))
    assert all(value is None for value in flat(tree).values())


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_every_key_of_the_file_is_in_the_table(command):
    known = {row.key for row in rows(command.model)}
    fixed = tuple(f"{row.key}." for row in rows(command.model) if row.fixed)
    for key in flat(build(command.name, REQUIRED.get(command.name, {}))[0].tree()):
        assert key in known or key.startswith((*fixed, "IO.folders.", "main_loop.sub_loops.")), key
