"""Plots of resolution curves and of the comparison with the truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from fxs_hpc.files.atomic import replacing

COLOURS = ("#1b4f8f", "#d1682c", "#3a8f5d", "#8a4fa3", "#7a7a7a")


def plot_prtf(
    path: Path, q: NDArray[np.floating], curves: Mapping[str, NDArray], spread: NDArray[np.floating] | None, count: int
) -> None:
    """Phase retrieval transfer functions |PRTF| over q (1/A); `spread` (N,) is drawn as a band about the first curve.

    The dashed lines are 1/e and the n^(-1/2) that `count` runs of random phases would give.
    """
    figure, axis = _figure(q, "PRTF")
    for colour, (name, values) in zip(COLOURS, curves.items()):
        axis.plot(q, np.abs(values), color=colour, lw=2.2 if name == "PRTF" else 1.2, label=name.replace("_", " "))
    if spread is not None:
        first = np.abs(next(iter(curves.values())))
        axis.fill_between(q, np.clip(first - spread, 0, 1), np.clip(first + spread, 0, 1), color=COLOURS[0], alpha=0.12, lw=0)
    axis.axhline(1 / np.e, color="0.3", ls="--", lw=1)
    axis.annotate("1/e", (q[0], 1 / np.e), xytext=(3, 3), textcoords="offset points", fontsize=8)
    axis.axhline(count**-0.5, color="0.6", ls=":", lw=1)
    axis.annotate(f"random phases, n = {count}", (q[0], count**-0.5), xytext=(3, 3), textcoords="offset points", fontsize=8)
    axis.set_title(f"Phase retrieval transfer function, average of {count}", fontsize=11, pad=34)
    axis.legend(loc="lower left", fontsize=8, framealpha=0.9)
    _save(figure, path)


def plot_fsc(
    path: Path,
    q: NDArray[np.floating],
    curves: Mapping[str, NDArray],
    half_bit: NDArray[np.floating],
    resolution: float | None,
    title: str = "Fourier shell correlation",
) -> None:
    """Fourier shell correlations over q with the half-bit curve; `resolution` (A) is where the first curve falls below it."""
    figure, axis = _figure(q, "correlation")
    for colour, (name, values) in zip(COLOURS, curves.items()):
        axis.plot(q, values, color=colour, lw=2.0, label=name)
    axis.plot(q, half_bit, color="0.4", ls="--", lw=1.2, label="half-bit")
    text = f"resolution {resolution:.1f} Å" if resolution else f"above the half-bit curve up to q max ({2 * np.pi / q[-1]:.1f} Å)"
    axis.set_title(f"{title}, {text}", fontsize=11, pad=34)
    axis.set_ylim(min(-0.05, *(float(np.min(values)) for values in curves.values())), 1.05)
    axis.legend(loc="lower left", fontsize=8, framealpha=0.9)
    _save(figure, path)


def plot_invariant_overlap(path: Path, q: NDArray[np.floating], overlap: NDArray[np.floating]) -> None:
    """FQCB (N,) over q: agreement of the rotational invariants of the averaged density and of the averaged amplitude."""
    figure, axis = _figure(q, "FQCB")
    axis.plot(q, overlap, color=COLOURS[0], lw=2.0)
    axis.set_title("Overlap of the invariants of density and amplitude", fontsize=11, pad=34)
    _save(figure, path)


def plot_comparison(
    path: Path,
    q: NDArray[np.floating],
    fsc: NDArray[np.floating],
    errors: Sequence[float],
    correlations: Mapping[str, Sequence[float]],
    average: Mapping[str, float],
) -> None:
    """Agreement with the truth: FSC per q bin of the average (left), correlations of each run over its error (right).

    Parameters
    ----------
    correlations : name -> value per run. average : name -> value of the average, drawn as lines: the first two in the colours of
        the first two of `correlations`, the third, a limit, in grey.
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(q, fsc, color=COLOURS[0], lw=1.2, alpha=0.6)
    left.plot(q, fsc, "o", color=COLOURS[0], ms=5)
    for value in (0.5, 0.95):
        left.axhline(value, color="0.6", ls=":", lw=1)
    left.set(xlabel="q (1/Å)", ylabel="FSC", ylim=(min(-0.05, float(np.min(fsc))), 1.05), xlim=(0, None))
    left.set_title("Average against the true object, per q bin", fontsize=10)
    for colour, (name, values) in zip(COLOURS, correlations.items()):
        right.plot(errors, values, "o", color=colour, ms=5, alpha=0.75, label=f"runs, {name}")
    for colour, (name, value) in zip((*COLOURS[:2], "0.3"), average.items()):
        right.axhline(value, color=colour, ls="--", lw=1.2, label=f"{name} {value:.3f}")
    right.set(xlabel="last error of the run", ylabel="correlation with the true object")
    if max(errors) > 10 * min(errors) > 0:
        right.set_xscale("log")
    else:
        right.ticklabel_format(axis="x", style="sci", scilimits=(-2, 3))
    right.set_title("Runs in the average", fontsize=10)
    right.legend(fontsize=8, loc="best", framealpha=0.9)
    _save(figure, path)


def _figure(q: NDArray[np.floating], name: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axis = figure.subplots()
    axis.set(xlabel="q (1/Å)", ylabel=name, xlim=(0, float(q[-1])), ylim=(0, 1.05))
    top = axis.secondary_xaxis("top", functions=(_length, _length))
    top.set_xlabel("2π/q (Å)", fontsize=9)
    top.set_xticks(_round_lengths(float(q[-1])))
    top.tick_params(labelsize=8)
    axis.grid(alpha=0.25, lw=0.6)
    return figure, axis


def _length(q: ArrayLike) -> NDArray[np.floating]:
    return 2 * np.pi / np.maximum(np.asarray(q, dtype=float), 1e-9)


def _round_lengths(q_max: float) -> list[float]:
    """Tick positions of the upper axis (A): round lengths, closer together towards q_max."""
    shortest = 2 * np.pi / q_max
    scale = 10.0 ** np.floor(np.log10(shortest))
    candidates = [scale * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)]
    ticks = [length for length in candidates if length >= shortest]
    kept = [ticks[0]]
    for length in ticks[1:]:
        if (1 / kept[-1] - 1 / length) * shortest > 0.07 and shortest / length > 0.03:
            kept.append(length)
    return kept


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=140)
