"""Building blocks of the settings models: the `Section` base class, `setting`, and the scalar types.

One definition of a setting serves validation, defaults, help and the documentation table.
"""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticUndefined

from fxs_hpc.config.documents import canonical

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _number(value: Any) -> Any:
    # YAML 1.1 reads 6e-3 as a string: a number needs a point there.
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return value


def _false(value: Any) -> Any:
    """False itself: 0 equals it, but `threshold: [0, False]` means two things."""
    if value is not False:
        raise ValueError("allowed is False")
    return value


def _integer(value: Any) -> Any:
    value = _number(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _none(value: Any) -> Any:
    return None if value in ("None", "none", "null") else value


def respelled(spellings: Mapping[str, str]) -> BeforeValidator:
    """Validator that accepts other spellings of a choice."""
    return BeforeValidator(lambda value: spellings.get(value, value) if isinstance(value, str) else value)


Real = Annotated[float, BeforeValidator(_number)]
FiniteReal = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]
Integer = Annotated[int, BeforeValidator(_integer)]
Count = Annotated[int, BeforeValidator(_integer), Field(ge=1)]
Index = Annotated[int, BeforeValidator(_integer), Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")]
No = Annotated[Literal[False], BeforeValidator(_false)]
Maybe = Annotated[FiniteReal | None, BeforeValidator(_none)]
IterationLimit = Annotated[Index | float, BeforeValidator(_integer)]
Selection = bool | slice | tuple[Index, ...]


def setting(
    default: Any = PydanticUndefined, description: str = "", unit: str = "", *, only: tuple[Any, ...] | None = None, instead: str = ""
) -> Any:
    """A field of a settings section.

    Parameters
    ----------
    default : Any
        Documented default; left out for a key that every file must give.
    description, unit : str
        Text for help and docs.
    only : tuple, optional
        The values that work now, out of those the type allows. Others are refused with an error that says `instead`.
    """
    extra: Any = {"unit": unit, "only": only, "instead": instead}
    return Field(default=default, description=description, json_schema_extra=extra)


def extra_of(model: type[BaseModel], name: str) -> dict[str, Any]:
    """The unit, `only` and `instead` of a field."""
    extra = model.model_fields[name].json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def section(model: type["Section"]) -> Any:
    """A field that holds a section with all its defaults."""
    return Field(default_factory=model, description=(model.__doc__ or "").strip().splitlines()[0])


class Section(BaseModel):
    """A group of settings: frozen, strict about types, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    alternates: ClassVar[Mapping[str, str]] = {}
    """Other spellings of keys: found -> key of the model."""
    short_form: ClassVar[str] = ""
    """The key meant by a bare value in place of the section."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        if data is None:
            data = {}
        if not isinstance(data, Mapping):
            if not cls.short_form or isinstance(data, (list, tuple, bool)):
                keys = ", ".join(cls.model_fields)
                raise ValueError(f"expected sub-settings ({keys}) and not a bare value")
            data = {cls.short_form: data}
        tree = {key: _completed(cls, key, canonical(value)) for key, value in data.items()}
        return cls.prepare(_respell(cls.alternates, tree))

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Hook: the tree that is validated, made from the one that was given."""
        return tree

    @field_validator("*", mode="after")
    @classmethod
    def _works_now(cls, value: Any, info: ValidationInfo) -> Any:
        extra = extra_of(cls, info.field_name or "")
        only = extra.get("only")
        if only is not None:
            for item in value if isinstance(value, tuple) and value not in only else (value,):
                if item not in only:
                    shown = "this" if isinstance(item, Section) else repr(item)
                    raise ValueError(f"{shown} is not available{'; ' + extra['instead'] if extra['instead'] else ''}")
        return value

    def tree(self) -> dict[str, Any]:
        """Plain tree that validates to an equal section."""
        return {name: as_tree(getattr(self, name)) for name in type(self).model_fields}

    def replaced(self, **values: Any) -> Self:
        """A validated copy with some keys set to other values."""
        return type(self).model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **values})


def _completed(model: type[Section], key: Any, value: Any) -> Any:
    """A section that is partly given where its default is one of its own (such as a file's name and folder)."""
    default = model.model_fields[key].default if key in model.model_fields else None
    if isinstance(default, Section) and (value is None or isinstance(value, Mapping)):
        return {**default.tree(), **(value or {})}
    return value


def _respell(alternates: Mapping[str, str], tree: dict[str, Any]) -> dict[str, Any]:
    for found, key in alternates.items():
        if found not in tree:
            continue
        value = tree.pop(found)
        if key in tree and tree[key] != value:
            raise ValueError(f"{found!r} is another spelling of {key!r}, and both are given with different values; keep one of them")
        tree[key] = value
    return tree


def as_tree(value: Any) -> Any:
    """What YAML stores for a value of a model: sections become mappings, tuples lists, slices and infinities commands."""
    if isinstance(value, Section):
        return value.tree()
    if isinstance(value, Mapping):
        return {key: as_tree(item) for key, item in value.items()}
    if isinstance(value, tuple):
        if (step := _progression(value)) is not None:
            return {"command": f"np.arange({value[0]}, {value[-1] + step}, {step})"}
        return [as_tree(item) for item in value]
    if isinstance(value, slice):
        return {"command": f"slice({value.start}, {value.stop}, {value.step})"}
    if isinstance(value, float) and math.isinf(value):
        return {"command": "np.inf" if value > 0 else "-np.inf"}
    return value


def _progression(values: tuple[Any, ...]) -> int | None:
    """Step of a long arithmetic progression of integers, else None."""
    if len(values) < 8 or any(type(value) is not int for value in values):
        return None
    step = int(values[1] - values[0])
    return step if step and all(b - a == step for a, b in zip(values, values[1:], strict=False)) else None
