"""A stage of EMC as a row of the table of stages."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.emc.sections import SECTIONS
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.errors import SettingsError
from fxs_hpc.files.atomic import write_text
from fxs_hpc.stages.emc.stage import Stage
from fxs_hpc.stages.emc.table import STAGES
from fxs_hpc.stages.row import Launch, Resources, Standing

RECORDS = "jobs/records"
"""Folder, in the working directory, of what each finished stage was run with."""


@dataclass(frozen=True)
class EmcRow:
    """One stage of `stages.emc.table`."""

    stage: Stage
    pipeline: Literal["emc"] = "emc"

    @property
    def name(self) -> str:
        """As typed."""
        return self.stage.name

    @property
    def launch(self) -> Launch:
        """One process or MPI ranks."""
        return self.stage.launch

    @property
    def summary(self) -> str:
        """One line."""
        return self.stage.summary

    @property
    def resources(self) -> Resources:
        """Of its cluster job."""
        return Resources("12:00:00" if self.launch == "mpi" else "2:00:00")

    @property
    def resumable(self) -> bool:
        """Whether it iterates, and goes on after the last complete iteration."""
        return self.stage.iterating

    def inputs(self, config: RunConfig) -> tuple[Path, ...]:
        """Files and folders that it reads."""
        return _paths(self.stage.reads, config)

    def missing(self, config: RunConfig) -> tuple[Path, ...]:
        """Inputs that are not there."""
        return tuple(path for path in self.inputs(config) if not path.exists())

    def outputs(self, config: RunConfig) -> tuple[Path, ...]:
        """Files and folders that it makes."""
        return _paths(self.stage.makes, config)

    def words(self, config: RunConfig) -> tuple[str, ...]:
        """Its command line."""
        keys = EmcConfig(config)
        arguments = tuple(text.format_map(_Values(keys)) for text in self.stage.arguments)
        return ("emc", self.name, str(config.path), *arguments)

    def parts(self, config: RunConfig) -> int:
        """1."""
        return 1

    def standing(self, config: RunConfig) -> Standing:
        """Done when its outputs are there, are no older than its inputs, and were made with the keys as they are now."""
        if self.stage.iterating or self.stage.judges:
            standing: Standing = self.stage.module.standing(EmcConfig(config))
            return standing
        outputs, inputs = self.outputs(config), self.inputs(config)
        lacking = [path for path in outputs if not path.exists()]
        if lacking or not outputs:
            return Standing(False, "")
        newer = [path for path in inputs if path.is_file() and _changed(path) > min(map(_changed, outputs))]
        if newer:
            return Standing(False, f"older than {_shown(newer[0], config)}")
        if changed := self._changed_keys(config):
            return Standing(False, f"made with another {', '.join(changed)}")
        return Standing(True, f"{_shown(outputs[0], config)} is there")

    def record(self, config: RunConfig) -> None:
        """Note what the stage, which has just ended well, was run with."""
        write_text(_record_path(self, config), json.dumps({"keys": self._keys(config)}, indent=1))

    def _keys(self, config: RunConfig) -> dict[str, Any]:
        keys = EmcConfig(config)
        return {name: value for model in self.stage.sections for name, value in keys.section(model).model_dump(mode="json").items()}

    def _changed_keys(self, config: RunConfig) -> list[str]:
        """Keys whose value is not that of the last run; none where nothing was noted."""
        path = _record_path(self, config)
        if not path.exists():
            return []
        then, now = json.loads(path.read_text(encoding="utf-8"))["keys"], self._keys(config)
        return sorted(name for name in then.keys() & now.keys() if then[name] != now[name])


class _Values(dict):
    """Values of EMC keys, for `str.format_map`."""

    def __init__(self, keys: EmcConfig) -> None:
        super().__init__()
        self._keys = keys

    def __missing__(self, name: str) -> str:
        for model in SECTIONS.values():
            if name in model.model_fields:
                return str(getattr(self._keys.section(model), name))
        raise SettingsError(f"no section of config.ini has the key {name}")


def _paths(templates: Iterable[str], config: RunConfig) -> tuple[Path, ...]:
    keys = EmcConfig(config)
    texts = (template.format_map(_Values(keys)) for template in templates)
    return tuple(keys.path(text) for text in texts if text != "None")


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _shown(path: Path, config: RunConfig) -> str:
    return str(path.relative_to(config.home) if path.is_relative_to(config.home) else path)


def _record_path(row: EmcRow, config: RunConfig) -> Path:
    return config.home / RECORDS / f"{row.name}.json"


ROWS = tuple(EmcRow(stage) for stage in STAGES.values() if stage.chained)
