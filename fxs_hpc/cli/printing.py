"""What `fxs-hpc fxs` prints around the stages."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.settings import Loaded
from fxs_hpc.stages.cores import available_memory
from fxs_hpc.stages.fxs.context import Plan

PICTURES = (".png", ".vts", ".vti", ".vtr")
SHOWN_CHANGES = 8
SHOWN_PICTURES = 12


def announce(number: int, total: int, loaded: Loaded) -> None:
    """One line on what comes, one on its settings, one on what differs from the defaults."""
    count = f"[{number}/{total}] " if total > 1 else ""
    click.echo(click.style(f"{count}{loaded.command}: {COMMANDS[loaded.command].summary}", bold=True))
    click.echo(f"  settings {nice(loaded.source)}")
    changes = [f"{key} = {_short(value)}" for key, value in loaded.changed.items()]
    if changes:
        more = f", and {len(changes) - SHOWN_CHANGES} more" if len(changes) > SHOWN_CHANGES else ""
        click.echo(f"  not default: {', '.join(changes[:SHOWN_CHANGES])}{more}")
    for note in loaded.notes:
        click.echo(f"  note: {note}")


def show_plan(plan: Plan, home: Path, cores: int) -> None:
    """Memory and disk that a stage needs beside what there is."""
    for line in plan.lines:
        click.echo(f"  {line}")
    memory, disk = available_memory(), shutil.disk_usage(_existing(home)).free
    needs = f"memory {in_bytes(plan.memory)} (free {in_bytes(memory)}), disk {in_bytes(plan.disk)} (free {in_bytes(disk)})"
    click.echo(f"  {needs}, cores {cores}")
    for name, needed, free in (("memory", plan.memory, memory), ("disk", plan.disk, disk)):
        if needed > free:
            click.echo(f"  warning: more {name} is needed than is free")


def show_pictures(folders: Sequence[Path]) -> None:
    """The pictures and VTK files of a chain, by folder."""
    for folder in folders:
        pictures = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix in PICTURES)
        if pictures:
            click.echo(click.style(f"Look at, in {nice(folder)}:", bold=True))
        for path in pictures[:SHOWN_PICTURES]:
            click.echo(f"  {path}")
        if len(pictures) > SHOWN_PICTURES:
            click.echo(f"  and {len(pictures) - SHOWN_PICTURES} more")


def nice(path: Path) -> Path:
    """`path` as seen from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _short(value: Any) -> str:
    if isinstance(value, dict) and set(value) == {"command"}:
        value = value["command"]
    if isinstance(value, list) and len(value) > 2 and all(item == value[0] for item in value):
        value = f"[{value[0]}]*{len(value)}"
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def in_bytes(count: int) -> str:
    """A number of bytes with its unit."""
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
