"""The table of all stages of both pipelines, in the order of the work.

Command line, local runs, cluster jobs, status, resume and the documentation read it. Adding a stage is adding a row (to
`stages.fxs.row` or `stages.emc.table`) and a function.
"""

from collections.abc import Mapping, Sequence

from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.nearest import suggestion
from fxs_hpc.errors import UsageError
from fxs_hpc.stages.emc.row import ROWS as EMC_ROWS
from fxs_hpc.stages.fxs.row import ROWS as FXS_ROWS
from fxs_hpc.stages.row import Row

PIPELINES: Mapping[str, tuple[Row, ...]] = {"fxs": FXS_ROWS, "emc": EMC_ROWS}


def chain(pipeline: str, first: str | None = None, last: str | None = None) -> tuple[Row, ...]:
    """Stages of `pipeline` from `first` to `last`, both included.

    Raises
    ------
    UsageError
        There is no such stage, or they are in the wrong order.
    """
    rows = PIPELINES[pipeline]
    names = [row.name for row in rows]
    for name in (first, last):
        if name is not None and name not in names:
            raise UsageError(f"{pipeline} has no stage {name!r}{suggestion(name, names)}; its stages are {', '.join(names)}")
    begin = names.index(first) if first else 0
    end = names.index(last) if last else len(rows) - 1
    if begin > end:
        raise UsageError(f"{first} comes after {last}; the order is {', '.join(names)}")
    return rows[begin : end + 1]


def chain_of(pipeline: str, config: RunConfig, first: str | None = None, last: str | None = None) -> tuple[Row, ...]:
    """As `chain`, without the commands that config.ini names no settings for (unless they are asked for)."""
    rows = chain(pipeline, first, last)
    return tuple(row for row in rows if row.pipeline != "fxs" or row.name in (first, last) or config.settings_names.get(row.name))


def row_named(name: str) -> Row:
    """The stage called `name`, of either pipeline.

    Raises
    ------
    UsageError
        There is none.
    """
    rows = {row.name: row for pipeline in PIPELINES.values() for row in pipeline}
    if name not in rows:
        raise UsageError(f"there is no stage {name!r}{suggestion(name, rows)}; the stages are {', '.join(rows)}")
    return rows[name]


def parents(row: Row, rows: Sequence[Row], config: RunConfig) -> list[Row]:
    """Those of `rows`, which stand in the order of the work, that make what `row` reads."""
    needed = set(row.inputs(config))
    before = rows[: list(rows).index(row)]
    return [other for other in before if needed & set(other.outputs(config))]
