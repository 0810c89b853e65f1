"""Pictures of a phasing run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fxs_hpc.files.atomic import replacing


def plot_invariant_errors(path: Path, errors: Mapping[int, Mapping[int, Sequence[float]]], symbol: str = "B_l") -> None:
    """Error of single orders over the steps, one panel per reconstruction.

    Parameters
    ----------
    errors : reconstruction number, best first -> order -> |B_l of the data - B_l|^2 / |B_l of the data|^2 per step.
    symbol : what the invariants are called.
    """
    figure = Figure(figsize=(9, 3.6 * len(errors)), layout="constrained")
    axes = figure.subplots(len(errors), 1, squeeze=False)[:, 0]
    for axis, (number, series) in zip(axes, errors.items(), strict=True):
        for order, values in series.items():
            axis.semilogy(np.arange(1, len(values) + 1), values, linewidth=1.2, marker="o" if len(values) == 1 else "", label=str(order))
        axis.set_title(f"reconstruction {number}", fontsize=10)
        axis.set_xlabel("step")
        axis.set_ylabel(f"relative error of ${symbol}$")
        axis.grid(True, which="major", alpha=0.4)
        axis.margins(x=0.01)
        axis.legend(title="order", loc="upper right", fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def plot_error_metrics(path: Path, errors: Mapping[int, Mapping[str, Sequence[float]]], best_first: Sequence[int]) -> None:
    """Error series of all reconstructions, one panel per metric; the best ones stand out.

    Parameters
    ----------
    errors : reconstruction number -> metric -> value per step.
    best_first : numbers, best first.
    """
    metrics = list(errors[best_first[0]])
    metrics = [name for name in metrics if name != "main" or len(metrics) != 2] or metrics
    figure = Figure(figsize=(9, 4.2 * len(metrics)), layout="constrained")
    axes = figure.subplots(len(metrics), 1, squeeze=False)[:, 0]
    for axis, metric in zip(axes, metrics, strict=True):
        for rank, number in reversed(list(enumerate(best_first))):
            series = np.asarray(errors[number][metric])
            strong = rank < 3
            axis.semilogy(
                np.arange(1, len(series) + 1),
                series,
                color=f"C{rank}" if strong else "0.7",
                linewidth=1.4 if strong else 0.7,
                marker="o" if len(series) == 1 else "",
                label=f"{number}: last {series[-1]:.2e}" if strong else None,
                zorder=3 if strong else 2,
            )
        axis.set_xlabel("step")
        axis.set_ylabel(metric.replace("/", ": ").replace("_", " "))
        axis.grid(True, which="major", alpha=0.4)
        axis.margins(x=0.01)
        axis.legend(title="best reconstructions", loc="upper right")
    figure.suptitle(f"Error of {len(errors)} reconstructions (grey: all but the best three)")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
