"""Where a result came from: version, command, machine, date, hashes of the inputs."""

import hashlib
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

import fxs_hpc

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


def text_sha256(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def origin(command_line: str, source: Path | None, inputs: Sequence[Path] = (), **more: Any) -> dict[str, Any]:
    """What stands beside every result.

    Parameters
    ----------
    command_line : str
        What the user typed.
    source : Path, optional
        The settings file.
    inputs : sequence of Path
        Files whose contents went into the result; their SHA-256 are stored.
    more
        Further entries, in plain values.
    """
    return {
        "version": fxs_hpc.__version__,
        "command_line": command_line,
        "settings_file": str(source),
        **more,
        "host": platform.node(),
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": {str(path): sha256(path) for path in inputs},
    }
