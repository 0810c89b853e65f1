"""The files of jobs/: one sbatch script and one submitit script for each stage."""

import sys
from pathlib import Path

from fxs_hpc.cluster import sbatch
from fxs_hpc.cluster.request import request
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.stages.table import PIPELINES

RANKS, TASKS = 8, 8
"""Written into the scripts, for users to edit."""


def texts() -> dict[str, str]:
    """File name -> text."""
    config = RunConfig(Path("."), ranks=RANKS)
    rows = [row for pipeline in PIPELINES.values() for row in pipeline]
    return sbatch.all_texts({row.name: request(row, config) for row in rows}, rows, TASKS)


def write(folder: Path) -> list[Path]:
    """Write those that are not there; returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    new = {folder / name: text for name, text in texts().items() if not (folder / name).exists()}
    for path, text in new.items():
        path.write_text(text, encoding="utf-8")
    return list(new)


if __name__ == "__main__":
    for _name, _text in texts().items():
        (Path(sys.argv[1]) / _name).write_text(_text, encoding="utf-8")
