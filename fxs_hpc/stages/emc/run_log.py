"""run.log: what a run says, kept beside EMC.log."""

import os
from collections.abc import Callable
from pathlib import Path


class RunLog:
    """Prints lines and keeps them.

    Where standard output goes into that very file already (`... > run.log`, as the document has it), nothing is written twice.

    Parameters
    ----------
    say : callable
        Prints a line.
    path : Path
    fresh : bool
        Begin the file anew.
    """

    def __init__(self, say: Callable[[str], None], path: Path, fresh: bool) -> None:
        self._say, self._path = say, path
        self._doubled = path.exists() and _is_standard_output(path)
        if fresh and not self._doubled:
            path.unlink(missing_ok=True)

    def __call__(self, line: str) -> None:
        """Say a line."""
        self._say(line)
        if not self._doubled:
            with self._path.open("a") as stream:
                stream.write(line + "\n")


def _is_standard_output(path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(1), path.stat())
    except OSError:
        return False
