"""Types of settings in words: for error messages, help and docs."""

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from fxs_hpc.config.fields import Section
from fxs_hpc.config.ramps import ExponentialRamp, LinearRamp

WORDS = {
    bool: "True or False",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    slice: "{command: slice(...)}",
    type(None): "None",
    LinearRamp: "number, False or linear ramp [start, [stop, stop_argument], slope]",
    ExponentialRamp: "number or exponential ramp [start, stop, exponent, stop_argument]",
}


def in_words(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """`annotation` in words, for example `integer >= 1` or `one of 'ER', 'HIO'`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_words(arguments[0], (*_flat(arguments[1:]), *metadata))
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        values = ", ".join(repr(value) for value in arguments)
        return values if len(arguments) == 1 else f"one of {values}"
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"list of {_grouped(in_words(arguments[0]))}"
        return "[" + ", ".join(in_words(argument) for argument in arguments) + "]"
    if origin is dict:
        return f"mapping of names to {_grouped(in_words(arguments[1]))}"
    if annotation in WORDS:
        return WORDS[annotation] + _bounds(metadata)
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "sub-settings " + ", ".join(annotation.model_fields)
    return str(annotation)


def of_field(field: FieldInfo) -> str:
    """Type of a model field in words."""
    return in_words(field.annotation, _flat(field.metadata))


def _flat(metadata: Any) -> tuple[Any, ...]:
    flat: list[Any] = []
    for item in metadata:
        flat.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return tuple(flat)


def _union(arguments: tuple[Any, ...]) -> str:
    parts: list[str] = []
    for argument in arguments:
        words = in_words(argument)
        if words not in parts:
            parts.append(words)
    return " or ".join(parts)


def _grouped(words: str) -> str:
    return f"({words})" if " or " in words or words.startswith("one of") else words


def _bounds(metadata: tuple[Any, ...]) -> str:
    signs = {
        annotated_types.Ge: (">=", "ge"),
        annotated_types.Gt: (">", "gt"),
        annotated_types.Le: ("<=", "le"),
        annotated_types.Lt: ("<", "lt"),
    }
    parts = [f" {signs[type(item)][0]} {getattr(item, signs[type(item)][1])}" for item in metadata if type(item) in signs]
    return " and".join(parts)
