"""One writer per folder, or several that agree on their shares."""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from fxs_hpc.errors import UsageError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder`/.lock; the system lets go of it when the process ends, however it ends.

    Raises
    ------
    UsageError
        Another process writes there; the message names it.
    """
    with _taken(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as stream:
        _sign(stream)
        yield


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Hold `folder`/.lock together with others that do the same, against those who want it for themselves.

    Raises
    ------
    UsageError
        One of those is at work there.
    """
    with _taken(folder, fcntl.LOCK_SH | fcntl.LOCK_NB):
        yield


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """As `locked`, but wait for the others: for what takes a moment."""
    with _taken(folder, fcntl.LOCK_EX) as stream:
        _sign(stream)
        yield


@contextmanager
def _taken(folder: Path, how: int) -> Iterator[TextIO]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as stream:
        try:
            fcntl.flock(stream, how)
        except OSError:
            stream.seek(0)
            raise UsageError(f"{folder}: another process is writing there ({stream.read().strip()}); wait for it or stop it") from None
        yield stream


def _sign(stream: TextIO) -> None:
    stream.truncate(0)
    stream.write(f"host {platform.node()}, process {os.getpid()}, since {datetime.now(UTC).isoformat(timespec='seconds')}\n")
    stream.flush()
