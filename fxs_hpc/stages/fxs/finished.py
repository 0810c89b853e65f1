"""Which commands of a chain are done already: decided by what lies on disk, not by what was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import fxs_hpc
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.checkpoint import CHECKPOINTS
from fxs_hpc.files.pattern_lists import digest
from fxs_hpc.stages import provenance
from fxs_hpc.stages.fxs import extract_files
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.fxs.pattern_inputs import input_files, object_files, patterns_of
from fxs_hpc.stages.fxs.workspace import Workspace

_NOT_COMPARED = ("IO", "provenance", "settings_version")


@dataclass(frozen=True)
class _Product:
    """Main file of a command and its input, as keys of IO.files, and the file its settings are kept in."""

    result: str
    source: str | None
    settings: str = "settings.yaml"


_PRODUCTS = {
    "simulate_ccd": _Product("ccd", None),
    "simulate_patterns": _Product("patterns", "object"),
    "correlate": _Product("ccd", "input_file_list"),
    "extract": _Product("invariants", "invariant_source", "extraction_settings.yaml"),
    "reconstruct": _Product("reconstructions", "invariants"),
    "average": _Product("average_results", "reconstructions"),
}


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted key -> value."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {key: value for name, item in tree.items() for key, value in flat(item, f"{prefix}.{name}" if prefix else name).items()}


def differing(stored: dict[str, Any], settings: Any, ignored: Sequence[str]) -> list[str]:
    """Dotted keys whose value in a stored settings file is not that of `settings`; top-level keys `ignored` do not count."""
    now = yaml.safe_load(provenance.as_yaml(settings.tree()))
    trees = [flat({key: value for key, value in tree.items() if key not in ignored}) for tree in (stored, now)]
    return sorted(key for key in trees[0].keys() | trees[1].keys() if trees[0].get(key) != trees[1].get(key))


def finished(command: str, settings: Any, context: Context) -> Path | None:
    """Folder of the newest complete run of `command` with these settings, this version and the inputs as they are now, or None."""
    product, workspace = _PRODUCTS[command], context.workspace
    try:
        hashes = {provenance.sha256(path) for path in _inputs(product, settings, context)}
        patterns = digest(patterns_of(settings, context)[1]) if command == "correlate" else None
    except (InputFileError, FileNotFoundError):
        return None
    results = [path for first in _examples(product, workspace) for path in first.parent.parent.parent.glob(f"*/run_*/{first.name}")]
    for result in sorted(results, key=lambda path: path.stat().st_mtime, reverse=True):
        folder = result.parent
        if not any(folder.glob(CHECKPOINTS)) and _same(folder / product.settings, settings, context, hashes, patterns):
            return folder
    return None


def _examples(product: _Product, workspace: Workspace) -> list[Path]:
    """Where run 0 would lie; where the settings do not say the dimensions (average), for each of them."""
    dimensions = (2, 3) if workspace.dimensions is None else (workspace.dimensions,)
    return [workspace.file(product.result, run=0, dimensions=number) for number in dimensions]


def _inputs(product: _Product, settings: Any, context: Context) -> list[Path]:
    if product.source is None:
        return []
    if product.source == "reconstructions":
        return list(context.workspace.paths(product.source, settings.reconstruction_files))
    if product.source == "object":
        return object_files(settings, context)
    if product.source == "input_file_list":
        return input_files(settings, context)
    if product.source == "invariant_source":
        return extract_files.input_files(settings, context)
    return [context.workspace.find(product.source)]


def _same(path: Path, settings: Any, context: Context, hashes: set[str], patterns: str | None) -> bool:
    if not path.exists():
        return False
    stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    block = stored.get("provenance", {})
    return (
        block.get("version") == fxs_hpc.__version__
        and block.get("precision") == context.precision
        and set((block.get("inputs") or {}).values()) == hashes
        and block.get("patterns") == patterns
        and not differing(stored, settings, _NOT_COMPARED)
    )
