"""How EMC converges, flag by flag."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fxs_hpc.emc.convergence import FlagRecord
from fxs_hpc.files.atomic import replacing

LABELS = {"intensity": "intensity", "phi": "scale factors"}


def plot_convergence(path: Path, history: Sequence[FlagRecord]) -> None:
    """Change, log-likelihood, mutual information, moved rotations and shares of every flag."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    _by_kind(axes[0, 0], history, "angle", "change (degrees)")
    axes[0, 0].set_yscale("log")
    axes[0, 0].legend()
    _line(axes[0, 1], history, "log_likelihood", "log-likelihood against the background")
    _line(axes[1, 0], history, "information", "mutual information per frame (nats)")
    for name, label in (("accepted", "frames taking part"), ("moved", "best rotation moved"), ("evaluated", "candidates searched")):
        axes[1, 1].plot(_flags(history), [100 * getattr(record, name) for record in history], "o-", markersize=3, label=label)
    axes[1, 1].set_ylabel("per cent")
    axes[1, 1].legend()
    for axis in axes.flat:
        axis.set_xlabel("flag")
        axis.grid(True, alpha=0.4)
    last = history[-1]
    figure.suptitle(f"EMC after flag {last.flag}: last change {last.angle:.3g} degrees, {last.seconds:.1f} s")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _flags(history: Sequence[FlagRecord]) -> list[int]:
    return [record.flag for record in history]


def _line(axis: Axes, history: Sequence[FlagRecord], name: str, label: str) -> None:
    axis.plot(_flags(history), [getattr(record, name) for record in history], "o-", markersize=3)
    axis.set_ylabel(label)


def _by_kind(axis: Axes, history: Sequence[FlagRecord], name: str, label: str) -> None:
    for kind, text in LABELS.items():
        some = [record for record in history if record.kind == kind]
        values = np.maximum([getattr(record, name) for record in some], 1e-12)
        axis.plot(_flags(some), values, "o-", markersize=3, label=text)
    axis.set_ylabel(label)
