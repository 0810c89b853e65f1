"""One writer per folder."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fxs_hpc.errors import UsageError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder`/.lock; the system lets go of it when the process ends, however it ends.

    Raises
    ------
    UsageError
        Another process writes there; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            stream.seek(0)
            raise UsageError(f"{folder}: another process is writing there ({stream.read().strip()}); wait for it or stop it") from None
        stream.truncate(0)
        stream.write(f"host {platform.node()}, process {os.getpid()}, since {datetime.now(UTC).isoformat(timespec='seconds')}\n")
        stream.flush()
        yield
