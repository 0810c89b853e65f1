"""Pictures of densities: central sections."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from fxs_hpc.files.atomic import replacing

PLANES = (("x", "y"), ("x", "z"), ("y", "z"))
PIXELS = 301


@dataclass(frozen=True)
class Panel:
    """A row of the picture: a field (n_theta, n_phi, N), its title, and whether it is drawn with a diverging scale about 0."""

    title: str
    field: NDArray[np.floating]
    diverging: bool = False


@dataclass(frozen=True)
class SphericalAxes:
    """Coordinates of the fields: r (N,) in A, theta ascending, phi from 0, in rad."""

    r: NDArray[np.floating]
    theta: NDArray[np.floating]
    phi: NDArray[np.floating]


def sample(field: NDArray[np.floating], axes: SphericalAxes, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Field (n_theta, n_phi, N) at Cartesian points (..., 3), linear between grid points, 0 beyond the outermost shell."""
    closed = np.concatenate([field[:1].mean(axis=1, keepdims=True).repeat(field.shape[1], axis=1), field], axis=0)
    closed = np.concatenate([closed, field[-1:].mean(axis=1, keepdims=True).repeat(field.shape[1], axis=1)], axis=0)
    closed = np.concatenate([closed, closed[:, :1]], axis=1)
    radius = np.linalg.norm(points, axis=-1)
    polar = np.arctan2(np.hypot(points[..., 0], points[..., 1]), points[..., 2])
    azimuth = np.arctan2(points[..., 1], points[..., 0]) % (2 * np.pi)
    theta = np.concatenate([[0.0], axes.theta, [np.pi]])
    phi = np.concatenate([axes.phi, [2 * np.pi]])
    index = [
        np.interp(polar, theta, np.arange(len(theta))),
        np.interp(azimuth, phi, np.arange(len(phi))),
        np.interp(radius, axes.r, np.arange(len(axes.r))),
    ]
    values = map_coordinates(closed.astype(np.float64), index, order=1, mode="nearest")
    return np.where(radius <= axes.r[-1], values, 0.0)


def _directions(axes: SphericalAxes) -> NDArray[np.float64]:
    theta, phi = axes.theta[:, None], axes.phi[None, :]
    return np.stack(np.broadcast_arrays(np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)), axis=-1)


def centre_of_mass(field: NDArray[np.floating], axes: SphericalAxes) -> NDArray[np.float64]:
    """Of the positive density (3,), in A; phasing leaves the place of a particle open."""
    density, sine = np.maximum(field, 0), np.sin(axes.theta)[:, None]
    moment = np.einsum("ij,ija->a", density @ axes.r**3 * sine, _directions(axes))
    return moment / np.sum(density @ axes.r**2 * sine)


def principal_frame(
    field: NDArray[np.floating], axes: SphericalAxes, centre: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Rows are the principal axes of the positive density about `centre` (default: origin), longest first, right-handed (3, 3)."""
    density, sine, unit = np.maximum(field, 0), np.sin(axes.theta)[:, None], _directions(axes)
    second_moments = np.einsum("ij,ija,ijb->ab", density @ axes.r**4 * sine, unit, unit)
    if centre is not None:
        # Steiner: moments about the centre of mass.
        second_moments -= np.sum(density @ axes.r**2 * sine) * np.outer(centre, centre)
    frame = np.linalg.eigh(second_moments)[1][:, ::-1].T
    return frame * np.array([1, 1, np.linalg.det(frame)])[:, None]


def plot_sections(
    path: Path,
    panels: list[Panel],
    axes: SphericalAxes,
    r_show: float,
    frame: NDArray[np.floating] | None = None,
    subtitle: str = "",
    numbers: Mapping[str, str] | None = None,
    centre: NDArray[np.floating] | None = None,
) -> None:
    """Draw sections through one point in three planes, one row per panel.

    Parameters
    ----------
    r_show : half width of the sections in A.
    frame : (3, 3), rows are the directions drawn as x, y, z; by default the grid's own.
    numbers : short facts written below the picture, name -> value.
    centre : (3,) the point in A, drawn at 0; by default the origin.
    """
    frame = np.eye(3) if frame is None else np.asarray(frame)
    middle = np.zeros(3) if centre is None else centre
    ticks = np.linspace(-r_show, r_show, PIXELS)
    first, second = np.meshgrid(ticks, ticks)
    figure = Figure(figsize=(10.2, 3.1 * len(panels) + 0.9), layout="constrained")
    grid = figure.subplots(len(panels), 3, squeeze=False)
    for row, panel in zip(grid, panels):
        planes = [
            sample(panel.field, axes, middle + first[..., None] * frame["xyz".index(a)] + second[..., None] * frame["xyz".index(b)])
            for a, b in PLANES
        ]
        _draw_row(figure, row, panel, planes, r_show)
    figure.suptitle(subtitle, fontsize=11)
    if numbers:
        figure.supxlabel("    ".join(f"{name} {value}" for name, value in numbers.items()), fontsize=9.5)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=130)


def _draw_row(figure: Figure, row: NDArray, panel: Panel, planes: list[NDArray], r_show: float) -> None:
    largest = max(float(np.abs(plane).max()) for plane in planes) or 1.0
    limits = (-largest, largest) if panel.diverging else (min(0.0, min(float(p.min()) for p in planes)), largest)
    for axis, plane, (a, b) in zip(row, planes, PLANES):
        image = axis.imshow(
            plane,
            origin="lower",
            extent=(-r_show, r_show, -r_show, r_show),
            cmap="RdBu_r" if panel.diverging else "magma",
            vmin=limits[0],
            vmax=limits[1],
            interpolation="bilinear",
        )
        axis.set_xlabel(f"{a} (Å)", fontsize=9)
        axis.set_ylabel(f"{b} (Å)", fontsize=9)
        axis.tick_params(labelsize=8)
    row[1].set_title(panel.title, fontsize=10)
    bar = figure.colorbar(image, ax=list(row), shrink=0.9, pad=0.01)
    bar.ax.tick_params(labelsize=8)
