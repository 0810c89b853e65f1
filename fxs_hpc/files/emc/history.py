"""history.jsonl: one JSON object per flag, for programs; keys are those of `emc.convergence.FlagRecord`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fxs_hpc.emc.convergence import FlagRecord
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.atomic import write_text

NAME = "history.jsonl"


def write(path: Path, history: Sequence[FlagRecord]) -> None:
    """Write all flags."""
    write_text(path, "".join(json.dumps(asdict(record)) + "\n" for record in history))


def read(path: Path) -> list[FlagRecord]:
    """All flags.

    Raises
    ------
    InputFileError
        The file is missing or of another version.
    """
    try:
        return [FlagRecord(**json.loads(line)) for line in Path(path).read_text().splitlines()]
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError) as error:
        raise InputFileError(f"{path}: is no history of this version ({error})") from None
