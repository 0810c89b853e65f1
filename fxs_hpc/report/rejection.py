"""Which frames were rejected, and why."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fxs_hpc.files.emc.frame_verdicts import FrameVerdict
from fxs_hpc.report.figure import BLUE, GREY, ORANGE, RED, blank, plain, save

COLOURS = {"kept": BLUE, "blank": GREY, "unexplained peaks": RED, "several orientations": ORANGE}


def plot_rejection(path: Path, frames: Sequence[FrameVerdict], least: float | None) -> None:
    """Share of explained peaks against the scale factor, and its histogram; `least` is the threshold, where there is one."""
    figure = blank(10, 4.5)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(wspace=0.25)
    for verdict, colour in COLOURS.items():
        some = [frame for frame in frames if frame.verdict == verdict]
        if some:
            label = f"{verdict}: {len(some)}"
            left.plot([frame.phi for frame in some], [frame.explained for frame in some], ".", color=colour, label=label)
    plain(left, f"{len(frames)} frames", "scale factor phi", "share of peaks explained")
    left.legend(loc="lower right", fontsize=8)
    shares = [frame.explained for frame in frames if not np.isnan(frame.explained)]
    right.hist(shares, np.linspace(0, 1, 41), color=BLUE)
    plain(right, "Peaks that the best orientation explains", "share", "frames")
    if least is not None:
        left.axhline(least, color=GREY, linewidth=1)
        right.axvline(least, color=GREY, linewidth=1)
    save(figure, path)
