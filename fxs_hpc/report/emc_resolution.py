"""CC1/2 and its kin against resolution."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from fxs_hpc.emc.resolution import LIMIT, Resolution
from fxs_hpc.emc.shell_statistics import Shells
from fxs_hpc.report.figure import BLUE, GREY, ORANGE, RED, blank, plain, save


def draw(path: Path, shells: Shells, resolution: Resolution) -> None:
    """Draw CC1/2, CC*, Rsplit, completeness and I / sigma of the shells.

    Parameters
    ----------
    resolution : Resolution
        Marked where it is known, with its error.
    """
    canvas = blank(7.5, 7.5, right=0.8, bottom=0.8)
    upper, lower = canvas.subplots(2, 1, sharex=True, gridspec_kw={"hspace": 0.25})
    _agreement(upper, shells, resolution)
    plain(lower, "signal and completeness", "q = 1/d (1/Å), below it d (Å)", "mean I / σ")
    lower.xaxis.set_major_formatter(FuncFormatter(lambda q, _: f"{q:.3g}\n{1 / q:.2f}" if q > 0 else "0"))
    lower.plot(shells.mean_q, shells.signal, "o-", color=BLUE)
    lower.set_ylim(bottom=0)
    other = lower.twinx()
    other.plot(shells.mean_q, 100 * shells.completeness, "s--", color=ORANGE)
    other.set_ylabel("completeness (%)", color=ORANGE)
    other.set_ylim(0, 105)
    save(canvas, path)


def _agreement(axes: Axes, shells: Shells, resolution: Resolution) -> None:
    plain(axes, "agreement of two independent halves", "", "")
    axes.plot(shells.mean_q, shells.cc_half, "o-", color=BLUE, label="CC1/2")
    axes.plot(shells.mean_q, shells.cc_star, "s--", color=GREY, label="CC*")
    axes.plot(shells.mean_q, shells.r_split, "^:", color=ORANGE, label="Rsplit")
    axes.axhline(LIMIT, color=GREY, linewidth=0.8, label=f"CC1/2 = {LIMIT}, where data end")
    if resolution.angstrom and resolution.error is not None:
        axes.axvline(1 / resolution.angstrom, color=RED, linewidth=1, label=f"CC1/2 = {LIMIT} at {resolution.angstrom:.2f} Å")
        half = resolution.error / resolution.angstrom**2
        axes.axvspan(1 / resolution.angstrom - half, 1 / resolution.angstrom + half, color=RED, alpha=0.12, linewidth=0)
    lowest = np.nanmin(shells.cc_half) if np.any(np.isfinite(shells.cc_half)) else 0.0
    axes.set_ylim(min(0.0, float(lowest)) - 0.02, 1.05)
    axes.legend(loc="center left", frameon=False)
