"""Pictures of scattering patterns: their mean on the detector and on rings, what is masked, and their correlation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fxs_hpc.files.atomic import replacing

_DECADES = 6


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _logarithmic(values: NDArray) -> Normalize:
    """A logarithmic scale over the positive values, some decades at most."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return Normalize(0, 1)
    largest = float(positive.max())
    smallest = max(float(positive.min()), largest * 10.0**-_DECADES)
    return LogNorm(smallest, largest) if smallest < largest else Normalize(0, largest)


def plot_mean_pattern(
    path: Path, image: NDArray, valid: NDArray, polar: NDArray, q: NDArray[np.float64], origin: tuple[float, float]
) -> None:
    """Mean image (rows, columns), how often each pixel was valid, and the mean on rings (n_phi, n_q); NaN is grey."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    mean_axis, mask_axis, polar_axis = figure.subplots(1, 3)
    shown = mean_axis.imshow(image, norm=_logarithmic(image), cmap="inferno", interpolation="nearest")
    mean_axis.plot(origin[1], origin[0], "+", color="cyan")
    mean_axis.set_title("mean pattern (+ beam)")
    figure.colorbar(shown, ax=mean_axis)
    shown = mask_axis.imshow(valid, norm=Normalize(0, 1), cmap="viridis", interpolation="nearest")
    mask_axis.set_title(f"fraction of patterns in which a pixel is valid\nnever: {np.mean(valid == 0):.1%} of the pixels", fontsize=10)
    figure.colorbar(shown, ax=mask_axis)
    extent = (float(q[0]), float(q[-1]), 0.0, 360.0)
    shown = polar_axis.imshow(polar, norm=_logarithmic(polar), cmap="inferno", aspect="auto", origin="lower", extent=extent)
    polar_axis.set_title("mean on rings")
    polar_axis.set_xlabel("$q$ [1/Å]")
    polar_axis.set_ylabel("angle from the axis of the rows [degrees]")
    figure.colorbar(shown, ax=polar_axis)
    for axis in (mean_axis, mask_axis):
        axis.set_xlabel("column")
        axis.set_ylabel("row")
    for axis in (mean_axis, polar_axis):
        axis.set_facecolor("0.6")
    _save(figure, path)


def plot_examples(path: Path, images: Sequence[NDArray], usable: NDArray[np.bool_]) -> None:
    """Some patterns, photons on a logarithmic scale from 1 on; what sees nothing is grey."""
    columns = min(3, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(4 * columns + 1, 3.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    largest = max(2.0, *(float(image.max()) for image in images))
    for number, axis in enumerate(axes.flat):
        axis.set_visible(number < len(images))
        if number < len(images):
            shown = axis.imshow(
                np.where(usable, images[number] + 0.5, np.nan), norm=LogNorm(0.5, largest), cmap="inferno", interpolation="nearest"
            )
            axis.set_title(f"pattern {number}: {images[number].sum():.4g} photons", fontsize=10)
            axis.set_facecolor("0.6")
    figure.colorbar(shown, ax=axes).set_label("photons + 1/2")
    _save(figure, path)


def plot_mean_intensity(path: Path, q: NDArray[np.float64], intensity: NDArray[np.float64]) -> None:
    """<I>(q)."""
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axis = figure.subplots()
    axis.plot(q, np.where(intensity > 0, intensity, np.nan))
    axis.set_yscale("log")
    axis.set_xlabel("$q$ [1/Å]")
    axis.set_ylabel(r"$\langle I\rangle(q)$")
    axis.set_title("Mean intensity of all patterns")
    axis.grid(alpha=0.3)
    _save(figure, path)


def plot_correlation(
    path: Path,
    q: NDArray[np.float64],
    delta: NDArray[np.float64],
    equal_q: NDArray[np.float64],
    quarter: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> None:
    """C / (<I><I>) - 1 for equal q over Delta (n, n_delta), at a quarter circle over q1, q2 (n, n), and curves at some q."""
    figure = Figure(figsize=(14, 4.4), layout="constrained")
    ring_axis, pair_axis, curve_axis = figure.subplots(1, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        contrast = equal_q / mean[:, None] ** 2 - 1
        pairs = quarter / np.multiply.outer(mean, mean) - 1
    edges = (float(q[0]), float(q[-1]))
    norm = _symmetric(contrast)
    shown = ring_axis.imshow(contrast, origin="lower", aspect="auto", extent=(0, 360, *edges), norm=norm, cmap="RdBu_r")
    figure.colorbar(shown, ax=ring_axis)
    ring_axis.set(title=r"$C(q, q, \Delta)\,/\,\langle I\rangle^2 - 1$", xlabel=r"$\Delta$ [degrees]", ylabel="$q$ [1/Å]")
    shown = pair_axis.imshow(pairs, origin="lower", extent=(*edges, *edges), norm=_symmetric(pairs), cmap="RdBu_r")
    figure.colorbar(shown, ax=pair_axis)
    pair_axis.set(title=r"$C(q_1, q_2, \pi/2)\,/\,\langle I\rangle\langle I\rangle - 1$", xlabel="$q_2$ [1/Å]", ylabel="$q_1$ [1/Å]")
    for part in (0.25, 0.5, 0.75):
        row = int(part * (len(q) - 1))
        curve_axis.plot(np.degrees(delta), contrast[row], label=f"$q$ = {q[row]:.3g} 1/Å", linewidth=0.9)
    curve_axis.set(title="cuts", xlabel=r"$\Delta$ [degrees]", xlim=(0, 360))
    curve_axis.grid(alpha=0.3)
    curve_axis.legend(fontsize=8)
    for axis in (ring_axis, pair_axis):
        axis.set_facecolor("0.6")
    _save(figure, path)


def _symmetric(values: NDArray) -> Normalize:
    finite = np.abs(values[np.isfinite(values)])
    largest = float(np.quantile(finite, 0.995)) if finite.size else 1.0
    typical = float(np.median(finite)) if finite.size else 0.1
    return SymLogNorm(max(typical, largest * 1e-4, 1e-12), vmin=-max(largest, 1e-12), vmax=max(largest, 1e-12))
