"""Pictures of make-background: the radial backgrounds of the frames, and one frame with its peaks."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from fxs_hpc.emc.detector import Geometry
from fxs_hpc.emc.peak_search import FrameBackground, PeakSearch
from fxs_hpc.report.figure import BLUE, ORANGE, blank, plain, save


def write_background(path: Path, sample: NDArray[np.float64], frames: int, geometry: Geometry) -> None:
    """Median and spread of the backgrounds, and how often each bin is unusable.

    Parameters
    ----------
    sample : float64[frames, bins]
        Backgrounds of some frames; -1 = unusable bin.
    frames : int
        Number of all frames.
    """
    usable = np.where(sample >= 0, sample, np.nan)
    bins = sample.shape[1]
    q = (np.arange(bins) + 0.5) * geometry.q_max / bins * geometry.pixel_to_inverse_angstrom
    seen = np.flatnonzero(np.isfinite(usable).any(axis=0))
    figure = blank(8, 6, top=0.85)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1))
    levels = np.nanpercentile(usable[:, seen], (5, 25, 50, 75, 95), axis=0)
    upper.fill_between(q[seen], levels[0], levels[4], color=BLUE, alpha=0.18, linewidth=0, label="5 to 95 % of the frames")
    upper.fill_between(q[seen], levels[1], levels[3], color=BLUE, alpha=0.35, linewidth=0, label="middle half")
    upper.plot(q[seen], levels[2], color=BLUE, linewidth=1.8, label="median")
    upper.set_ylim(bottom=0)
    upper.legend(frameon=False)
    plain(upper, f"Radial background: {len(sample)} of {frames} frames", "", "photons per pixel (polar = 1)")
    lower.bar(q, 100 * (sample < 0).mean(axis=0), width=q[1] - q[0] if bins > 1 else q[0], color=ORANGE)
    lower.set_ylim(0, 100)
    plain(lower, "", "q (1/Å)", "unusable (% of frames)")
    _resolutions(upper)
    save(figure, path)


def _resolutions(axes: Axes) -> None:
    top = axes.secondary_xaxis("top", functions=(lambda q: q, lambda q: q))
    ticks = [tick for tick in axes.get_xticks() if tick > 0]
    top.set_xticks(ticks, [f"{1 / tick:.3g} Å" for tick in ticks])
    axes.title.set_y(1.09)


def write_frame(path: Path, frame: NDArray[np.int32], found: FrameBackground, search: PeakSearch, name: str, number: int) -> None:
    """A raw frame with a circle about each peak, and beside it what is left when the background is taken off.

    Parameters
    ----------
    frame : int32 (rows, columns)
    """
    rows, columns = frame.shape
    figure = blank(13, 5.2 * float(np.clip(rows / columns, 0.5, 1.4)) + 1.0, left=0.7, right=0.75)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True, gridspec_kw={"wspace": 0.2})
    excess = search.excess(frame, found.radial)
    top = max(float(np.nanpercentile(excess, 99.9)), 5.0)
    counts = np.where(frame < 0, np.nan, frame + 1.0)
    brightest = float(counts[np.isfinite(excess)].max(initial=10.0))
    image = left.imshow(counts, cmap="magma", norm=LogNorm(1, brightest), interpolation="nearest")
    figure.colorbar(image, ax=left, fraction=0.045, pad=0.02, label="photons + 1")
    image = right.imshow(excess, cmap="RdBu_r", vmin=-top, vmax=top, interpolation="nearest")
    figure.colorbar(image, ax=right, fraction=0.045, pad=0.02, extend="both", label="standard deviations above the background")
    for axes in (left, right):
        axes.set_facecolor("#dddddd")
    _circles(left, found, columns)
    left.set_title(f"frame {number}: {Path(name).name}", loc="left", fontsize=11)
    right.set_title(f"{len(found.peaks)} peaks, {len(found.pixel)} outliers", loc="left", fontsize=11)
    left.set(xlabel="column", ylabel="row")
    right.set(xlabel="column")
    save(figure, path)


def _circles(axes: Axes, found: FrameBackground, columns: int) -> None:
    first = found.peaks.first
    for start, stop in zip(first[:-1], first[1:]):
        pixel, weight = found.peaks.pixel[start:stop], found.peaks.count[start:stop]
        centre = np.average(np.stack([pixel % columns, pixel // columns]), axis=1, weights=weight)
        size = 14 + 2 * np.sqrt(stop - start)
        axes.plot(*centre, "o", markersize=size, markerfacecolor="none", markeredgecolor="#7cd4ff", markeredgewidth=1.2)
