"""Dotted keys in trees of settings."""

from collections.abc import Mapping
from typing import Any


def lookup(tree: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """Value at the dotted `key`, or `default`."""
    node: Any = tree
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return default
        node = node[part]
    return node


def with_value(tree: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of `tree` with the dotted `key` set; what is no mapping on the way is left for the validation to refuse."""
    first, _, rest = key.partition(".")
    if not rest:
        return {**tree, first: value}
    node = {} if tree.get(first) is None else tree[first]
    return {**tree, first: with_value(node, rest, value)} if isinstance(node, Mapping) else dict(tree)


def with_default(tree: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of `tree` with the dotted `key` set where it is missing."""
    missing = object()
    return dict(tree) if lookup(tree, key, missing) is not missing else with_value(tree, key, value)
