"""Validation errors as sentences that name the key, the value found, what is allowed, and the nearest matches."""

import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from fxs_hpc.config.fields import Section
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.config.types import of_field


def sentences(error: ValidationError, model: type[Section], tree: Mapping[str, Any]) -> list[str]:
    """One sentence per key at fault."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False, include_context=False):
        key, value = _locate(item["loc"], tree)
        kind, message = item["type"], item["msg"].removeprefix("Value error, ")
        if kind == "extra_forbidden":
            found[key] = _unknown(key, model)
        elif kind == "missing":
            found[key] = f"{key}: is missing; {_allowed(key, model)}"
        elif item["loc"][-1:] == ("[key]",):
            names = message.removeprefix("Input should be ")
            found[key] = f"{key}: unknown name{suggestion(str(item['input']), _choices(names))}; allowed are {names}"
        elif kind == "value_error":
            found[key] = f"{key}: {message}{_given(value)}" if key else message
        else:
            allowed = _allowed(key, model) or message.removeprefix("Input should be ")
            found.setdefault(key, f"{key}: found {_shown(value)}, allowed is {allowed}")
    return list(found.values())


def _choices(message: str) -> list[str]:
    return re.findall(r"'([^']*)'", message)


def _locate(loc: tuple[int | str, ...], tree: Any) -> tuple[str, Any]:
    """The dotted key as the user wrote it (without the names of union branches) and the value there."""
    key, node = "", tree
    for index, part in enumerate(loc):
        if isinstance(node, Mapping) and part in node:
            key, node = (f"{key}.{part}" if key else str(part)), node[part]
        elif isinstance(node, (tuple, list)) and isinstance(part, int) and part < len(node):
            key, node = f"{key}[{part}]", node[part]
        elif isinstance(node, Mapping) and index == len(loc) - 1 and part != "loops":
            key, node = (f"{key}.{part}" if key else str(part)), None
    return key, node


def _annotation_at(key: str, model: type[Section]) -> Any:
    """Type of the dotted `key`: a section, a mapping, a plain type, or None where there is no such key."""
    current: Any = model
    for part in key.split("[")[0].split(".") if key else ():
        current = _child(current, part)
    return current


def _child(current: Any, name: str) -> Any:
    if get_origin(current) is dict:
        return get_args(current)[1]
    if not (isinstance(current, type) and issubclass(current, Section)):
        return None
    if name in current.model_fields:
        return current.model_fields[name].annotation
    loops = current.model_fields.get("loops")
    return get_args(loops.annotation)[1] if loops else None


def _unknown(key: str, model: type[Section]) -> str:
    parent, _, name = key.rpartition(".")
    owner = _annotation_at(parent, model)
    if not (isinstance(owner, type) and issubclass(owner, Section)):
        return f"{key}: unknown key"
    known = [*owner.model_fields, *owner.alternates]
    return f"{key}: unknown key{suggestion(name, known)}; allowed here are {', '.join(owner.model_fields)}"


def _allowed(key: str, model: type[Section]) -> str:
    parent, _, name = key.split("[")[0].rpartition(".")
    owner = _annotation_at(parent, model)
    if not (isinstance(owner, type) and issubclass(owner, Section)) or name not in owner.model_fields:
        return ""
    field = owner.model_fields[name]
    words = of_field(field)
    return f"{words} ({field.description})" if field.description else words


def _given(value: Any) -> str:
    return "" if value is None or isinstance(value, Mapping) else f" (found {_shown(value)})"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
