"""The table of options in the docs: complete, nothing in it that does not exist, and every test it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.document import rows

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "fxs-options.md"
LINE = re.compile(r"^\| `(?P<key>[^`]+)` \| (?P<tests>.*?) \| (?P<text>.*) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def entries():
    return {match["key"]: match for match in LINE.finditer(PAGE.read_text(encoding="utf-8"))}


def every_key():
    return {f"{command.name}.{row.key}" for command in COMMANDS.values() for row in rows(command.model)}


@cache
def functions(path):
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_option_has_a_row_and_every_row_an_option():
    assert sorted(entries()) == sorted(every_key())


def test_the_tests_that_are_named_exist():
    named = [(key, path, name) for key, entry in entries().items() for path, name in NAMED.findall(entry["tests"])]
    assert [entry for entry in named if entry[2] not in functions(entry[1])] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_names_a_test_or_says_why_not(command):
    bare = [key for key, entry in entries().items() if key.startswith(f"{command}.") and not NAMED.search(entry["tests"])]
    assert [key for key in bare if not entries()[key]["text"].strip()] == []
