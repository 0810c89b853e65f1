"""The `IO` section: a tree of folders and the files in them, with placeholders in their names."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import field_validator, model_validator

from fxs_hpc.config.fields import Name, Section, setting
from fxs_hpc.config.nearest import suggestion

PLACEHOLDERS = ("home structure_name dimensions date time today latest run reconstruction path postfix type iteration name").split()

Folders = dict[str, str | dict[str, str]]


class Options(Section):
    """Options of a file."""


def _check_template(text: str) -> str:
    for name in re.findall(r"\{([^{}]*)\}", text):
        if name not in PLACEHOLDERS:
            raise ValueError(f"the placeholder {{{name}}} is unknown{suggestion(name, PLACEHOLDERS)}; known are {', '.join(PLACEHOLDERS)}")
    return text


class Entry(Section):
    """A file: its name and the folder it lies in."""

    name: str = setting(description="file name, with placeholders such as {structure_name}")
    folder: str = setting(description="key of the folder in IO.folders")

    _template = field_validator("name")(_check_template)


class Storage(Section):
    """Folders and files of one command.

    A folder is `{parent: "sub/path/"}`, chained up to a folder that is a path; `home` and `base` stand for the working directory
    unless they are given. Subclasses give the default folders and declare the known files.
    """

    default_folders: ClassVar[Mapping[str, Any]] = {}

    folders: Folders = setting({}, "folders by name: {parent: 'sub/path/'} or a path; placeholders allowed")

    @classmethod
    def prepare(cls, tree: dict[str, Any]) -> dict[str, Any]:
        given = tree.get("folders") or {}
        if not isinstance(given, Mapping):
            raise ValueError("IO.folders must be a mapping of folder names")
        return {**tree, "folders": {**cls.default_folders, **given}}

    @field_validator("folders")
    @classmethod
    def _known_parents(cls, folders: Folders) -> Folders:
        for name, value in folders.items():
            if isinstance(value, str):
                _check_template(value)
                continue
            if len(value) != 1:
                raise ValueError(f"the folder {name!r} must be one `parent: 'sub/path/'` pair")
            (parent, path), *_ = value.items()
            _check_template(path)
            if parent not in folders and parent not in ("home", "base"):
                raise ValueError(f"the folder {name!r} lies in {parent!r}, which is not defined{suggestion(parent, folders)}")
            _refuse_circle(folders, name)
        return folders

    @model_validator(mode="after")
    def _known_folders(self) -> Self:
        files = getattr(self, "files", None)
        entries = {name: getattr(files, name) for name in type(files).model_fields} if isinstance(files, Section) else {}
        for name, entry in entries.items():
            if entry.folder not in (*self.folders, "home", "base"):
                raise ValueError(f"the folder of files.{name}, {entry.folder!r} is not defined{suggestion(entry.folder, self.folders)}")
        self._refuse_unused({entry.folder for entry in entries.values()})
        return self

    def _refuse_unused(self, used: set[str]) -> None:
        """A misspelt folder name must not go unnoticed."""
        for value in self.folders.values():
            used |= set(value) if isinstance(value, dict) else set()
        for name in self.folders:
            if name not in used and name not in (*self.default_folders, "home", "base"):
                raise ValueError(f"the folder {name!r} is used by no file and no other folder{suggestion(name, self.default_folders)}")


def _refuse_circle(folders: Folders, name: str) -> None:
    seen = [name]
    while isinstance(value := folders.get(seen[-1], ""), dict):
        parent = next(iter(value))
        if parent in seen:
            raise ValueError(f"the folders {' -> '.join([*seen, parent])} lie in each other")
        seen.append(parent)


def structure_name(default: str = "default") -> Any:
    """The `structure_name` field that all commands share."""
    return setting(default, "name of the structure; part of the names of all results, which get the prefix '<dimensions>d_'")


StructureName = Name
