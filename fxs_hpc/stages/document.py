"""docs/stages.md from the table of stages: python -m fxs_hpc.stages.document docs/stages.md."""

import sys
from collections.abc import Iterable
from pathlib import Path

from fxs_hpc.stages.emc.row import EmcRow
from fxs_hpc.stages.emc.table import STAGES
from fxs_hpc.stages.fxs.row import FOLDERS, FxsRow
from fxs_hpc.stages.row import Row
from fxs_hpc.stages.table import PIPELINES

LAUNCH = {"serial": "one process", "mpi": "MPI ranks", "array": "independent tasks"}
HEAD = """# The stages

Made from the table of stages by `make docs`. `{key}` stands for the value of a key of config.ini; paths count from home_dir. "goes on":
a stage that was interrupted continues from its last iteration or checkpoint; others begin anew.
"""
TITLES = {"fxs": "fxs: fluctuation X-ray scattering", "emc": "emc: serial microcrystallography by expand-maximize-compress"}


def markdown() -> str:
    """The page."""
    parts = [HEAD]
    for pipeline, rows in PIPELINES.items():
        parts += [f"\n## {TITLES[pipeline]}\n\n", *_table(rows)]
    chained = {row.name for row in PIPELINES["emc"]}
    others = [EmcRow(stage) for stage in STAGES.values() if stage.name not in chained]
    parts += ["\nNot part of the chain, for single use (`fxs-hpc emc STAGE`):\n\n", *_table(others)]
    return "".join(parts)


def _table(rows: Iterable[Row]) -> list[str]:
    head = "| stage | does | run by | reads | makes | wall time of its job | goes on |\n|---|---|---|---|---|---|---|\n"
    return [head, *map(_line, rows)]


def _line(row: Row) -> str:
    reads, makes = _files(row)
    cells = [f"`{row.name}`", row.summary, LAUNCH[row.launch], _code(reads), _code(makes), row.resources.time]
    return f"| {' | '.join([*cells, 'yes' if row.resumable else ''])} |\n"


def _files(row: Row) -> tuple[Iterable[str], Iterable[str]]:
    if isinstance(row, EmcRow):
        return row.stage.reads, row.stage.makes
    if isinstance(row, FxsRow):
        return ([FOLDERS[row.reads]] if row.reads else []), [FOLDERS[row.name]]
    return (), ()


def _code(paths: Iterable[str]) -> str:
    return ", ".join(f"`{path}`" for path in paths)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(markdown(), encoding="utf-8")
