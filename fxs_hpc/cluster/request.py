"""[slurm] and [slurm:STAGE] of config.ini -> what a job of a stage asks for."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.errors import SettingsError
from fxs_hpc.stages.duration import seconds
from fxs_hpc.stages.row import Row
from fxs_hpc.stages.table import PIPELINES

OPTIONS = {
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "time": "time",
    "nodes": "nodes",
    "ntasks": "ntasks",
    "cpus": "cpus-per-task",
    "mem": "mem",
    "gres": "gres",
    "constraint": "constraint",
}
"""Keys of config.ini -> options of sbatch."""
COLLECT = "-collect"
"""Put behind the name of an array stage: the job that merges what its tasks have finished."""
COUNTS = ("nodes", "ntasks", "cpus")
_MEMORY = re.compile(r"\d+[KMGT]?B?")


@dataclass(frozen=True)
class Request:
    """What a job asks for.

    Attributes
    ----------
    options : mapping
        Long options of sbatch without the dashes; True for one without a value.
    setup : str
        Shell commands that the job runs first.
    launcher : str
        `auto`, or how MPI ranks are started.
    tasks, parts : int or None
        Array tasks; jobs one after another. None = chosen by the program.
    """

    options: Mapping[str, str | bool]
    setup: str = ""
    launcher: str = "auto"
    tasks: int | None = None
    parts: int | None = None

    @property
    def ranks(self) -> int:
        """MPI ranks."""
        return int(self.options.get("ntasks", 1))

    @property
    def cpus(self) -> int:
        """Cores of a task."""
        return int(self.options.get("cpus-per-task", 1))

    @property
    def seconds(self) -> float:
        """Wall time."""
        return seconds(str(self.options["time"]))


def request(row: Row, config: RunConfig, suffix: str = "") -> Request:
    """What the job of `row` asks for: its defaults, overridden by [slurm], overridden by [slurm:STAGE].

    Parameters
    ----------
    suffix : str
        `COLLECT` for the job behind an array, which needs no gres and may have a section of its own.

    Raises
    ------
    SettingsError
        Names the key and what is allowed.
    """
    refuse_unknown_stages(config)
    keys = {**config.slurm.get("", {}), **config.slurm.get(row.name, {})}
    if suffix:
        keys = {**{key: value for key, value in keys.items() if key != "gres"}, **config.slurm.get(row.name + suffix, {})}
    for key in COUNTS:
        _count(keys.get(key), key, config)
    _check(keys, config)
    options: dict[str, str | bool] = {"time": row.resources.time, "cpus-per-task": str(row.resources.cpus)}
    options |= {OPTIONS[key]: keys[key] for key in OPTIONS if key in keys}
    options["ntasks"] = keys.get("ntasks") or str(config.ranks or keys.get("nodes") or 1)
    if row.launch != "mpi":
        options |= {"ntasks": "1", "nodes": "1"}
    return Request(
        options={**dict(sorted(options.items())), **more_options(keys.get("options", ""), config)},
        setup=keys.get("setup", ""),
        launcher=keys.get("launcher", "auto"),
        tasks=_count(keys.get("tasks"), "tasks", config),
        parts=_count(keys.get("parts"), "parts", config),
    )


def refuse_unknown_stages(config: RunConfig) -> None:
    """Every [slurm:STAGE] must name a stage.

    Raises
    ------
    SettingsError
        One does not.
    """
    rows = [row for pipeline in PIPELINES.values() for row in pipeline]
    names = [row.name for row in rows]
    collecting = [row.name + COLLECT for row in rows if row.launch == "array"]
    for name in config.slurm:
        if name and name not in (*names, *collecting):
            all_names = ", ".join(names + collecting)
            raise SettingsError(f"{config.path}: [slurm:{name}]: there is no stage {name}{suggestion(name, names)}; there are {all_names}")


def more_options(text: str, config: RunConfig) -> dict[str, str | bool]:
    """`--exclusive --mail-type=END` as a mapping.

    Raises
    ------
    SettingsError
        Something else stands there.
    """
    found: dict[str, str | bool] = {}
    for word in shlex.split(text):
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise SettingsError(f"{config.path}: [slurm] options = {text}: {word!r} is no --option or --option=value of sbatch")
        found[name] = value if equals else True
    return found


def _count(value: str | None, key: str, config: RunConfig) -> int | None:
    if value in (None, "", "auto"):
        return None
    if not str(value).isdigit() or int(str(value)) < 1:
        raise SettingsError(f"{config.path}: [slurm] {key} = {value}: allowed is an integer >= 1")
    return int(str(value))


def _check(keys: Mapping[str, str], config: RunConfig) -> None:
    try:
        seconds(keys.get("time", "1"))
    except ValueError:
        allowed = "minutes, hours:minutes:seconds or days-hours, for example 90, 1:30:00 or 1-12"
        raise SettingsError(f"{config.path}: [slurm] time = {keys['time']}: allowed is {allowed}") from None
    if not _MEMORY.fullmatch(keys.get("mem", "1")):
        raise SettingsError(f"{config.path}: [slurm] mem = {keys['mem']}: allowed is a size for each node such as 800M or 64G")
