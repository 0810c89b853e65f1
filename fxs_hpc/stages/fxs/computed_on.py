"""What reconstructions were computed on: an entry in the provenance of their run for every start and every --resume.

Any device may continue what another began. Their last bits differ, and the iteration is chaotic, so that the result is then not that of
a run on one of them alone; it is as good. The entries say which part ran where.
"""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from fxs_hpc.files.atomic import write_text
from fxs_hpc.files.checkpoint import read_standing
from fxs_hpc.files.lock import in_turn
from fxs_hpc.stages.fxs.device import Selected
from fxs_hpc.stages.fxs.phasing_worker import checkpoint_path
from fxs_hpc.stages.provenance import as_yaml

KEY = "computed_on"
_BLOCK = "\nprovenance:\n"


def note(folder: Path, selected: Selected, numbers: Sequence[int]) -> tuple[str, ...]:
    """Write what computes the reconstructions `numbers` from now on to settings.yaml in the run folder.

    Returns what is to be said of reconstructions that something else began. Tasks that share the folder do it in turn.
    """
    continued = {number: position for number in numbers if (position := _position(folder, number))}
    entry = {
        "device": name(selected),
        **_driver(selected),
        "precision": selected.precision,
        "why": selected.why,
        "host": platform.node(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "reconstructions": list(numbers),
        "continued_from_operation": continued,
    }
    with in_turn(folder.parent.parent):
        path = folder / "settings.yaml"
        head, _, _ = path.read_text(encoding="utf-8").partition(_BLOCK)
        block = _provenance(path)
        before = list(block.get(KEY, []))
        block[KEY] = [*before, entry]
        write_text(path, head + "\n" + as_yaml({"provenance": block}))
    return _differences(before, entry, continued)


def name(selected: Selected) -> str:
    """Title of the device, or CPU."""
    return "CPU" if selected.device is None else selected.device.title


def _driver(selected: Selected) -> dict[str, str]:
    device = selected.device
    return {} if device is None else {"platform": device.version, "driver": device.driver}


def _position(folder: Path, number: int) -> int:
    path = checkpoint_path(folder, number)
    return read_standing(path)[0] if path.exists() else 0


def _provenance(path: Path) -> dict[str, Any]:
    block: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["provenance"]
    return block


def _kind(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(key) for key in ("device", "platform", "driver", "precision"))


def _differences(before: list[dict[str, Any]], entry: dict[str, Any], continued: dict[int, int]) -> tuple[str, ...]:
    lines = []
    for earlier in before:
        changed = sorted(set(earlier["reconstructions"]) & continued.keys())
        if changed and _kind(earlier) != _kind(entry):
            numbers = ", ".join(map(str, changed))
            lines.append(
                f"note: P{numbers} began on {_told(earlier)} and go on on {_told(entry)}: last bits differ between them, so that the "
                f"result is not that of one of them alone ({KEY} in settings.yaml says which part ran where)"
            )
    return tuple(lines)


def _told(entry: dict[str, Any]) -> str:
    driver = f" (driver {entry['driver']})" if "driver" in entry else ""
    return f"{entry['device']}{driver}, {entry['precision']} precision"


def lines(folder: Path) -> tuple[str, ...]:
    """One line for each entry of a run."""
    return tuple(
        f"{_told(entry)}, host {entry['host']}, {entry['date']}: reconstructions {', '.join(map(str, entry['reconstructions']))}"
        + (f"; continued from operation {entry['continued_from_operation']}" if entry["continued_from_operation"] else "")
        for entry in _provenance(folder / "settings.yaml").get(KEY, [])
    )
