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

INTERRUPTED = 130


@contextmanager
def reported(debug: bool) -> Iterator[None]:
    """Print an error raised inside as `error: ...` and exit with its code; with `debug` show the traceback first."""
    try:
        yield
    except FxsError as error:
        _show(debug)
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("\ninterrupted: results that were complete are kept; --resume continues an unfinished `reconstruct`", err=True)
        sys.exit(INTERRUPTED)
    except click.exceptions.Exit:
        raise
    except click.ClickException:
        raise
    except BrokenPipeError:
        sys.exit(1)
    except MemoryError:
        _show(debug)
        click.echo("error: out of memory; --dry-run says how much is needed", err=True)
        sys.exit(1)
    except OSError as error:
        _show(debug)
        click.echo(f"error: {_of_system(error, debug)}", err=True)
        sys.exit(1)
    except Exception as error:
        _show(debug)
        click.echo(f"error: {_unexpected(error, debug)}", err=True)
        sys.exit(1)


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


def _unexpected(error: Exception, debug: bool) -> str:
    hint = "" if debug else "; --debug shows where"
    return f"unexpected {type(error).__name__}: {error} (a fault of the program{hint})"


def _show(debug: bool) -> None:
    if debug:
        traceback.print_exc()
