"""Pictures of refine-orientations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter
from numpy.typing import NDArray

from fxs_hpc.emc.refinement.peak_model import LatticeTable
from fxs_hpc.report.figure import BLUE, GREY, ORANGE, blank, plain, save
from fxs_hpc.report.orientations import plot_scales

SHELLS = 12


def plot_round(path: Path, frames: Mapping[str, NDArray], table: LatticeTable, model: Mapping[str, NDArray]) -> None:
    """Errors of the orientations, scale factors, unexplained pixels of all frames, and I / sigma against resolution.

    Parameters
    ----------
    frames : mapping
        Group `frames` of orientations.h5.
    model : mapping
        Its group `model`.
    """
    figure = blank(11, 7.6)
    axes = figure.subplots(2, 2)
    figure.subplots_adjust(hspace=0.38, wspace=0.24)
    good = frames["accepted"]
    _errors(axes[0, 0], frames["rotation_error"][good])
    plot_scales(axes[0, 1], frames["phi"], good)
    _unexplained(axes[1, 0], frames, good)
    _shells(axes[1, 1], table, model)
    save(figure, path)


def _errors(axes: Axes, errors: NDArray) -> None:
    if len(errors):
        top = float(np.quantile(errors, 0.99)) * 1.1
        axes.hist(errors, bins=40, range=(0, top), color=BLUE)
        axes.axvline(float(np.median(errors)), color=ORANGE, label=f"median {np.median(errors):.3f}")
        axes.legend(frameon=False)
    plain(axes, "Estimated error of the orientations, accepted frames", "degrees", "frames")


def _unexplained(axes: Axes, frames: Mapping[str, NDArray], good: NDArray[np.bool_]) -> None:
    for mine, color, label in ((~good, GREY, "not accepted"), (good, BLUE, "accepted")):
        axes.plot(frames["bright"][mine] + 1, frames["unexplained"][mine] + 1, ".", color=color, markersize=4, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.5)))
    axes.legend(frameon=False)
    plain(axes, "Pixels that no peak explains", "bright pixels + 1", "unexplained pixels + 1")


def _shells(axes: Axes, table: LatticeTable, model: Mapping[str, NDArray]) -> None:
    modulus = np.zeros(len(model["height"]))
    modulus[table.unique] = table.modulus
    known = np.isfinite(model["sigma"])
    if known.sum() > SHELLS:
        order = np.array_split(np.argsort(modulus[known]), SHELLS)
        ratio = model["height"][known] / model["sigma"][known]
        q = modulus[known]
        axes.plot([q[o].mean() for o in order], [ratio[o].mean() for o in order], "o-", color=BLUE)
        axes.set_ylim(bottom=0)
    plain(axes, "Signal to noise of the intensities", "q (1/Å)", "<I / sigma>")


def plot_history(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Estimated error, accepted frames and I / sigma against the round."""
    figure = blank(11, 3.4)
    axes = figure.subplots(1, 3)
    figure.subplots_adjust(wspace=0.3)
    rounds = [record["round"] for record in history]
    for place, (key, title, label) in enumerate(
        (
            ("median_rotation_error", "Error of the orientations", "degrees, median"),
            ("accepted", "Accepted frames", "frames"),
            ("i_over_sigma", "Signal to noise", "<I / sigma>"),
        )
    ):
        axes[place].plot(rounds, [record[key] for record in history], "o-", color=BLUE)
        axes[place].set_ylim(bottom=0)
        axes[place].set_xticks(rounds)
        plain(axes[place], title, "round", label)
    save(figure, path)
