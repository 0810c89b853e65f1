"""Orientations found, on the sphere: the beam as the crystal sees it, and a crystal axis as the laboratory sees it.

Crystals in random orientations fill both spheres evenly. Lines and holes mean preferred orientations, frames that were not indexed, or
wrong orientations that share a direction.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fxs_hpc.emc.quaternions import rotation_matrices
from fxs_hpc.report.figure import BLUE, GREY, blank, plain, save

PER_CELL = 12
"""Directions, symmetry copies included, in a cell of the density maps if they were even."""
FEWEST_ROWS, MOST_ROWS = 6, 36
SLICES = 8
CHAMBER = np.array([0.5, 0.2, 0.84])
"""Of equivalent directions the one nearest to this stands for all: for groups with mirrors that is their usual asymmetric unit."""


@dataclass(frozen=True)
class Sphere:
    """What the maps are made with.

    Attributes
    ----------
    beam : float64[3]
        Direction of the beam in the laboratory.
    axis : float64[3]
        Direction of a crystal axis in the crystal frame.
    operators : float64[s, 3, 3]
        Of the Laue group on vectors of the crystal frame, the inversion included.
    label : str
        Name of the axis.
    """

    beam: NDArray[np.float64]
    axis: NDArray[np.float64]
    operators: NDArray[np.float64]
    label: str = "c"


def draw(path: Path, quaternions: NDArray[np.float64], good: NDArray[np.bool_], phi: NDArray[np.float64], sphere: Sphere) -> None:
    """Draw the maps and the histogram of scale factors.

    Parameters
    ----------
    quaternions : float64[n, 4]
        Scalar first; their matrices map vectors of the laboratory to those of the crystal.
    good : bool[n]
        Frames that count; the density maps hold these.
    phi : float64[n]
        Scale factors.
    """
    rotations = rotation_matrices(np.asarray(quaternions, np.float64))
    inside = rotations @ (sphere.beam / np.linalg.norm(sphere.beam))
    outside = axis_directions(rotations[good], sphere)
    copies = np.concatenate(np.einsum("sij,nj->sni", sphere.operators, inside[good]))
    figure = blank(11, 7, left=0.7, right=0.4)
    grid = figure.add_gridspec(2, 2, hspace=0.2, wspace=0.2, height_ratios=(1, 1.2))
    _density(figure, figure.add_subplot(grid[0, 0], projection="mollweide"), copies, "Beam in the crystal frame")
    _density(figure, figure.add_subplot(grid[0, 1], projection="mollweide"), outside, f"Axis {sphere.label} in the laboratory")
    _unit(figure.add_subplot(grid[1, 0]), reduced(inside, sphere.operators), good)
    plot_scales(figure.add_subplot(grid[1, 1]), phi, good)
    save(figure, path)


def axis_directions(rotations: NDArray[np.float64], sphere: Sphere) -> NDArray[np.float64]:
    """Directions of the axis and its equivalents in the laboratory, float64[m n, 3]; each once."""
    images = sphere.operators @ (sphere.axis / np.linalg.norm(sphere.axis))
    _, first = np.unique(np.round(images, 6), axis=0, return_index=True)
    return np.concatenate(np.einsum("nji,sj->sni", rotations, images[first]))


def reduced(directions: NDArray[np.float64], operators: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the directions float64[n, 3] equivalent by `operators` those in one asymmetric unit."""
    best = np.full(len(directions), -np.inf)
    result = np.empty_like(directions)
    for operator in operators:
        image = directions @ operator.T
        nearness = image @ CHAMBER
        closer = nearness > best
        best[closer], result[closer] = nearness[closer], image[closer]
    return result


def density(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Number of directions in cells of equal area over that of even ones, float64[rows, 2 rows]: rows in z, columns in azimuth."""
    rows = int(np.clip(np.sqrt(len(directions) / (2 * PER_CELL)), FEWEST_ROWS, MOST_ROWS))
    azimuth = np.arctan2(directions[:, 1], directions[:, 0])
    found = np.histogram2d(directions[:, 2], azimuth, (rows, 2 * rows), ((-1, 1), (-np.pi, np.pi)))[0]
    return np.asarray(found * found.size / max(len(directions), 1))


def _density(figure: Figure, axes: Axes, directions: NDArray[np.float64], title: str) -> None:
    found = density(directions)
    # Cells are drawn in thin slices: near the poles their sides are curved.
    fine = np.repeat(found, SLICES, axis=0)
    edges = np.linspace(-np.pi, np.pi, found.shape[1] + 1), np.arcsin(np.linspace(-1, 1, len(fine) + 1))
    image = axes.pcolormesh(*edges, fine, cmap="viridis", vmin=0, vmax=max(2.0, float(np.quantile(found, 0.99))), rasterized=True)
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    axes.grid(alpha=0.2, linewidth=0.5)
    axes.set_title(f"{title} (1 = even)", loc="left", fontsize=11, y=1.0)
    figure.colorbar(image, ax=axes, shrink=0.7, pad=0.03)


def _unit(axes: Axes, directions: NDArray[np.float64], good: NDArray[np.bool_]) -> None:
    """Lambert's equal-area map of the asymmetric unit, about z."""
    flat = directions[:, :2] * np.sqrt(1 / np.maximum(1 + directions[:, 2:], 1e-9))
    for mine, color, label in ((~good, GREY, "not accepted"), (good, BLUE, "accepted")):
        axes.plot(*flat[mine].T, ".", color=color, markersize=3, label=f"{label} ({mine.sum()})")
    axes.set_aspect("equal")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    plain(axes, "Beam in the asymmetric unit of the crystal", "x, equal area", "y")


def plot_scales(axes: Axes, phi: NDArray[np.float64], good: NDArray[np.bool_]) -> None:
    """Histogram of the scale factors of frames that count and of those that do not."""
    bins = np.linspace(0, float(np.quantile(phi, 0.99)) * 1.1 + 1e-9, 40).tolist() if len(phi) else 10
    axes.hist([phi[good], phi[~good]], bins=bins, stacked=True, color=[BLUE, GREY], label=["accepted", "not accepted"])
    axes.legend(frameon=False)
    plain(axes, "Scale factors", "phi", "frames")
