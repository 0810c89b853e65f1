"""`fxs-hpc init`."""

from pathlib import Path

import click

from fxs_hpc.cli.problems import reported
from fxs_hpc.cluster import job_files
from fxs_hpc.stages.working_directory import create


@click.command(short_help="Make a directory to work in.")
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
        click.echo("or:   fxs-hpc emc simulate-frames; fxs-hpc run emc")
