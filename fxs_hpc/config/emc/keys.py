"""Reading the EMC keys of config.ini: values are text there, sections carry no meaning, and a key is checked where it is needed.

Each section of the document is a frozen model (`Section`) in a module of this package. A stage names the sections it reads, all of them
are validated before any work begins, and a key that is missing, misspelt or out of range is named with its meaning, unit and line.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ValidationError

from fxs_hpc.config.fields import Section, extra_of
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.config.types import of_field
from fxs_hpc.errors import SettingsError

Model = TypeVar("Model", bound=Section)
MISSPELT = 0.85

_YES = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def _switch(value: Any) -> Any:
    return _YES.get(value.lower(), value) if isinstance(value, str) else value


def _auto(value: Any) -> Any:
    return None if value in ("auto", "", "none", "None") else value


def plausible(low: float, high: float, remedy: str) -> AfterValidator:
    """Validator of a physical magnitude: outside `low` .. `high` the unit is wrong, and `remedy` says which is meant."""

    def check(value: float | None) -> float | None:
        if value is not None and not low <= value <= high:
            raise ValueError(f"is outside {low:g} .. {high:g}: {remedy}")
        return value

    return AfterValidator(check)


Switch = Annotated[bool, BeforeValidator(_switch)]
"""yes or no."""
Auto = BeforeValidator(_auto)
"""`auto` (or nothing) becomes None: `Annotated[Count | None, Auto]`. Put it last: it runs first."""
FilePath = Annotated[Path, BeforeValidator(lambda value: Path(value).expanduser() if isinstance(value, str) and value else value)]
"""A path; a relative one counts from home_dir (see `EmcConfig.path`)."""


class EmcConfig:
    """The EMC keys of one config.ini.

    Parameters
    ----------
    run : RunConfig
        What `config.ini.load` read.
    """

    def __init__(self, run: RunConfig) -> None:
        self.run = run
        self.home = run.home
        self._keys = dict(run.emc)
        self._models: dict[type[Section], Section] = {}

    def section(self, model: type[Model]) -> Model:
        """The keys of one section, validated.

        Raises
        ------
        SettingsError
            Names the file, the key, what was found, what is expected, with its unit and meaning.
        """
        if model not in self._models:
            self._models[model] = self._build(model)
        return self._models[model]  # type: ignore[return-value]

    def path(self, path: Path | str) -> Path:
        """`path`, where a relative one counts from home_dir."""
        path = Path(path)
        return path if path.is_absolute() else self.home / path

    def unknown(self) -> list[str]:
        """Keys that no stage reads."""
        return [key for key in self._keys if key not in known_keys()]

    def _build(self, model: type[Model]) -> Model:
        self._refuse_misspelt()
        given = {name: self._keys[name] for name in model.model_fields if self._keys.get(name, "") != ""}
        try:
            return model.model_validate(given)
        except ValidationError as error:
            raise SettingsError(f"{self.run.path}: {'; '.join(_message(model, problem, given) for problem in error.errors())}") from None

    def _refuse_misspelt(self) -> None:
        for key in self.unknown():
            if near := suggestion(key, sorted(known_keys() - set(self._keys)), cutoff=MISSPELT):
                raise SettingsError(f"{self.run.path}: unknown key {key!r}{near}")


def _message(model: type[Section], problem: Any, given: Mapping[str, str]) -> str:
    key = str(problem["loc"][0]) if problem["loc"] else ""
    if not key:
        return str(problem["msg"]).removeprefix("Value error, ")
    field = model.model_fields[key]
    unit = extra_of(model, key).get("unit", "")
    about = f"{field.description}{f', in {unit}' if unit else ''}"
    if problem["type"] == "missing":
        return f"the key {key} is missing ({about}); add `{key} = ...`"
    said = str(problem["msg"]).removeprefix("Value error, ")
    expected = said if problem["type"] == "value_error" else f"expected {of_field(field)}"
    return f"{key} = {given.get(key, '')}: {expected} ({about})"


@cache
def known_keys() -> frozenset[str]:
    """Every EMC key there is."""
    from fxs_hpc.config.emc.sections import SECTIONS

    return frozenset(name for model in SECTIONS.values() for name in model.model_fields) | {"home_dir"}
