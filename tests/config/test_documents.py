"""YAML trees."""

import pytest

from fxs_hpc.config.documents import evaluated, parse, read
from fxs_hpc.errors import SettingsError


def test_duplicate_keys_are_refused_with_their_line():
    with pytest.raises(SettingsError, match="line 3: the key 'a' is given twice"):
        parse("a: 1\nb: 2\na: 3\n")


def test_duplicate_keys_are_refused_below_the_top():
    with pytest.raises(SettingsError, match="line 3: the key 'x'"):
        parse("a:\n  x: 1\n  x: 2\n")


def test_tabs_are_refused_with_their_line():
    with pytest.raises(SettingsError, match="line 2: is indented with a tab"):
        parse("a:\n\tb: 1\n")


@pytest.mark.parametrize("text", ["a: [1, 2", "- 1\n- 2", "just text", "a: b: c", "? [1, 2]\n: 3", "!!python/object:os.system x"])
def test_what_is_no_mapping_is_refused(text):
    with pytest.raises(SettingsError):
        parse(text)


def test_an_empty_file_is_an_empty_tree():
    assert parse("# nothing\n") == {}


def test_file_and_line_are_named(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(SettingsError, match=rf"{path}: line 2"):
        read(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read(tmp_path / "absent.yaml")


def test_commands_are_evaluated_wherever_they_are():
    tree = {"a": {"command": "[1, 2]"}, "b": [{"c": {"command": "np.arange(3)"}}], "d": {"command": 5}}
    assert evaluated(tree, {}) == {"a": (1, 2), "b": ({"c": (0, 1, 2)},), "d": 5}


def test_a_wrong_command_names_its_key():
    with pytest.raises(SettingsError, match=r"a\.b\[1\]: command '1\+'"):
        evaluated({"a": {"b": [1, {"command": "1+"}]}}, {})
