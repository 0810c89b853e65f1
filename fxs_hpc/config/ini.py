"""config.ini: the one place where a run is configured.

The file holds `key = value` lines. Sections `[run]`, `[fxs]`, `[slurm]` and `[slurm:STAGE]` are ours and every key in them is
checked. All other lines (before the first section, or in sections such as `[make-detector]`) are the global keys of EMC, where
section names carry no meaning; they are kept as they are for the EMC stages to check.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from fxs_hpc.config.command_names import NAMES
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.errors import SettingsError

FILE_NAME = "config.ini"
RUN_KEYS = ("threads", "precision", "ranks")
FXS_KEYS = NAMES
SLURM_KEYS = (
    *("partition", "account", "qos", "time", "nodes", "ntasks", "cpus", "mem", "gres", "constraint", "setup", "options"),
    *("tasks", "parts", "launcher"),
)
MEANT = ("home_dir", *RUN_KEYS, *FXS_KEYS)
MISSPELT = 0.85
"""A global key as near as this to one of ours is a slip of the pen, no key of EMC."""
OURS: Mapping[str, tuple[str, ...]] = {"run": RUN_KEYS, "fxs": FXS_KEYS, "slurm": SLURM_KEYS}


@dataclass(frozen=True)
class RunConfig:
    """A run as config.ini describes it.

    Attributes
    ----------
    home : Path
        Working directory (`home_dir`): data/, settings/ and the directories of the EMC stages lie in it.
    threads : int or None
        Cores that one command may use; None = all that the process may use.
    precision : {'single', 'double'}
        Arithmetic of the phasing loop.
    ranks : int or None
        MPI ranks of parallel stages; None = as many as cores.
    settings_names : mapping
        FXS command -> settings name.
    slurm : mapping
        '' (defaults) or a stage name -> resource keys, as text.
    emc : mapping
        The global keys of EMC, as text.
    path : Path or None
        The file that was read.
    """

    home: Path
    threads: int | None = None
    precision: Literal["single", "double"] = "single"
    ranks: int | None = None
    settings_names: Mapping[str, str] = field(default_factory=dict)
    slurm: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    emc: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None

    @property
    def cores(self) -> int:
        """Number of cores that this run may use: `threads`, but not more than there are."""
        return min(self.threads or available_cores(), available_cores())


@dataclass(frozen=True)
class _Line:
    number: int
    section: str
    key: str
    value: str


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def find(start: Path) -> Path | None:
    """config.ini in `start` or the nearest of its parents."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def load(path: Path) -> RunConfig:
    """Read `path`.

    Raises
    ------
    SettingsError
        For a line that is no `key = value`, a key given twice, an unknown key in a section of ours, or an impossible value; names
        file, line, key, value and what is allowed.
    """
    try:
        lines = _lines(path.read_text(encoding="utf-8"))
        return _config(path.resolve(), lines)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not a text file in UTF-8") from None
    except SettingsError as error:
        raise SettingsError(f"{path}, {error}") from None


def with_emc_keys(config: RunConfig, keys: Mapping[str, str]) -> RunConfig:
    """`config` with some EMC keys set to other values."""
    return replace(config, emc={**config.emc, **keys})


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    seen: dict[tuple[str, str], int] = {}
    section = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            section = _section(number, line)
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not key:
            raise SettingsError(f"line {number}: {line!r} is no `key = value`")
        value = value.split(" #")[0].strip()
        where = (section if _is_ours(section) else "", key)
        if where in seen:
            raise SettingsError(f"line {number}: {key} is given a second time (first in line {seen[where]})")
        seen[where] = number
        lines.append(_Line(number, section, key, value))
    return lines


def _is_ours(section: str) -> bool:
    return section in OURS or section.startswith("slurm:")


def _section(number: int, line: str) -> str:
    if not line.endswith("]"):
        raise SettingsError(f"line {number}: {line!r} is no `[section]`")
    section = line[1:-1].strip()
    if not _is_ours(section) and (near := suggestion(section.lower(), [*OURS, "slurm:STAGE"])):
        raise SettingsError(f"line {number}: unknown section [{section}]{near}")
    return section


def _config(path: Path, lines: list[_Line]) -> RunConfig:
    ours = [line for line in lines if _is_ours(line.section)]
    emc = {line.key: line.value for line in lines if not _is_ours(line.section)}
    for line in lines:
        _check_key(line)
    values = {(line.section, line.key): line for line in ours}
    home = Path(emc.pop("home_dir", ".") or ".").expanduser()
    names = {line.key: line.value for line in ours if line.section == "fxs" and line.value}
    slurm: dict[str, dict[str, str]] = {}
    for line in ours:
        if line.section.startswith("slurm") and line.value:
            slurm.setdefault(line.section.partition(":")[2], {})[line.key] = line.value
    return RunConfig(
        home=(home if home.is_absolute() else path.parent / home).resolve(),
        threads=_count(values.get(("run", "threads"))),
        precision=_precision(values.get(("run", "precision"))),
        ranks=_count(values.get(("run", "ranks"))),
        settings_names=names,
        slurm=slurm,
        emc=emc,
        path=path,
    )


def _check_key(line: _Line) -> None:
    if not _is_ours(line.section):
        home = next((section for section, keys in OURS.items() if line.key in keys and section != "slurm"), None)
        if home:
            raise SettingsError(f"line {line.number}: {line.key} belongs in the section [{home}]")
        if line.key != "home_dir" and (near := suggestion(line.key, MEANT, cutoff=MISSPELT)):
            raise SettingsError(f"line {line.number}: unknown key {line.key!r}{near}")
        return
    if line.key == "home_dir":
        raise SettingsError(f"line {line.number}: home_dir belongs before the first section")
    allowed = OURS["slurm" if line.section.startswith("slurm") else line.section]
    if line.key not in allowed:
        raise SettingsError(
            f"line {line.number}: unknown key {line.key!r} in [{line.section}]{suggestion(line.key, allowed)}; "
            f"allowed are {', '.join(allowed)}"
        )


def _count(line: _Line | None) -> int | None:
    if line is None or line.value in ("auto", ""):
        return None
    if not line.value.isdigit() or int(line.value) < 1:
        raise SettingsError(f"line {line.number}: {line.key} = {line.value}: allowed is 'auto' or an integer >= 1")
    return int(line.value)


def _precision(line: _Line | None) -> Literal["single", "double"]:
    if line is None or not line.value:
        return "single"
    if line.value not in ("single", "double"):
        raise SettingsError(
            f"line {line.number}: precision = {line.value}: allowed is 'single' or 'double'{suggestion(line.value, ['single', 'double'])}"
        )
    return cast(Literal["single", "double"], line.value)
