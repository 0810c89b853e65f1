"""Arguments of single EMC stages, besides those that all have."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fxs_hpc.stages.duration import seconds


class TimeLimit(click.ParamType):
    """A time as SLURM writes it, in seconds: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        try:
            return seconds(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write minutes, hours:minutes:seconds or days-hours, for example 90 or 1:30:00", param, ctx)


def _flag(name: str, text: str, variable: str | None = None) -> Callable[[], click.Parameter]:
    return lambda: click.Option([f"--{name}", *([variable] if variable else [])], is_flag=True, help=text)


def _count(name: str, required: bool, default: int | None = None) -> Callable[[], click.Parameter]:
    return lambda: click.Argument([name], type=click.IntRange(min=1), required=required, default=default)


def _file(name: str, text: str) -> Callable[[], click.Parameter]:
    return lambda: click.Option([f"--{name}"], type=click.Path(dir_okay=False, path_type=Path), help=text)


def _time_limit() -> click.Parameter:
    return click.Option(["--time-limit"], type=TimeLimit(), help="Stop cleanly before this is over: 90 (minutes), 1:30:00, 1-12.")


_ITERATING = (
    _count("iterations", required=True),
    _flag("resume", "Continue after the last complete iteration."),
    _flag("until-converged", "Stop as soon as nothing changes any more; ITERATIONS is the most."),
    _time_limit,
)

EXTRA: Mapping[str, Sequence[Callable[[], click.Parameter]]] = {
    "convert-data": (
        lambda: click.Argument(["target"], type=click.Path(dir_okay=False, path_type=Path)),
        _file("background", "Backgrounds of a dense TARGET; without it mpi-bg_model.bin beside TARGET."),
    ),
    "evaluate-front-end": (
        _file("truth", "Truth of the frames; without it simulate-frames/truth.h5."),
        lambda: click.Option(["--compared"], type=click.IntRange(min=1), default=300, help="Most frames whose peaks are looked at (300)."),
    ),
    "make-mask": (lambda: click.Argument(["frame"], required=False, type=click.Path(path_type=Path)),),
    "make-filelists": (lambda: click.Argument(["frames"], required=False, metavar="[PATTERN]"),),
    "make-quaternion": (_count("num_div", required=False),),
    "low-res-emc": (
        *_ITERATING,
        _flag("intens", "Update the intensity only; the scale factors stay.", "intensity_only"),
    ),
    "local-update": _ITERATING,
    "make-map": (
        lambda: click.Option(
            ["--of", "kind"],
            type=click.Choice(["off-grid", "high-res-recon", "low-res-recon"]),
            help="Of which reconstruction; without it the best there is.",
        ),
        lambda: click.Option(["--edge"], type=click.IntRange(16, 2048), help="Points along an edge, at most; without it map_edge."),
    ),
    "resolution": (
        _flag("resume", "Go on with halves that are there."),
        lambda: click.Option(
            ["--method"],
            type=click.Choice(["off-grid", "grid"]),
            help="refine-orientations, or low-res-emc to local-update; without it resolution_method.",
        ),
        _time_limit,
    ),
    "cal-CC": (lambda: click.Option(["--shells"], type=click.IntRange(min=3), default=10, help="Shells of equal volume (10)."),),
    "refine-orientations": (
        _count("rounds", required=False, default=3),
        _flag("resume", "Continue after the last complete round."),
        lambda: click.Option(
            ["--start"],
            type=click.Choice(["candidates", "low-res"]),
            default="candidates",
            show_default=True,
            help="Begin from the candidates of orient-peak with equal intensities, or from low-res-emc.",
        ),
        _flag("recover", "At the end search the frames that reduce-data left out."),
        _flag("second-lattice", "At the end look for a second crystal in the frames that are not accepted."),
    ),
}
"""Stage -> functions that make its click parameters; their names are those of the arguments of the stage's `run`."""
