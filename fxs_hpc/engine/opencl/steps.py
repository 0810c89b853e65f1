"""The operations of a phasing step on an OpenCL device, for several reconstructions in the same launches.

The formulas are those of `engine.numpy_engine`. Between steps nothing leaves the device but two sums for each error, and after
shrink-wrap which shells the support touches.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.fft import LANES
from fxs_hpc.engine.interface import Update
from fxs_hpc.engine.layout import padded
from fxs_hpc.engine.opencl.board import Board

_ONE = np.int32(1)
_NONE = np.int32(0)


@dataclass
class Member:
    """Bookkeeping of one reconstruction of a batch.

    Attributes
    ----------
    number : its place in the buffers.
    last, best : slots of the present and the best density; support, best_support likewise.
    filled : per density slot, shells beyond are zero.
    support_shells : shells beyond are outside both supports.
    open_fraction : share of q_max that takes part.
    """

    number: int
    last: int = 0
    best: int = 0
    support: int = 0
    best_support: int = 0
    filled: list[int] = field(default_factory=lambda: [0, 0])
    support_shells: int = 0
    open_fraction: float = 1.0

    @property
    def free(self) -> int:
        """Where the next density goes: in place unless the present one is the best."""
        return 1 - self.last if self.last == self.best else self.last

    @property
    def free_support(self) -> int:
        """Where the next support goes."""
        return 1 - self.support if self.support == self.best_support else self.support


class Steps:
    """The operations of a step, for any members of a board at once."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._rules = np.dtype(
            [(name, board.arithmetic.real) for name in ("lower", "upper", "largest_imag", "beta")]
            + [(name, np.int32) for name in ("raar", "by_support", "by_value", "by_imag")]
        )
        self._rows = board.layout.half // (1 if board.layout.parts == 2 else 2)

    def _work_on(self, members: Sequence[Member], source: Literal["last", "best"] = "last", support: bool = False) -> int:
        slots = [(m.number, m.last if source == "last" else m.best, m.free, m.free_support if support else m.support) for m in members]
        self.board.set_members(slots)
        return len(members)

    def _open_shells(self, fraction: float) -> str:
        if fraction >= 1:
            return "ones"
        radial, name = self.board.geometry.radial, f"open {fraction!r}"
        if name not in self.board.buffers:
            self.board.upload(name, self.board.shells(radial.q <= fraction * radial.q_max) + self._padding())
            self.board.upload(f"closed {fraction!r}", 1 - self.board.shells(radial.q <= fraction * radial.q_max) - self._padding())
        return name

    def _padding(self) -> NDArray:
        layout = self.board.layout
        return (np.arange(layout.stored) >= layout.shells).astype(self.board.arithmetic.real)

    def step(self, members: Sequence[Member], update: Update) -> list[float]:
        """See `Engine.step`."""
        self.constrain_amplitude(members, 1.0 if update.stabilised else 0.0)
        return self._update_density(members, update)

    def constrain_amplitude(self, members: Sequence[Member], carry: float, source: Literal["last", "best"] = "last") -> None:
        """Densities -> coefficients of A' - carry A in the change of the amplitude."""
        board, count = self.board, self._work_on(members, source)
        filled = max(m.filled[m.last if source == "last" else m.best] for m in members)
        self._transform(count, filled, magnitude=_NONE)
        board.multiply("synthesise", count, "amplitude_coefficients", board.layout.stored)
        board.rings("intensity", board.layout.stored, self._rows, count, "synthesised", "amplitude", "intensity_analysed")
        board.multiply("analyse_intensity", count)
        self._project(count, members[0].open_fraction)
        board.multiply("synthesise_intensity", count)
        keep = self._kept(members[0].open_fraction)
        real = board.arithmetic.real.type
        board.rings("modulus", board.layout.stored, self._rows, count, "intensity_synthesised", "amplitude", keep, real(carry), "analysed")
        board.multiply("analyse", count, "change_coefficients", board.layout.stored)

    def _kept(self, fraction: float) -> str:
        if self.board.constraints.keep_unknown_orders:
            return "ones"
        return self._open_shells(fraction).replace("open", "closed") if fraction < 1 else "zeros"

    def _project(self, count: int, fraction: float) -> None:
        board = self.board
        board.multiply("overlaps", count)
        polar, items = board.layout.polar, board.shape.polar_items
        sizes = np.uint64(board.size("matrices")), np.uint64(max(polar.scratch, 1))
        board.run(
            "polar_factors", (len(polar.orders), count, 1), items, "matrices", sizes[0], "scratch", sizes[1], "polar_table", "members"
        )
        board.multiply("projected", count)
        keep = np.int32(board.constraints.keep_unknown_orders)
        arguments = ("intensity_change", "intensity", "kinds", "known", "average", self._open_shells(fraction), keep)
        board.coefficients("constrain", board.layout.intensity_order, count, *arguments)

    def _transform(self, count: int, filled: int, magnitude: np.int32) -> None:
        """Densities -> coefficients of their Fourier transform."""
        board = self.board
        board.rings("analyse_density", filled, board.layout.parts * board.layout.half, count, "density", magnitude, "analysed")
        board.multiply("analyse", count, "density_coefficients", filled)
        board.multiply("to_amplitude", count, filled)

    def _update_density(self, members: Sequence[Member], update: Update) -> list[float]:
        board, count, whole = self.board, len(members), self.board.layout.stored
        outside_changes = update.method != "ER" or not board.constraints.use_support
        shells = whole if outside_changes else max(m.support_shells for m in members)
        board.multiply("to_density", count, shells)
        inner = board.constraints.stabilised_from
        if update.stabilised and inner:
            groups = (1, board.layout.order + 1, count * (board.layout.order + 1))
            columns = ("amplitude_coefficients", "inner_columns", np.int32(inner), "density_coefficients", "members")
            board.run("add_inner_shells", groups, board.shape.polar_items, *columns)
        board.multiply("synthesise", count, "density_coefficients", shells)
        carry = "stabilised" if update.stabilised else "zeros"
        board.rings("update", shells, board.layout.half, count, "synthesised", "density", "mask", carry, self._rules_of(update), "rows")
        self._clear(members, shells)
        for member in members:
            member.filled[member.free], member.last = shells, member.free
        board.run(
            "sum_up", (1, count, 1), board.shape.sum_items, "rows", "ring_weights", "error_weights", np.int32(shells), "sums", "members"
        )
        sums = board.read("sums", 0, (count, 2), board.arithmetic.acc)
        return [float(missed / total) if total > 0 else float("nan") for missed, total in sums]

    def _clear(self, members: Sequence[Member], shells: int) -> None:
        stop = max(member.filled[member.free] for member in members)
        if stop > shells:
            groups = (1, self.board.layout.parts * self.board.layout.half, len(members))
            self.board.run("clear_shells", groups, self.board.shape.polar_items, "density", np.int32(shells), np.int32(stop), "members")

    def _rules_of(self, update: Update) -> Any:
        constraints = self.board.constraints
        counted = [update.method == "HIO" and name in update.feedback for name in ("support", "value_threshold", "limit_imag")]
        rules = np.zeros((), self._rules)
        rules["lower"], rules["upper"], rules["largest_imag"] = constraints.lower, constraints.upper, constraints.largest_imag
        rules["beta"], rules["raar"] = update.beta, update.method == "RAAR"
        rules["by_support"], rules["by_value"], rules["by_imag"] = counted
        return rules[()]

    def _filter(self, count: int, filled: int, transfer: NDArray, magnitude: np.int32) -> None:
        """Densities -> azimuthal spectra of IFT(transfer(q) FT(density))."""
        board, whole = self.board, self.board.layout.stored
        self._transform(count, filled, magnitude)
        board.upload("transfer", board.shells(transfer))
        board.coefficients("scale_shells", board.layout.order, count, "amplitude_coefficients", "transfer", "change_coefficients")
        board.multiply("to_density", count, whole)
        board.multiply("synthesise", count, "density_coefficients", whole)

    def band_limit(self, members: Sequence[Member]) -> None:
        """See `Engine.band_limit`."""
        board, count = self.board, self._work_on(members)
        self._filter(count, max(m.filled[m.last] for m in members), np.ones(board.layout.shells), _NONE)
        rows = board.layout.parts * board.layout.half
        board.rings("synthesise_density", board.layout.stored, rows, count, "synthesised", "density", _ONE)
        for member in members:
            member.filled[member.free], member.last = board.layout.stored, member.free

    def shrink_wrap(self, members: Sequence[Member], transfer: NDArray, threshold: float, confined: bool) -> None:
        """See `Engine.shrink_wrap`."""
        board, count, whole = self.board, self._work_on(members, support=True), self.board.layout.stored
        self._filter(count, max(m.filled[m.last] for m in members), transfer, _ONE)
        board.rings("synthesise_density", whole, board.layout.parts * board.layout.half, count, "synthesised", "amplitude", _NONE)
        board.rings("extent", whole, board.layout.half, count, "amplitude", "rows")
        board.run("total_extent", (1, count, 1), board.shape.sum_items, "rows", "range", "members")
        level = board.arithmetic.real.type(threshold)
        board.rings("cut", whole, board.layout.half, count, "amplitude", "range", level, np.int32(confined), "initial", "support")
        for member in members:
            member.support = member.free_support
        self.mark(members)

    def mark(self, members: Sequence[Member]) -> None:
        """The mask of each member from its support."""
        board, count, layout = self.board, self._work_on(members), self.board.layout
        use = np.int32(board.constraints.use_support)
        board.rings("mark", layout.stored, layout.half, count, "support", "initial", use, "mask", "touched")
        touched = board.read("touched", 0, (count, layout.half, layout.stored), np.dtype(np.uint8))
        for member, rings in zip(members, touched, strict=True):
            where = np.flatnonzero(rings.any(axis=0))
            member.support_shells = padded(int(where[-1]) + 1) if where.size else LANES

    def support_fractions(self, members: Sequence[Member]) -> list[float]:
        """See `Engine.support_fraction`."""
        board, count, layout = self.board, self._work_on(members), self.board.layout
        board.rings("count_support", layout.stored, layout.half, count, "support", "initial", "rows")
        shells = np.int32(layout.stored)
        board.run("sum_up", (1, count, 1), board.shape.sum_items, "rows", "ring_weights", "volume_weights", shells, "sums", "members")
        return [float(inside / initial) for inside, initial in board.read("sums", 0, (count, 2), board.arithmetic.acc)]

    def reciprocal_errors(self, members: Sequence[Member]) -> list[dict[str, float]]:
        """See `Engine.reciprocal_errors`."""
        board, count, layout = self.board, self._work_on(members), self.board.layout
        table, shares = self._invariants()
        acc, items = board.arithmetic.acc, board.shape.sum_items
        for name, size in (("lengths", 2 * (layout.intensity_order + 1)), ("row errors", max(len(table), 1) * layout.shells)):
            board.reserve(name, board.members * size * acc.itemsize)
        opened, keep = self._open_shells(members[0].open_fraction), np.int32(board.constraints.keep_unknown_orders)
        both = ("intensity_change", "intensity")
        highest = board.constraints.reciprocal.max_order
        board.run("lengths", (highest + 1, count, 1), items, *both, opened, "q_weights", keep, "lengths", "members")
        factors = ("constants", "invariant_table", "known")
        board.run("invariant_rows", (layout.shells, len(table), count), items, "intensity", *factors, "row errors", "members")
        parts = ("lengths", np.int32(highest), "row errors", "invariant_shares", np.int32(len(table)))
        board.run("invariant_errors", (count, 1, 1), 1, *parts, "sums")
        found = board.read("sums", 0, (count, 3), acc)
        number = np.count_nonzero(shares)
        names = ("l2_projection_diff", "deg2_invariant_l2_diff")
        return [dict(zip(names, (float(a / b), float(c / number) if number else 0.0), strict=True)) for a, b, c in found]

    def _invariants(self) -> tuple[NDArray, NDArray]:
        """(order, columns, offset of V_l^T) of the orders compared, and 1 / |V V^T|^2 of each (0: none to compare)."""
        matrices, rows, shares = self.board.matrices, [], []
        for l, (_, transposed, _) in matrices.projection.orders.items():
            norm = float(np.sum((transposed @ transposed.T).astype(float) ** 2))
            rows.append((l, len(transposed), matrices.factor_offset(l) if len(transposed) else 0))
            shares.append(1 / norm if norm else 0.0)
        table, share = np.array(rows, np.int32).reshape(-1, 3), np.array(shares)
        if "invariant_table" not in self.board.buffers:
            self.board.upload("invariant_table", np.append(table.ravel(), np.int32(0)))
            self.board.upload("invariant_shares", np.append(share, 0.0).astype(self.board.arithmetic.acc))
        return table, share
