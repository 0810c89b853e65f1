"""Loading of settings: a name or a path -> a validated, frozen model.

Layers, the later wins: the defaults of the model, `default_*.yaml` in the working directory's settings (all lines of it are
comments until somebody changes one), the settings file itself.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fxs_hpc.config import documents
from fxs_hpc.config.commands import command_named
from fxs_hpc.config.fields import Section, as_tree
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.config.problems import sentences
from fxs_hpc.config.trees import lookup
from fxs_hpc.errors import SettingsError

PROVENANCE = "provenance"


@dataclass(frozen=True)
class Loaded:
    """Settings of one command.

    `changed` holds what differs from the defaults, dotted key -> value; `notes` are remarks for the user.
    """

    command: str
    model: Any
    source: Path
    changed: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())


def load(command: str, name_or_path: str, home: Path, overrides: Mapping[str, Any] | None = None) -> Loaded:
    """Settings of `command` from `name_or_path`.

    Parameters
    ----------
    command : str
        For example ``reconstruct``.
    name_or_path : str
        A path of a YAML file, or a name: HOME/settings/projects/fxs/COMMAND/NAME.yaml, else one of the package.
    home : Path
        Working directory.
    overrides : mapping, optional
        Dotted keys and values that win over the file.

    Raises
    ------
    SettingsError
        If there is no such file, or if it holds something that is not allowed; names file, key, value, what is allowed.
    """
    source = find(command, name_or_path, home)
    layer, notes = _default_layer(command, home, source)
    where = f"{source} with --set {', '.join(overrides)}" if overrides else str(source)
    return _checked(command, _merged(layer, documents.read(source)), overrides, source, where, notes)


def assembled(command: str, tree: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Loaded:
    """Settings of `command` from a tree made in a program instead of a file; see `load`."""
    return _checked(command, dict(tree), overrides, Path("<dictionary>"), f"settings of {command}", ())


def _checked(
    command: str, tree: dict[str, Any], overrides: Mapping[str, Any] | None, source: Path, where: str, notes: tuple[str, ...]
) -> Loaded:
    tree.pop(PROVENANCE, None)
    for key, value in (overrides or {}).items():
        tree = _merged(tree, _nested(key, value))
    try:
        model, plain = build(command, tree)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None
    if command != "reconstruct" and lookup(plain, "GPU.use") is True:
        notes = (*notes, "GPU.use: this command computes on the CPU")
    return Loaded(command, model, source, changed(model, plain), notes)


def build(command: str, tree: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Model of `tree`, and the tree with its commands evaluated.

    Raises
    ------
    SettingsError
        Lists every key at fault.
    """
    model = command_named(command).model
    plain = documents.evaluated(tree, names())
    try:
        return model.model_validate(plain), plain
    except ValidationError as error:
        problems = sentences(error, model, plain)
    raise SettingsError(problems[0] if len(problems) == 1 else "\n".join(["", *(f"  {problem}" for problem in problems)]))


def names() -> dict[str, Any]:
    """The names that a `command:` may use besides np and the functions of the grammar."""
    free = max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1))
    return {"xframe_opt.IO.folders.home": "{home}/", "Multiprocessing.free_cpus": free}


def settings_folder(home: Path, command: str) -> Path:
    """Where the settings of `command` lie in a working directory."""
    return home / "settings" / "projects" / "fxs" / command


def packaged(command: str) -> dict[str, Path]:
    """Settings files that come with the package: name -> path."""
    folder = Path(str(files("fxs_hpc.config"))) / "presets" / command
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def available(command: str, home: Path) -> dict[str, Path]:
    """All settings names of `command`: those of the package and those of the working directory, which win."""
    own = {path.stem: path for path in sorted(settings_folder(home, command).glob("*.y*ml"))}
    return {**packaged(command), **{name: path for name, path in own.items() if not name.startswith("default_")}}


def find(command: str, name_or_path: str, home: Path) -> Path:
    """Path of the settings file; see `load`."""
    command_named(command)
    path = Path(name_or_path).expanduser()
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        for candidate in (path, settings_folder(home, command) / path):
            if candidate.is_file():
                return candidate.resolve()
        raise SettingsError(f"{path}: there is no such settings file for {command}")
    known = available(command, home)
    if name_or_path in known:
        return known[name_or_path]
    raise SettingsError(
        f"{command}: there are no settings called {name_or_path!r}{suggestion(name_or_path, known)}; in {settings_folder(home, command)} "
        f"and in the package there are: {', '.join(known) or 'none'}"
    )


def changed(model: Section, plain: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the defaults, dotted key -> value; keys that only follow another key are left out."""
    defaults = flat(_defaults_of(type(model)))
    derived = getattr(type(model), "derived", ())
    given = flat(plain)
    return {
        key: value
        for key, value in flat(model.tree()).items()
        if (key not in defaults or defaults[key] != value) and not (key in derived and key not in given) and value != "{home}/"
    }


def flat(tree: Any, key: str = "") -> dict[str, Any]:
    """Dotted key -> value for the leaves of a tree."""
    if not isinstance(tree, Mapping) or set(tree) == {"command"}:
        return {key: as_tree(tree)}
    return {name: item for part, value in tree.items() for name, item in flat(value, f"{key}.{part}" if key else str(part)).items()}


def _defaults_of(model: type[Section]) -> dict[str, Any]:
    required = {name: ("?",) for name, info in model.model_fields.items() if info.is_required()}
    tree = model.model_validate(required).tree()
    return {key: value for key, value in tree.items() if key not in required}


def _default_layer(command: str, home: Path, source: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    paths = sorted(settings_folder(home, command).glob("default_*.yaml"))
    if not paths or paths[-1].resolve() == source.resolve():
        return {}, ()
    tree = documents.read(paths[-1])
    if any(part.startswith("_") for key in flat(tree) for part in key.split(".")):
        return {}, (f"{paths[-1].name} is in the reference program's format; its values are not used, those of this package are",)
    return tree, ()


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        if isinstance(below, Mapping) and "command" not in below:
            if value is None:
                continue
            if isinstance(value, Mapping) and "command" not in value:
                value = _merged(below, value)
        result[key] = value
    return result


def _nested(key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value)} if rest else {first: value}
