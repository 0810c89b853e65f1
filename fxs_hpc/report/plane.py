"""Pictures of fields in the plane that are given on rings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from fxs_hpc.report.figure import blank, save

PIXELS = 401
_DECADES = 6
"""Decades of a logarithmic scale."""
_PANEL, _GAP, _TOP = 3.2, 1.55, 0.65
"""Width of a picture, what stands between two of them (colour bar, labels), and room for the titles, in inches."""


@dataclass(frozen=True)
class PlanePanel:
    """One picture.

    Parameters
    ----------
    title : written above it.
    values : (N, n_phi) real field on rings.
    diverging : colours are symmetric about 0.
    logarithmic : logarithmic colours over at most six decades.
    r, radius : rings (N,) and half width of this picture, where they differ from those of the others.
    unit : of both axes.
    """

    title: str
    values: NDArray
    diverging: bool = False
    logarithmic: bool = False
    r: NDArray[np.floating] | None = None
    radius: float | None = None
    unit: str = "Å"


def plot_plane(
    path: Path, panels: Sequence[PlanePanel], r: NDArray[np.floating], phi: NDArray[np.floating], radius: float, subtitle: str = ""
) -> None:
    """Draw fields side by side in Cartesian coordinates, x to the right, y upwards, each with its colour bar.

    Parameters
    ----------
    r, phi : radii (N,) ascending, angles (n_phi,) uniform from 0 in rad.
    radius : half width of the pictures.
    subtitle : written above all of them.
    """
    width = len(panels) * (_PANEL + _GAP)
    height = _PANEL + _TOP + 0.6
    figure = blank(width, height)
    for number, panel in enumerate(panels):
        left = 0.65 + number * (_PANEL + _GAP)
        axes = figure.add_axes((left / width, 0.5 / height, _PANEL / width, _PANEL / height))
        bar = figure.add_axes(((left + _PANEL + 0.1) / width, 0.5 / height, 0.13 / width, _PANEL / height))
        _draw(figure, axes, bar, panel, r if panel.r is None else panel.r, phi, radius if panel.radius is None else panel.radius)
    figure.text(0.5, 1 - 0.2 / height, subtitle, fontsize=11, ha="center", va="center")
    save(figure, path)


def cartesian(
    values: NDArray[np.floating], r: NDArray[np.floating], phi: NDArray[np.floating], radius: float, pixels: int = PIXELS
) -> NDArray[np.float64]:
    """Field (N, n_phi) on `pixels` x `pixels` points [y, x] of -radius..radius, linear between the rings, NaN beyond the outermost one."""
    ticks = np.linspace(-radius, radius, pixels)
    x, y = np.meshgrid(ticks, ticks)
    distance, angle = np.hypot(x, y), np.arctan2(y, x) % (2 * np.pi)
    closed = np.concatenate([values, values[:, :1]], axis=1).astype(float)
    places = [np.interp(distance, r, np.arange(len(r))), angle * len(phi) / (2 * np.pi)]
    sampled = map_coordinates(closed, places, order=1, mode="nearest")
    return np.where(distance <= r[-1], sampled, np.nan)


def _norm(image: NDArray[np.float64], panel: PlanePanel) -> Normalize:
    finite = image[np.isfinite(image)]
    lowest, highest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if panel.diverging:
        largest = max(abs(lowest), abs(highest)) or 1.0
        return Normalize(-largest, largest)
    if panel.logarithmic:
        highest = highest if highest > 0 else 1.0
        positive = finite[finite > 0]
        lowest = max(float(positive.min()) if positive.size else 0.0, highest * 10.0**-_DECADES)
        return LogNorm(min(lowest, highest / 10), highest, clip=True)
    return Normalize(min(lowest, 0.0), highest if highest > min(lowest, 0.0) else 1.0)


def _draw(
    figure: Figure, axes: Axes, bar: Axes, panel: PlanePanel, r: NDArray[np.floating], phi: NDArray[np.floating], radius: float
) -> None:
    image = cartesian(panel.values, r, phi, radius)
    shown = axes.imshow(
        image,
        origin="lower",
        extent=(-radius, radius, -radius, radius),
        norm=_norm(image, panel),
        cmap="RdBu_r" if panel.diverging else "magma",
        interpolation="nearest",
        aspect="equal",
    )
    axes.set_title(panel.title, fontsize=10)
    letters = ("$q_x$", "$q_y$") if panel.unit.startswith("1/") else ("x", "y")
    axes.set_xlabel(f"{letters[0]} ({panel.unit})", fontsize=9)
    axes.set_ylabel(f"{letters[1]} ({panel.unit})", fontsize=9, labelpad=1)
    axes.set_facecolor("0.85")
    axes.tick_params(labelsize=8)
    colour_bar = figure.colorbar(shown, cax=bar)
    colour_bar.ax.tick_params(labelsize=8)
