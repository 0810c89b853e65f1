"""Pictures of make-powder: pseudo-powder patterns in one and two dimensions, peaks per frame, pixels per peak."""

from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fxs_hpc.emc.detector import Geometry
from fxs_hpc.emc.powder import PseudoPowder
from fxs_hpc.report.figure import BLUE, GREY, ORANGE, RED, blank, plain, save


def write(folder: Path, powder: PseudoPowder, geometry: Geometry, sizes: tuple[int, int], peaks: tuple[int, int]) -> list[Path]:
    """Draw the four pictures into `folder`.

    Parameters
    ----------
    sizes, peaks : (least, most) pixels of a patch and peaks of a frame that are accepted.

    Returns
    -------
    list of Path : the pictures.
    """
    figures = {
        "1d-pseudo-powder.png": _one_dimension(powder, geometry),
        "2d-pseudo-powder.png": _two_dimensions(powder, geometry),
        "frame-peak-count.png": _peaks_per_frame(np.array(powder.peaks), peaks),
        "patch-sz-count.png": _patch_sizes(powder.sizes, sizes),
    }
    for name, figure in figures.items():
        save(figure, folder / name)
    return [folder / name for name in figures]


def _one_dimension(powder: PseudoPowder, geometry: Geometry) -> Figure:
    figure = blank(10, 7, top=0.85)
    upper, lower = figure.subplots(2, 1, sharex=True)
    last = 2 * geometry.q_max + 2
    q = np.arange(last) * geometry.pixel_to_inverse_angstrom / 2
    step = q[1] * np.array([-0.5, 0.5])
    for axes, values, colour, title in (
        (upper, powder.distances, BLUE, f"{powder.distances.sum()} pairs of peaks of one frame, by their distance"),
        (lower, powder.moduli, ORANGE, f"{powder.moduli.sum()} peaks, by |q|"),
    ):
        axes.fill_between(q, values[:last], step="mid", color=colour, linewidth=0)
        axes.set_xlim(0, q[-1] + step[1])
        axes.set_ylim(bottom=0)
        plain(axes, title, "", "count")
    lower.set_xlabel("q (1/Å)")
    top = upper.secondary_xaxis("top", functions=(lambda x: x, lambda x: x))
    ticks = [tick for tick in upper.get_xticks() if 0 < tick <= q[-1]]
    top.set_xticks(ticks, [f"{1 / tick:.3g} Å" for tick in ticks])
    upper.title.set_y(1.11)
    return figure


def _two_dimensions(powder: PseudoPowder, geometry: Geometry) -> Figure:
    rows, columns = geometry.shape
    image = np.where(powder.brightest > 0, powder.brightest, np.nan).reshape(rows, columns)
    figure = blank(8.4, 6.6 * float(np.clip(rows / columns, 0.4, 2.2)) + 1.0, left=0.7, right=0.1)
    axes = figure.subplots()
    brightest = float(np.nanmax(image)) if np.isfinite(image).any() else 2.0
    shown = axes.imshow(image, cmap="inferno", norm=LogNorm(1, max(2.0, brightest)), interpolation="nearest")
    axes.set_facecolor("black")
    axes.set(xlabel="column", ylabel="row")
    axes.set_title("Brightest count of each pixel in the peaks of all frames", loc="left", fontsize=11)
    figure.colorbar(shown, ax=axes, shrink=0.85, label="photons")
    return figure


def _peaks_per_frame(peaks: NDArray[np.int64], limits: tuple[int, int]) -> Figure:
    figure = blank(8, 4.2)
    axes = figure.subplots()
    accepted = peaks[peaks > 0]
    top = int(accepted.max()) if len(accepted) else limits[0]
    width = max(1, (top + 59) // 60)
    axes.hist(accepted, bins=(np.arange(limits[0], top + width + 1, width) - 0.5).tolist(), color=BLUE, rwidth=0.9)
    plain(
        axes,
        f"{len(accepted)} of {len(peaks)} frames have {limits[0]} to {limits[1]} peaks",
        "peaks of a frame",
        "frames" if width == 1 else f"frames per {width} peaks",
    )
    if len(accepted):
        axes.axvline(np.median(accepted), color=ORANGE, linewidth=1.5, label=f"median {np.median(accepted):g}")
        axes.legend(frameon=False)
    return figure


def _patch_sizes(sizes: NDArray[np.int64], limits: tuple[int, int]) -> Figure:
    figure = blank(8, 4.2)
    axes = figure.subplots()
    largest = int(np.flatnonzero(sizes)[-1]) if sizes.any() else limits[1]
    end = min(len(sizes) - 1, max(largest, limits[1]) + 1)
    size = np.arange(1, end + 1)
    inside = (size >= limits[0]) & (size <= limits[1])
    axes.bar(size[inside], sizes[size[inside]], width=0.9, color=BLUE, label="accepted")
    if sizes[size[~inside]].any():
        axes.bar(size[~inside], sizes[size[~inside]], width=0.9, color=GREY, label="not accepted")
    axes.axvline(limits[0] - 0.5, color=RED, linewidth=1)
    axes.axvline(limits[1] + 0.5, color=RED, linewidth=1, label=f"min_patch_sz, max_patch_sz = {limits[0]}, {limits[1]}")
    if sizes.max(initial=0) > 50:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
    if end > 200:
        axes.set_xscale("log")
    axes.legend(frameon=False)
    plain(axes, f"{sizes.sum()} patches of all frames", "pixels of a patch", "patches")
    return figure
