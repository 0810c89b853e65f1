"""Empty figures of one look, and writing them."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fxs_hpc.files.atomic import replacing

BLUE, ORANGE, GREY, RED = "#1f5a94", "#d9822b", "#8a8a8a", "#b3261e"
DPI = 120


def blank(width: float, height: float, *, left: float = 0.8, right: float = 0.25, bottom: float = 0.6, top: float = 0.45) -> Figure:
    """A figure of this size, with these margins, in inches. (A layout that measures the labels takes longer than drawing them.)"""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure


def plain(axes: Axes, title: str, x: str, y: str) -> None:
    """Title, labels, a light grid, no box."""
    axes.set_title(title, loc="left", fontsize=11, y=1.0)  # a height that is given is not measured from all labels
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI)
