"""The merged settings, written next to every result, with where they came from."""

import hashlib
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

import fxs_hpc
from fxs_hpc.config.fields import Section
from fxs_hpc.files.atomic import replacing
from fxs_hpc.stages.context import Context

CHUNK = 1 << 22


class _Dumper(yaml.SafeDumper):
    """Dumper that writes lists of plain values on one line."""


def _sequence(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=not any(isinstance(value, dict) for value in values))


_Dumper.add_representer(list, _sequence)


def as_yaml(tree: Any) -> str:
    """`tree` as YAML text."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=140)


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write(folder: Path, filename: str, settings: Section, context: Context, inputs: Sequence[Path] = (), seed: int | None = None) -> Path:
    """Write `settings` with all defaults to `folder/filename`, followed by a `provenance` block.

    The file can be used as settings again; its `provenance` block is ignored then.

    Parameters
    ----------
    settings : Section
        The model that the stage was given.
    inputs : sequence of Path
        Files whose contents went into the result; their SHA-256 are stored.
    seed : int, optional
        The seed that was used, where the settings leave it open.
    """
    block = {
        "version": fxs_hpc.__version__,
        "command_line": context.command_line,
        "settings_file": str(context.source),
        "precision": context.precision,
        "threads": context.threads,
        "host": platform.node(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "inputs": {str(path): sha256(path) for path in inputs},
    }
    path = folder / filename
    with replacing(path) as temporary:
        temporary.write_text(as_yaml(settings.tree()) + as_yaml({"provenance": block}), encoding="utf-8")
    return path
