"""Picture of a detector: usable pixels, their resolution, what is masked."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from numpy.typing import NDArray

from fxs_hpc.emc.detector import Geometry, Pixels
from fxs_hpc.report.figure import blank, save

RINGS = (30, 20, 15, 12, 10, 8, 7, 6, 5, 4.5, 4, 3.5, 3.2, 3, 2.8, 2.6, 2.4, 2.2, 2, 1.8, 1.6, 1.5, 1.4, 1.3, 1.2, 1.1, 1, 0.9)
SHOWN = 4
"""Resolution rings that are drawn."""
STATES = ("usable", "outside the range", "masked", "no panel")
COLOURS = ("#ffffff00", "#d9d9d9", "#b3261e", "#4d4d4d")


def write(path: Path, geometry: Geometry, masked: NDArray[np.bool_], pixels: Pixels) -> None:
    """Draw the raster to `path`: polarisation times solid angle of the usable pixels, rings of equal resolution, the rest by its reason.

    Parameters
    ----------
    masked : bool (rows, columns)
    """
    rows, columns = geometry.shape
    factor, modulus = (np.full(rows * columns, np.nan) for _ in range(2))
    factor[pixels.index], modulus[pixels.index] = pixels.polar, pixels.modulus
    states = _states(geometry, masked, factor.reshape(rows, columns))
    figure = blank(8.2, 6.4 * float(np.clip(rows / columns, 0.4, 2.5)) + 1.4, left=0.7, right=0.1, bottom=1.0, top=0.4)
    axes = figure.subplots()
    image = axes.imshow(factor.reshape(rows, columns), cmap="viridis", interpolation="nearest")
    axes.imshow(states, cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=3.5, interpolation="nearest")
    _rings(axes, geometry, modulus.reshape(rows, columns))
    axes.set(xlabel="column", ylabel="row")
    axes.set_title(f"{len(pixels)} usable pixels of {rows} x {columns}", loc="left", fontsize=11)
    figure.colorbar(image, ax=axes, shrink=0.85, label="polarisation x solid angle (largest = 1)")
    handles = [Patch(color=COLOURS[state], label=STATES[state]) for state in (1, 2, 3) if np.any(states == state)]
    if handles:
        axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False, fontsize=9)
    save(figure, path)


def _states(geometry: Geometry, masked: NDArray, factor: NDArray) -> NDArray[np.int64]:
    states = np.where(np.isnan(factor), 1, 0)
    states[masked] = 2
    states[geometry.panel_numbers() < 0] = 3
    return states


def _rings(axes: Axes, geometry: Geometry, modulus: NDArray) -> None:
    """Curves of equal |q|, each with its resolution in Angstrom."""
    scale = geometry.wavelength * geometry.D
    inside = [ring for ring in RINGS if np.nanmin(modulus) < scale / ring < np.nanmax(modulus)]
    if not inside or len(geometry.panels) > 1:
        return
    wanted = np.linspace(np.nanmax(modulus), np.nanmin(modulus), SHOWN + 1)[:-1]
    nearest = np.abs(scale / np.array(inside) - wanted[:, None]).argmin(axis=1)
    chosen = [inside[place] for place in sorted(set(nearest.tolist()))]
    levels = [scale / ring for ring in chosen]
    full = np.full(geometry.shape[0] * geometry.shape[1], np.nan)
    for index, positions, _ in geometry.blocks():
        full[index] = np.linalg.norm(geometry.scattering(positions), axis=1)
    lines = axes.contour(full.reshape(geometry.shape), levels, colors="white", linewidths=0.9, linestyles="dashed")
    axes.clabel(lines, fmt={level: f"{ring:g} Å" for level, ring in zip(levels, chosen)}, fontsize=8)
