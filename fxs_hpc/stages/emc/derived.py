"""setup-local/STAGE.json: what a stage of the local set-up derived from config.ini, which nothing edits."""

import json
from pathlib import Path
from typing import Any

from fxs_hpc.config.emc.halves import half_path
from fxs_hpc.files.atomic import write_text
from fxs_hpc.stages.emc.context import Context
from fxs_hpc.stages.emc.finished_runs import half

FOLDER = "setup-local"


def record(context: Context, stage: str, **values: Any) -> Path:
    """Write the values, paths as texts, to setup-local/STAGE.json (of a half STAGE-A.json, STAGE-B.json); returns the file."""
    name, own = context.home / FOLDER / f"{stage}.json", half(context.config)
    path = half_path(name, own) if own else name
    write_text(path, json.dumps({key: str(value) if isinstance(value, Path) else value for key, value in values.items()}, indent=1) + "\n")
    return path
