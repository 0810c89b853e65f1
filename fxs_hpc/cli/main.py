"""The command `fxs-hpc`."""

import importlib
from collections.abc import Mapping

import click

import fxs_hpc

MODULES: Mapping[str, str] = {
    "init": "init",
    "fxs": "fxs",
    "emc": "emc",
    "check": "check",
    "run": "cluster",
    "submit": "cluster",
    "resume": "cluster",
    "status": "cluster",
    "logs": "cluster",
    "cancel": "cluster",
    "doctor": "cluster",
}
"""Command -> its module in this package, imported when it is asked for: every rank of every stage waits for what is imported."""


class Lazy(click.Group):
    """Imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the work."""
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in MODULES:
            return None
        command: click.Command = getattr(importlib.import_module(f"fxs_hpc.cli.{MODULES[cmd_name]}"), cmd_name)
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(fxs_hpc.__version__, prog_name="fxs-hpc")
def main() -> None:
    """X-ray scattering data into structures.

    \b
    Start here:
      fxs-hpc init work          make a working directory with settings
      cd work
      fxs-hpc fxs simulate_ccd tutorial extract tutorial reconstruct tutorial average tutorial
      fxs-hpc fxs --help         the commands of fluctuation X-ray scattering
      fxs-hpc emc --help         the stages of serial crystallography by expand-maximize-compress
    \b
    Whole pipelines:
      fxs-hpc run emc            here and now, from the first stage that is not done
      fxs-hpc submit emc         as jobs of a cluster; fxs-hpc status, logs, cancel, resume
    """
