"""YAML documents as plain trees: duplicate keys and tabs are errors, `command:` nodes are evaluated."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fxs_hpc.config.expressions import evaluate
from fxs_hpc.errors import SettingsError


class _Loader(yaml.SafeLoader):
    """Safe loader that refuses duplicate keys."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, (dict, list)):
            raise SettingsError(f"line {key_node.start_mark.line + 1}: a key must be a plain word")
        if key in result:
            raise SettingsError(f"line {key_node.start_mark.line + 1}: the key {key!r} is given twice; keep one of them")
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(path: Path) -> dict[str, Any]:
    """Tree of the YAML file `path`, commands not evaluated.

    Raises
    ------
    SettingsError
        If the file cannot be read, is no YAML mapping, has a key twice or is indented with tabs; names file and line.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not a text file in UTF-8") from None
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def parse(text: str) -> dict[str, Any]:
    """Tree of a YAML text; see `read`."""
    for number, line in enumerate(text.splitlines(), start=1):
        if "\t" in line[: len(line) - len(line.lstrip())]:
            raise SettingsError(f"line {number}: is indented with a tab; YAML wants spaces")
    try:
        tree = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}" if error.problem_mark else "somewhere"
        raise SettingsError(f"{where}: not valid YAML ({error.problem or error.context})") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"not valid YAML ({error})") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"holds a {type(tree).__name__} where `key: value` lines are expected")
    return tree


def evaluated(tree: Any, names: Mapping[str, Any], key: str = "") -> Any:
    """`tree` with every `{command: "..."}` node replaced by its value and all values made canonical.

    Raises
    ------
    SettingsError
        Names the dotted key of the command at fault.
    """
    if isinstance(tree, Mapping):
        if set(tree) == {"command"}:
            if not isinstance(tree["command"], str):
                return evaluated(tree["command"], names, key)
            try:
                return canonical(evaluate(tree["command"], names))
            except SettingsError as error:
                raise SettingsError(f"{key}: {error}") from None
        return {name: evaluated(value, names, f"{key}.{name}" if key else str(name)) for name, value in tree.items()}
    if isinstance(tree, list):
        return tuple(evaluated(value, names, f"{key}[{index}]") for index, value in enumerate(tree))
    return canonical(tree)


def canonical(value: Any) -> Any:
    """Plain Python: lists, ranges and arrays become tuples, numpy scalars become Python numbers."""
    if isinstance(value, np.ndarray):
        return canonical(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple, range)):
        return tuple(canonical(item) for item in value)
    return value
