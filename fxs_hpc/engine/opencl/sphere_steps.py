"""What a phasing step does in space: azimuthal transforms fused with what is done on the grid, polar factors, errors."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import IntensityPair, Projected
from fxs_hpc.engine.layout import unfold_parity
from fxs_hpc.engine.opencl.members import Member
from fxs_hpc.engine.opencl.sphere import SphereBoard
from fxs_hpc.engine.opencl.steps import Steps, Which
from fxs_hpc.engine.procrustes import invariants_of


class SphereSteps(Steps):
    """See `Steps`."""

    board: SphereBoard

    def __init__(self, board: SphereBoard) -> None:
        super().__init__(board)
        self.field_rows = board.layout.parts * board.layout.half
        self._rows = board.layout.half // (1 if board.layout.parts == 2 else 2)

    def _see(self, count: int, filled: int) -> None:
        board, stored = self.board, self.board.layout.stored
        self._transform(count, filled, np.int32(0))
        board.multiply("synthesise", count, "amplitude_coefficients", stored)
        board.rings("intensity", stored, self._rows, count, "synthesised", "amplitude", "intensity_analysed")
        board.multiply("analyse_intensity", count)

    def _change_intensity(self, count: int, fraction: float) -> None:
        board = self.board
        board.multiply("overlaps", count)
        polar, items = board.layout.polar, board.shape.polar_items
        sizes = np.uint64(board.size("matrices")), np.uint64(max(polar.scratch, 1))
        board.run(
            "polar_factors", (len(polar.orders), count, 1), items, "matrices", sizes[0], "scratch", sizes[1], "polar_table", "members"
        )
        board.multiply("projected", count)
        keep = np.int32(board.constraints.keep_unknown_orders)
        arguments = ("intensity_change", "intensity", "kinds", "known", "average", "factors", self._open_shells(fraction), keep)
        board.coefficients("constrain", board.layout.intensity_order, count, *arguments)
        board.multiply("synthesise_intensity", count)

    def _change_to_frozen(self, count: int, fraction: float) -> None:
        board, keep = self.board, np.int32(self.board.constraints.keep_unknown_orders)
        arguments = ("intensity_change", "intensity", "frozen_coefficients", self._open_shells(fraction), keep)
        board.coefficients("constrain_to_frozen", board.layout.intensity_order, count, *arguments)

    def _modulus(self, count: int, keep: str, carry: float, frozen: bool) -> None:
        board, real = self.board, self.board.arithmetic.real.type
        given = ("frozen" if frozen else "intensity_synthesised", np.int32(frozen), "amplitude", keep, real(carry), "analysed")
        board.rings("modulus", board.layout.stored, self._rows, count, *given)
        board.multiply("analyse", count, "change_coefficients", board.layout.stored)

    def _freeze(self, count: int, keep: str) -> None:
        self.board.rings("freeze", self.board.layout.stored, self._rows, count, "intensity_synthesised", "amplitude", keep, "frozen")

    def _frozen_coefficients(self, count: int) -> None:
        board = self.board
        board.rings("frozen_spectra", board.layout.stored, self._rows, count, "frozen", "intensity_analysed")
        board.multiply("analyse_frozen", count)

    def frozen_size(self) -> int:
        """See `Steps.frozen_size`."""
        layout = self.board.layout
        return layout.parts * layout.half * layout.length * layout.stored

    def mean_share(self) -> float:
        """See `Steps.mean_share`."""
        return float(1 / (2 * self.board.layout.length * self.board.ring_weights().sum()))

    def _scale(self, count: int, transfer: NDArray) -> None:
        board = self.board
        board.upload("transfer", board.shells(transfer))
        board.coefficients("scale_shells", board.layout.order, count, "amplitude_coefficients", "transfer", "change_coefficients")

    def _add_inner_shells(self, count: int, inner: int) -> None:
        board = self.board
        groups = (1, board.layout.order + 1, count * (board.layout.order + 1))
        columns = ("amplitude_coefficients", "inner_columns", np.int32(inner), "density_coefficients", "members")
        board.run("add_inner_shells", groups, board.shape.polar_items, *columns)

    def projected(self, member: Member, which: Which) -> Projected:
        """See `Engine.project`."""
        board, layout, real = self.board, self.board.layout, self.board.arithmetic.real
        self.constrain_amplitude([member], 0.0, which)
        board.multiply("synthesise", 1, "change_coefficients", layout.stored)
        # Even plus odd part, even minus odd part.
        board.rings("synthesise_density", layout.stored, self.field_rows, 1, "synthesised", "amplitude", np.int32(0))
        grid = board.read("amplitude", member.number, (layout.parts, 2, layout.half, layout.length, layout.stored), real)
        even_odd = [np.stack([part[0] + part[1], part[0] - part[1]]) / 2 for part in grid]
        amplitude = unfold_parity(even_odd[0], layout.shells)
        if layout.parts == 2:
            amplitude = amplitude + 1j * unfold_parity(even_odd[1], layout.shells)
        coefficients = board.read("intensity", member.number, layout.shapes["intensity"], real)
        invariants = invariants_of(coefficients, layout.shells, board.constraints.reciprocal.max_order)
        return Projected(amplitude, board.matrices.projection.unknowns(coefficients), invariants)

    def intensity(self, member: Member) -> IntensityPair:
        """See `Engine.intensity`."""
        board, layout, real = self.board, self.board.layout, self.board.arithmetic.real
        rows = np.s_[:, : layout.intensity_order + 1, :, : layout.shells]
        names = ("intensity", "intensity_change")
        found, change = (board.read(name, member.number, layout.shapes[name], real)[rows] for name in names)
        opened = board.radial.q <= member.open_fraction * board.radial.q_max
        left_alone = np.ones(layout.shells, real) if board.constraints.keep_unknown_orders else (1 - opened).astype(real)
        return IntensityPair(found, change + left_alone * found)

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
