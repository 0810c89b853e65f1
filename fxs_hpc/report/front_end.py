"""Figures of the EMC front end: what it found in simulated frames, held against their truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from fxs_hpc.emc.evaluation import FrontEndResult
from fxs_hpc.emc.truth import Kind
from fxs_hpc.files.atomic import replacing

COLOURS = {Kind.SINGLE: "#1b4f8f", Kind.MULTIPLE: "#d1682c", Kind.JUNK: "#8a4fa3", Kind.BLANK: "#7a7a7a"}
NAMES = {Kind.SINGLE: "one crystal", Kind.MULTIPLE: "two crystals", Kind.JUNK: "no crystal (blobs)", Kind.BLANK: "background alone"}
FOUND, MISSED = "#3a8f5d", "#c23b3b"


@dataclass(frozen=True)
class ExampleFrame:
    """One frame to look at.

    Attributes
    ----------
    title : str
    counts : [rows, columns]
        Negative = bad.
    found : f8[n, 2]
        Row and column of the peaks that were found.
    expected : f8[m, 2]
        Those of the peaks that are there.
    """

    title: str
    counts: NDArray
    found: NDArray[np.float64]
    expected: NDArray[np.float64]


def plot_front_end(path: Path, result: FrontEndResult, phi: NDArray[np.float64] | None) -> None:
    """Six panels: frames kept, distance to the nearest candidate, peaks found, background, numbers of candidates, scale factors.

    Parameters
    ----------
    phi : f8[n], optional
        Scale factor to start from of each raw frame, NaN where it has none.
    """
    figure = Figure(figsize=(15, 8.6), layout="constrained")
    axes = figure.subplots(2, 3)
    _frames_kept(axes[0, 0], result)
    _distances(axes[0, 1], result)
    _peaks(axes[0, 2], result)
    _background(axes[1, 0], result)
    _candidates(axes[1, 1], result)
    _scale_factors(axes[1, 2], result, phi)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"EMC front end against the truth of {len(result.truth)} simulated frames", fontsize=14)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _frames_kept(axis: Axes, result: FrontEndResult) -> None:
    kinds = [kind for kind, (_, total) in result.kinds().items() if total][::-1]
    kept = np.array([result.kinds()[kind][0] for kind in kinds])
    total = np.array([result.kinds()[kind][1] for kind in kinds])
    colours = [COLOURS[kind] for kind in kinds]
    axis.barh(range(len(kinds)), total, color=colours, alpha=0.25)
    axis.barh(range(len(kinds)), kept, color=colours)
    for place, (some, all_) in enumerate(zip(kept, total)):
        axis.annotate(f"{some} of {all_}", (all_, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    axis.set_yticks(range(len(kinds)), [NAMES[kind] for kind in kinds])
    axis.set_xlim(0, 1.18 * total.max())
    axis.set_xlabel("frames (dark: kept)")
    axis.set_title("Frames with candidate orientations", fontsize=11)


def _distances(axis: Axes, result: FrontEndResult) -> None:
    steps = np.degrees(result.distance) / np.degrees(result.step)
    edges = np.linspace(0, max(2.0, float(np.nanpercentile(steps, 98)) if np.isfinite(steps).any() else 2.0), 41)
    for kind, crystals in ((Kind.SINGLE, slice(0, 1)), (Kind.MULTIPLE, slice(0, 2))):
        values = steps[result.kept & (result.truth.kind == kind), crystals].ravel()
        if np.isfinite(values).any():
            shown = np.minimum(values[np.isfinite(values)], edges[-1] - 1e-9)
            label = NAMES[kind] if kind == Kind.SINGLE else "each of two crystals"
            axis.hist(shown, edges.tolist(), color=COLOURS[kind], alpha=0.75, label=label)
    axis.axvline(1, color="0.2", ls="--", lw=1)
    axis.annotate(
        "sampling step", (1, 1), xytext=(3, -2), xycoords=("data", "axes fraction"), textcoords="offset points", va="top", fontsize=8
    )
    axis.set_xlabel(f"angle to the nearest candidate / step of {np.degrees(result.step):.2f}° (last bin: and beyond)")
    axis.set_ylabel("crystals in kept frames")
    axis.set_title(f"Truth among the candidates: {100 * result.hits():.1f} % of single crystals", fontsize=11)
    if axis.patches:
        axis.legend(fontsize=8, loc="center right")


def _peaks(axis: Axes, result: FrontEndResult) -> None:
    some = result.of_kinds(Kind.SINGLE, Kind.MULTIPLE)
    expected = np.concatenate([peaks.expected for peaks in some] or [np.empty(0)])
    recalled = np.concatenate([peaks.recalled for peaks in some] or [np.empty(0, bool)])
    if not len(expected):
        return
    edges = np.geomspace(max(1.0, expected.min()), expected.max() * 1.01, 21)
    number, found = np.histogram(expected, edges)[0], np.histogram(expected[recalled], edges)[0]
    middle = np.sqrt(edges[:-1] * edges[1:])
    axis.bar(edges[:-1], number, np.diff(edges), align="edge", color=MISSED, alpha=0.55, label="missed")
    axis.bar(edges[:-1], found, np.diff(edges), align="edge", color=FOUND, alpha=0.9, label="found")
    axis.set_xscale("log")
    _plain(axis.xaxis)
    axis.set_xlabel("crystal photons in the peak")
    axis.set_ylabel("peaks above the noise")
    share = axis.twinx()
    share.plot(middle[number > 4], found[number > 4] / number[number > 4], color="0.15", marker="o", ms=3, lw=1.2)
    share.set_ylim(0, 1.05)
    share.set_ylabel("share found")
    share.spines["top"].set_visible(False)
    (right, all_), (false, seen) = result.recall(), result.false_peaks()
    axis.set_title(f"Peaks: {100 * right / all_:.1f} % of {all_} found, {100 * false / max(seen, 1):.1f} % of {seen} false", fontsize=11)
    axis.legend(fontsize=8, loc="center right")


def _background(axis: Axes, result: FrontEndResult) -> None:
    error = 100 * result.background_error()
    known = np.isfinite(error).any(axis=0)
    if not known.any():
        axis.set_title("Radial background: every bin masked", fontsize=11)
        return
    q = (np.arange(error.shape[1]) + 0.5)[known] * result.bin_width
    low, middle, high = np.nanpercentile(error[:, known], [5, 50, 95], axis=0)
    axis.axhline(0, color="0.5", lw=0.8)
    axis.fill_between(q, low, high, color="#1b4f8f", alpha=0.2, lw=0, label="5 to 95 % of the frames")
    axis.plot(q, middle, color="#1b4f8f", lw=1.6, label="median")
    axis.set_xlabel("q / Å⁻¹")
    axis.set_ylabel("error of the background / %")
    limit = 1.15 * max(1.0, float(np.percentile(np.abs([low, high]), 95)))
    axis.set_ylim(-limit, limit)
    spread = np.nanmedian(np.abs(error))
    axis.set_title(f"Radial background: median error {spread:.2f} %, {100 * result.masked():.1f} % of the bins masked", fontsize=11)
    axis.legend(fontsize=8, loc="upper right")


def _candidates(axis: Axes, result: FrontEndResult) -> None:
    most = max(int(result.candidates.max()), 10)
    edges = np.geomspace(0.9, most * 1.01, 31)
    kinds = [kind for kind in (Kind.SINGLE, Kind.MULTIPLE, Kind.JUNK) if (result.candidates[result.truth.kind == kind] > 0).any()]
    if kinds:
        values = [result.candidates[(result.truth.kind == kind) & (result.candidates > 0)] for kind in kinds]
        axis.hist(values, edges.tolist(), stacked=True, color=[COLOURS[kind] for kind in kinds], label=[NAMES[kind] for kind in kinds])
        axis.legend(fontsize=8)
    axis.set_xscale("log")
    axis.set_xlabel("candidate orientations of a frame")
    axis.set_ylabel("frames")
    axis.set_title(f"{int(result.candidates.sum())} pairs of frame and orientation", fontsize=11)


def _scale_factors(axis: Axes, result: FrontEndResult, phi: NDArray[np.float64] | None) -> None:
    axis.set_title("Scale factors to start from", fontsize=11)
    single = result.single() & np.isfinite(phi) if phi is not None else np.zeros(len(result.truth), bool)
    if phi is None or single.sum() < 3:
        axis.text(0.5, 0.5, "run init-phi for this figure", ha="center", va="center", transform=axis.transAxes, color="0.4")
        return
    truth, start = result.truth.phi[single, 0], phi[single]
    scale = truth.mean() / start.mean()
    axis.loglog(truth, start * scale, ".", color=COLOURS[Kind.SINGLE], alpha=0.6, ms=5)
    limits = [0.8 * min(truth.min(), (start * scale).min()), 1.25 * max(truth.max(), (start * scale).max())]
    axis.plot(limits, limits, color="0.4", lw=0.8)
    _plain(axis.xaxis)
    _plain(axis.yaxis)
    axis.set_xlabel("true φ")
    axis.set_ylabel("φ from the peaks (same mean)")
    axis.set_title(f"Scale factors to start from: correlation {np.corrcoef(truth, start)[0, 1]:.2f}", fontsize=11)


def _plain(axis: Axis) -> None:
    """Labels 1, 2, 5, 10 ... on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def plot_examples(path: Path, examples: Sequence[ExampleFrame]) -> None:
    """Frames with the peaks that were found and those that are there."""
    columns = 2
    rows = -(-len(examples) // columns)
    figure = Figure(figsize=(7.4 * columns, 6.6 * rows), layout="constrained")
    for axis, example in zip(figure.subplots(rows, columns, squeeze=False).flat, examples):
        _example(figure, axis, example)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _example(figure: Figure, axis: Axes, example: ExampleFrame) -> None:
    good = example.counts >= 0
    top = float(np.percentile(example.counts[good], 99.9)) if good.any() else 1.0
    image = np.ma.masked_array(np.minimum(example.counts, 10 * max(top, 4.0)), ~good)
    shades, norm = colormaps["gray_r"].with_extremes(bad="#9fb8cc"), PowerNorm(0.5, 0, max(top, 4.0))
    colours = axis.imshow(image, cmap=shades, norm=norm, interpolation="nearest")
    for places, size, marker, colour, width, label in (
        (example.expected, 210, "s", MISSED, 1.0, "expected"),
        (example.found, 120, "o", FOUND, 1.5, "found"),
    ):
        axis.scatter(places[:, 1], places[:, 0], size, marker=marker, facecolors="none", edgecolors=colour, linewidths=width, label=label)
    axis.set_xlabel("column")
    axis.set_ylabel("row")
    axis.set_title(example.title, fontsize=11)
    axis.legend(fontsize=8, loc="upper right", framealpha=0.9)
    figure.colorbar(colours, ax=axis, label="photons", shrink=0.85)
