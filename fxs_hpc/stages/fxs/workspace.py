"""Where the results of a command lie: folders and file names from the `IO` section, run numbers, links."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fxs_hpc.config.nearest import suggestion
from fxs_hpc.config.storage import Storage
from fxs_hpc.errors import InputFileError, SettingsError

PREFIXED = "{dimensions}d_{structure_name}"
ROOTS = ("home", "base")


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def date_of(moment: datetime) -> str:
    """`D_M_YYYY` without padding, as in the names of result folders."""
    return f"{moment.day}_{moment.month}_{moment.year}"


def prefixed(structure_name: str, dimensions: int | None) -> str:
    """The structure name with the prefix `<dimensions>d_`, which is not put on twice."""
    prefix = f"{dimensions}d_"
    return structure_name if dimensions is None or structure_name.startswith(prefix) else prefix + structure_name


@dataclass(frozen=True)
class Workspace:
    """Paths of one command.

    Parameters
    ----------
    home : Path
        Working directory.
    storage : Storage
        The `IO` section of the settings.
    structure_name, dimensions : str, int or None
        Values of the placeholders; `dimensions` is None where the settings do not say (average), then pass it by keyword.
    today : str
        Date `D_M_YYYY` (UTC), fixed for the whole run.
    """

    home: Path
    storage: Storage
    structure_name: str
    dimensions: int | None = 3
    today: str = field(default_factory=lambda: date_of(now()))

    @classmethod
    def of(cls, home: Path, settings: Any, today: str | None = None) -> "Workspace":
        """The workspace of a settings model."""
        dimensions = getattr(settings, "dimensions", None)
        return cls(home, settings.IO, settings.structure_name, dimensions, today or date_of(now()))

    def folder(self, key: str, **placeholders: Any) -> Path:
        """Folder called `key` in IO.folders; placeholders such as run=0 are filled in.

        Raises
        ------
        SettingsError
            If the folder or a placeholder's value is not known.
        """
        return self.home / self.expand(self._template(key), **placeholders)

    def file(self, key: str, **placeholders: Any) -> Path:
        """File called `key` in IO.files."""
        entry = self._entry(key)
        return self.folder(entry.folder, **placeholders) / self.expand(entry.name, **placeholders)

    def find(self, key: str, **placeholders: Any) -> Path:
        """Existing input file called `key`: the name as given, without and with the prefix `<dimensions>d_`.

        Raises
        ------
        InputFileError
            If none exists; lists what was tried.
        """
        path = self.file(key, **placeholders)
        tried = [path, *(path.with_name(name) for name in _other_names(path.name, placeholders.get("dimensions", self.dimensions)))]
        for candidate in tried:
            if candidate.is_file():
                return candidate
        names = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        there = f"; there are {', '.join(names)}" if names else "; the folder holds no such file"
        raise InputFileError(
            f"IO.files.{key}: tried {', '.join(str(p) for p in tried)}: no such file{there}{suggestion(path.name, names)}. "
            "Run the command that makes it first, or name the file in the settings"
        )

    def next_run(self, key: str, **placeholders: Any) -> int:
        """First number whose folder is absent or holds no .h5 file."""
        run = 0
        while any(self.folder(key, **{**placeholders, "run": run}).glob("*.h5")):
            run += 1
        return run

    def last_run(self, key: str, **placeholders: Any) -> int | None:
        """Largest number whose folder of today exists, or None."""
        run = 0
        while self.folder(key, **{**placeholders, "run": run}).is_dir():
            run += 1
        return run - 1 if run else None

    def paths(self, key: str, entries: Iterable[str], **placeholders: Any) -> tuple[Path, ...]:
        """Existing files of `key` whose {path} is each of `entries`, in which {today} and {latest} are filled in.

        Raises
        ------
        InputFileError
            If one does not exist.
        """
        return tuple(self._path(key, entry, placeholders) for entry in entries)

    def link(self, target: Path, link: Path) -> None:
        """Let the symlink `link` point to `target` by a relative path; replaced in one step.

        Raises
        ------
        InputFileError
            If `link` is a real file.
        """
        if link.exists() and not link.is_symlink():
            raise InputFileError(f"{link} is a file and no link; move it away, or set the option that makes the link to False")
        link.parent.mkdir(parents=True, exist_ok=True)
        temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(target, link.parent))
        os.replace(temporary, link)

    def expand(self, template: str, **placeholders: Any) -> str:
        """`template` with its placeholders filled in.

        Raises
        ------
        SettingsError
            If a placeholder has no value here.
        """
        values: dict[str, Any] = {
            "home": str(self.home),
            "structure_name": self.structure_name,
            "dimensions": self.dimensions,
            "date": self.today,
            "time": self.today,
            "today": self.today,
            "postfix": "",
            **placeholders,
        }
        if "time" not in placeholders:
            values["time"] = values["date"]
        text = template.replace(PREFIXED, prefixed(str(values["structure_name"]), values["dimensions"]))
        return re.sub(r"\{(\w+)\}", lambda match: _value(match[1], values, template), text)

    def _template(self, key: str) -> str:
        folders: Mapping[str, str | dict[str, str]] = self.storage.folders
        if key not in folders:
            if key in ROOTS:
                return "{home}/"
            raise SettingsError(f"IO.folders: {key!r} is not defined{suggestion(key, folders)}; defined are {', '.join(folders)}")
        value = folders[key]
        if isinstance(value, str):
            return value
        (parent, path), *_ = value.items()
        return f"{self._template(parent)}/{path}"

    def _entry(self, key: str) -> Any:
        files = self.storage.files  # type: ignore[attr-defined]
        if key not in type(files).model_fields:
            raise SettingsError(f"IO.files: {key!r} is not defined; defined are {', '.join(type(files).model_fields)}")
        return getattr(files, key)

    def _path(self, key: str, entry: str, placeholders: Mapping[str, Any]) -> Path:
        before, latest, after = entry.partition("{latest}")
        if latest:
            return self._latest(key, before, after, placeholders)
        given = self.expand(entry, **placeholders)
        path = Path(given) if Path(given).is_absolute() else self.file(key, path=given, **placeholders)
        if not path.is_file():
            newest = max(path.parent.parent.parent.glob(f"*/run_*/{path.name}"), key=_age, default=None)
            there = f"; the newest one there is {newest.relative_to(self.folder(self._entry(key).folder))}" if newest else ""
            raise InputFileError(f"{path}: no such file{there}. Run `fxs-hpc fxs reconstruct ...` first, or correct reconstruction_files")
        return path

    def _latest(self, key: str, before: str, after: str, placeholders: Mapping[str, Any]) -> Path:
        folder = self.folder(self._entry(key).folder, **placeholders)
        pattern = f"{self.expand(before, **placeholders)}*/run_*{after}"
        newest = max(folder.glob(pattern), key=_age, default=None)
        if newest is None:
            raise InputFileError(f"{folder / pattern}: no such file. Run `fxs-hpc fxs reconstruct ...` first")
        return newest


def _age(path: Path) -> tuple[int, int]:
    """Time of the last change; of files of one moment the larger run number is newer."""
    run = re.search(r"run_(\d+)", str(path))
    return path.stat().st_mtime_ns, int(run[1]) if run else 0


def _value(name: str, values: Mapping[str, Any], template: str) -> str:
    if values.get(name) is None:
        raise SettingsError(f"IO: the placeholder {{{name}}} in {template!r} has no value here")
    return str(values[name])


def _other_names(name: str, dimensions: int | None) -> list[str]:
    prefixes = [f"{dimensions}d_"] if dimensions else ["3d_", "2d_"]
    for prefix in prefixes:
        if name.startswith(prefix):
            return [name.removeprefix(prefix)]
    return [prefix + name for prefix in prefixes]
