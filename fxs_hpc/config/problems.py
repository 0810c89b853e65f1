"""Validation errors as sentences that name the key, the value found, what is allowed, and the nearest matches."""

from collections.abc import Mapping
from typing import Any, get_args

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
        elif kind == "value_error":
            found[key] = f"{key}: {message}{_given(value)}" if key else message
        else:
            found.setdefault(key, f"{key}: found {_shown(value)}, allowed is {_allowed(key, model) or message}")
    return list(found.values())


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


def _model_at(key: str, model: type[Section]) -> tuple[type[Section] | None, str]:
    """The section that holds the dotted `key`, and the last part of the key."""
    parts = key.split("[")[0].split(".")
    current: Any = model
    for part in parts[:-1]:
        current = _child(current, part)
        if current is None:
            return None, parts[-1]
    return current, parts[-1]


def _child(model: type[Section], name: str) -> Any:
    if name in model.model_fields:
        annotation = model.model_fields[name].annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            return annotation
        inner = [argument for argument in get_args(annotation) if isinstance(argument, type) and issubclass(argument, Section)]
        return type("Named", (Section,), {"__annotations__": {}, "named": inner[0]}) if inner else None
    if hasattr(model, "named"):
        return model.named
    loops = model.model_fields.get("loops")
    return get_args(loops.annotation)[1] if loops else None


def _unknown(key: str, model: type[Section]) -> str:
    owner, name = _model_at(key, model)
    if owner is None or not owner.model_fields:
        return f"{key}: unknown key"
    known = [*owner.model_fields, *owner.alternates]
    return f"{key}: unknown key{suggestion(name, known)}; allowed here are {', '.join(owner.model_fields)}"


def _allowed(key: str, model: type[Section]) -> str:
    owner, name = _model_at(key, model)
    if owner is None or name not in owner.model_fields:
        return ""
    field = owner.model_fields[name]
    words = of_field(field)
    return f"{words} ({field.description})" if field.description else words


def _given(value: Any) -> str:
    return "" if value is None or isinstance(value, Mapping) else f" (found {_shown(value)})"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
