"""The merged settings, written next to every result, with where they came from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fxs_hpc.config.fields import Section
from fxs_hpc.files.atomic import write_text
from fxs_hpc.stages.fxs.context import Context
from fxs_hpc.stages.provenance import as_yaml, origin


def write(
    folder: Path,
    filename: str,
    settings: Section,
    context: Context,
    inputs: Sequence[Path] = (),
    seed: int | None = None,
    **more: Any,
) -> Path:
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
    more
        Further entries of the provenance block, in plain values.
    """
    block = origin(context.command_line, context.source, inputs, precision=context.precision, threads=context.threads, seed=seed, **more)
    path = folder / filename
    write_text(path, as_yaml(settings.tree()) + as_yaml({"provenance": block}))
    return path
