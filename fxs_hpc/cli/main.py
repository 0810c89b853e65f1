"""The command `fxs-hpc`."""

from pathlib import Path

import click

import fxs_hpc
from fxs_hpc.cli.check import check
from fxs_hpc.cli.cluster import COMMANDS
from fxs_hpc.cli.emc import emc
from fxs_hpc.cli.fxs import fxs
from fxs_hpc.cli.problems import reported
from fxs_hpc.cluster import job_files
from fxs_hpc.stages.working_directory import create


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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


@main.command(short_help="Make a directory to work in.")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("-v", "--debug", is_flag=True, help="Show where an error comes from.")
def init(directory: Path, debug: bool) -> None:
    """Make DIRECTORY a working directory: config.ini, settings, data folders. Files that exist are kept."""
    with reported(debug):
        made, kept = create(directory)
        made += job_files.write(directory / "jobs")
        click.echo(f"{directory}: {len(made)} files made" + (f", {len(kept)} kept as they are" if kept else ""))
        for path in kept:
            click.echo(f"  kept {path}")
        click.echo(f"next: cd {directory}; fxs-hpc fxs simulate_ccd demo extract demo reconstruct demo average demo")


main.add_command(fxs)
main.add_command(emc)
main.add_command(check)
for _command in COMMANDS:
    main.add_command(_command)
