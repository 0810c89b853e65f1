"""How errors reach the user: one sentence and an exit code; the traceback only on request."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

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
    except Exception as error:
        _show(debug)
        hint = "" if debug else "; --debug shows where"
        click.echo(f"error: unexpected {type(error).__name__}: {error} (a fault of the program{hint})", err=True)
        sys.exit(1)


def _show(debug: bool) -> None:
    if debug:
        traceback.print_exc()
