"""How errors reach the user: one sentence and an exit code; the traceback only on request."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from fxs_hpc.errors import FxsError
from fxs_hpc.parallel.communicator import Alone, Communicator, is_everywhere, name

INTERRUPTED = 130


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """Print an error raised inside as `error: ...` and exit with its code; with `debug` show the traceback first."""
    with reported_by(Alone(), debug):
        yield


@contextmanager
def reported_by(ranks: Communicator, debug: bool) -> Iterator[None]:
    """As `reported`, for several ranks: an error of one names the rank and ends them all, so that none waits for ever."""
    try:
        yield
    except (click.exceptions.Exit, click.ClickException):
        raise
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            raise
        message, code = _in_words(error, debug)
        everywhere = is_everywhere(error)
        if ranks.rank == 0 or not everywhere:
            if debug:
                traceback.print_exc()
            if message:
                click.echo(message if ranks.size == 1 or everywhere else f"{name(ranks)}: {message}", err=True)
            sys.stderr.flush()
        if ranks.size > 1 and not everywhere:
            ranks.abort(code)
        sys.exit(code)


def _in_words(error: BaseException, debug: bool) -> tuple[str, int]:
    """Message and exit code of an error."""
    match error:
        case FxsError():
            return f"error: {error}", error.exit_code
        case KeyboardInterrupt():
            return "\ninterrupted: results that were complete are kept; --resume continues an unfinished run", INTERRUPTED
        case BrokenPipeError():
            return "", 1
        case MemoryError():
            return "error: out of memory; --dry-run (of fxs) and `fxs-hpc check` (of emc) say how much is needed", 1
        case OSError():
            return f"error: {_of_system(error, debug)}", 1
        case SystemExit():
            return "", error.code if isinstance(error.code, int) else 1
        case _:
            return f"error: {_unexpected(error, debug)}", 1


def _of_system(error: OSError, debug: bool) -> str:
    """What the operating system refused, in a sentence; HDF5 hides the file's name in its message."""
    hidden = re.search(r"filename = '([^']+)'", str(error))
    path = Path(os.fsdecode(error.filename)) if error.filename else Path(hidden[1]) if hidden else None
    where = f"in {path.parent}" if path else "where the results go"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space is left {where}; nothing complete was lost. Free some: --dry-run says how much a command needs"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"nothing may be written {where} ({os.strerror(error.errno)}); change its permissions, or home_dir in config.ini"
    return _unexpected(error, debug)


def _unexpected(error: BaseException, debug: bool) -> str:
    hint = "" if debug else "; --debug shows where"
    return f"unexpected {type(error).__name__}: {error} (a fault of the program{hint})"
