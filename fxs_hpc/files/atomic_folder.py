"""A folder of results appears whole or not at all: made under a temporary name, brought to disk, renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fxs_hpc.files.atomic import fsync


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; on a clean exit it becomes `path`, which must not exist.

    The files in it have to be on disk already (see `files.atomic`). What a killed process left under the temporary name is removed first.
    """
    temporary = temporary_folder(path)
    try:
        yield temporary
        put_in_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_folder(path: Path) -> Path:
    """An empty folder beside `path`, to be handed to `put_in_place` when it is full."""
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a complete folder to `path`; its files are on disk already, now its entries and its name."""
    fsync(temporary)
    os.rename(temporary, path)
    fsync(path.parent)
