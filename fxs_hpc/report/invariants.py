"""Pictures of the first invariants and related matrices over (q1, q2), one panel per order."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fxs_hpc.files.atomic import replacing

FIRST_ORDERS = (0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28)
_COLUMNS = 5
_DECADES = 8


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _layout(rows: int, columns: int) -> tuple[Figure, NDArray, Axes]:
    """A figure with square panels (rows, columns) of fixed size and an axis for the colour bar; sizes in inches."""
    panel, gap, left, right, bottom, top = 2.05, (0.2, 0.42), 0.7, 1.25, 0.55, 0.65
    width = left + columns * panel + (columns - 1) * gap[0] + right
    height = bottom + rows * panel + (rows - 1) * gap[1] + top
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height, gap[0] / panel, gap[1] / panel)
    bar = figure.add_axes((1 - (right - 0.2) / width, bottom / height, 0.2 / width, 1 - (bottom + top) / height))
    return figure, axes, bar


def _panels(
    path: Path,
    q: NDArray[np.float64],
    images: Sequence[NDArray],
    titles: Sequence[str],
    title: str,
    norm: Normalize,
    colours: str | Colormap,
    bar: str,
    ticks: Sequence[float] = (),
    tick_labels: Sequence[str] = (),
) -> None:
    """One square image per order with common axes and one colour bar."""
    rows = -(-len(images) // _COLUMNS)
    columns = min(_COLUMNS, len(images))
    figure, axes, bar_axis = _layout(rows, columns)
    for axis in axes.flat[len(images) :]:
        axis.set_visible(False)
    for axis, image, label in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, origin="lower", extent=(q[0], q[-1], q[0], q[-1]), norm=norm, cmap=colours, interpolation="nearest")
        axis.set_title(label, fontsize=9)
        axis.set_facecolor("0.8")
        axis.tick_params(labelsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(4))
    for axis in axes[:, 0]:
        axis.set_ylabel("$q_1$ [1/Å]", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("$q_2$ [1/Å]", fontsize=9)
    colour_bar = figure.colorbar(ScalarMappable(norm, colours), cax=bar_axis)
    colour_bar.set_label(bar, fontsize=9)
    colour_bar.ax.tick_params(labelsize=8)
    if ticks:
        colour_bar.set_ticks(list(ticks), labels=list(tick_labels))
    figure.text(0.5, 1 - 0.2 / figure.get_figheight(), title, fontsize=11, ha="center", va="center")
    _save(figure, path)


def _shown(count: int) -> list[int]:
    return [order for order in FIRST_ORDERS if order < count]


def plot_moduli(
    path: Path, q: NDArray[np.float64], matrices: Sequence[NDArray] | NDArray, title: str, symbol: str = "B_l", orders: Sequence[int] = ()
) -> None:
    """|B_l(q1, q2)| of the first even orders, each relative to its own maximum, on a logarithmic scale.

    `matrices[l]` is (N, N); `orders` names them where they are not 0, 1, 2 .., and all are drawn if they are few. The last letter of
    `symbol` stands for the order.
    """
    numbers = list(orders) if orders else list(range(len(matrices)))
    few = 0 < len(orders) <= len(FIRST_ORDERS)
    chosen = [index for index, number in enumerate(numbers) if few or number in FIRST_ORDERS]
    images, titles = [], []
    for index in chosen:
        modulus = np.abs(matrices[index])
        largest = float(modulus.max())
        images.append(np.ma.masked_equal(modulus / largest if largest else modulus, 0))
        titles.append(f"${symbol[-1]}$ = {numbers[index]},  max {largest:.1e}")
    norm = LogNorm(10.0**-_DECADES, 1)
    _panels(path, q, images, titles, title, norm, "inferno", f"$|{symbol}|$ / max")


def plot_arguments(path: Path, q: NDArray[np.float64], matrices: Sequence[NDArray] | NDArray, title: str, symbol: str = "B_l") -> None:
    """arg B_l(q1, q2) of the first even orders; grey below 1e-12 of the maximum. Real invariants show 0 or pi only."""
    chosen = _shown(len(matrices))
    images = []
    for order in chosen:
        modulus = np.abs(matrices[order])
        images.append(np.ma.masked_where(modulus <= 1e-12 * modulus.max(), np.angle(matrices[order])))
    norm = Normalize(-np.pi, np.pi)
    titles = [f"${symbol[-1]}$ = {order}" for order in chosen]
    _panels(path, q, images, titles, title, norm, "twilight_shifted", f"arg ${symbol}$", (-np.pi, 0, np.pi), ("−π", "0", "π"))


def plot_masks(path: Path, q: NDArray[np.float64], masks: NDArray[np.bool_], title: str, letter: str = "l") -> None:
    """Which (q1, q2) of the first even orders are used."""
    chosen = _shown(len(masks))
    titles = [f"${letter}$ = {order},  {100 * masks[order].mean():.0f} % used" for order in chosen]
    colours = ListedColormap(["#4d4d4d", "#8fbc6f"])
    norm = BoundaryNorm([-0.5, 0.5, 1.5], 2)
    images = [masks[order].astype(int) for order in chosen]
    _panels(path, q, images, titles, title, norm, colours, "", (0, 1), ("left out", "used"))


def plot_factor_errors(
    path: Path,
    q: NDArray[np.float64],
    invariants: NDArray,
    masks: NDArray[np.bool_],
    matrices: Sequence[NDArray],
    title: str,
    letter: str = "l",
) -> None:
    """Relative error of V_l V_l^+ against B_l per order and q: |row of the difference| / |row of B_l|, of the pairs in use."""
    orders = np.array([order for order in range(len(invariants)) if invariants[order].any()])
    errors = np.full((len(orders), len(q)), np.nan)
    for row, order in enumerate(orders):
        difference = np.where(masks[order], matrices[order] @ matrices[order].conj().T - invariants[order], 0)
        size = np.linalg.norm(np.where(masks[order], invariants[order], 0), axis=1)
        np.divide(np.linalg.norm(difference, axis=1), size, out=errors[row], where=size > 0)
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axis = figure.subplots()
    norm = LogNorm(1e-12, 1)
    edges = np.append(orders - (orders[1] - orders[0] if len(orders) > 1 else 1) / 2, orders[-1] + 1)
    steps = np.append(q - (q[1] - q[0]) / 2, q[-1] + (q[1] - q[0]) / 2)
    image = axis.pcolormesh(steps, edges, np.ma.masked_invalid(errors).clip(1e-12), norm=norm, cmap="viridis")
    axis.set_facecolor("0.8")
    axis.set_xlabel("$q$ [1/Å]")
    axis.set_ylabel(f"order ${letter}$")
    axis.set_title(title, fontsize=11)
    product = "v_n v_n^+ - B_n" if letter == "n" else "V_l V_l^+ - B_l"
    figure.colorbar(image, ax=axis).set_label(f"$|{product}|\\; /\\; |B_{letter}|$, row by row")
    _save(figure, path)
