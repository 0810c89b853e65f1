"""What a phasing step does in the plane."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import IntensityPair, Projected
from fxs_hpc.engine.opencl.members import Member
from fxs_hpc.engine.opencl.plane import PlaneBoard
from fxs_hpc.engine.opencl.steps import Steps, Which
from fxs_hpc.engine.plane_projection import plane_invariants


class PlaneSteps(Steps):
    """See `Steps`."""

    board: PlaneBoard
    update_extras = ("point_weights",)

    def __init__(self, board: PlaneBoard) -> None:
        super().__init__(board)
        self.field_rows = board.layout.half

    def _rings(self, name: str, count: int, *arguments: object) -> None:
        self.board.rings(name, self.board.layout.stored, self.board.layout.half, count, *arguments)

    def _see(self, count: int, filled: int) -> None:
        board = self.board
        self._transform(count, filled, np.int32(0))
        board.multiply("synthesise", count, "amplitude_coefficients", board.layout.stored)
        self._rings("intensity", count, "synthesised", "intensity_analysed")
        board.multiply("analyse_intensity", count)

    def _change_intensity(self, count: int, fraction: float) -> None:
        board, keep = self.board, np.int32(self.board.constraints.keep_unknown_orders)
        data = ("vectors", "known", "fit_weights", "unfitted", "factors", self._open_shells(fraction), keep, "members")
        groups = (len(board.layout.intensity_orders), count, 1)
        board.run("constrain", groups, board.shape.sum_items, "intensity_change", "intensity", *data)
        board.multiply("synthesise_intensity", count)

    def _change_to_frozen(self, count: int, fraction: float) -> None:
        board, keep = self.board, np.int32(self.board.constraints.keep_unknown_orders)
        given = ("intensity_change", "intensity", "frozen_coefficients", self._open_shells(fraction), keep)
        board.coefficients("constrain_to_frozen", 2 * len(board.layout.intensity_orders), count, *given)

    def _modulus(self, count: int, keep: str, carry: float, frozen: bool) -> None:
        real = self.board.arithmetic.real.type
        change = "frozen" if frozen else "intensity_synthesised"
        self._rings("modulus", count, change, np.int32(frozen), "synthesised", keep, real(carry), "analysed")
        self.board.multiply("analyse", count, "change_coefficients", self.board.layout.stored)

    def _freeze(self, count: int, keep: str) -> None:
        self._rings("freeze", count, "intensity_synthesised", "synthesised", keep, "frozen")

    def _frozen_coefficients(self, count: int) -> None:
        self.board.multiply("analyse_frozen", count)

    def frozen_size(self) -> int:
        """See `Steps.frozen_size`."""
        return self.board.layout.points * self.board.layout.stored

    def mean_share(self) -> float:
        """See `Steps.mean_share`."""
        return 1 / self.board.layout.n_phi

    def _scale(self, count: int, transfer: NDArray) -> None:
        board, rows = self.board, 2 * len(self.board.layout.orders)
        board.upload("transfer", board.shells(transfer))
        given = ("amplitude_coefficients", "transfer", "change_coefficients", np.int32(board.members))
        board.coefficients("scale_shells", rows, count, *given)

    def _add_inner_shells(self, count: int, inner: int) -> None:
        board, groups = self.board, (1, len(self.board.layout.orders), count)
        columns = ("amplitude_coefficients", "inner_columns", "degrees", np.int32(inner), "density_coefficients", np.int32(board.members))
        board.run("add_inner_shells", groups, board.shape.polar_items, *columns, "members")

    def _coefficients(self, name: str, member: Member) -> NDArray:
        """I_n (rows, N), complex."""
        layout = self.board.layout
        found = self.board.read(name, member.number, layout.shapes[name], self.board.arithmetic.real)[..., : layout.shells]
        return found[:, 0] + 1j * found[:, 1]

    def _open(self, member: Member) -> NDArray:
        radial = self.board.radial
        return (radial.q <= member.open_fraction * radial.q_max).astype(self.board.arithmetic.real)

    def _pair(self, member: Member) -> tuple[NDArray, NDArray]:
        """Coefficients of the last intensity before and after the projection."""
        found, change = (self._coefficients(name, member) for name in ("intensity", "intensity_change"))
        return found, change + (found if self.board.constraints.keep_unknown_orders else (1 - self._open(member)) * found)

    def intensity(self, member: Member) -> IntensityPair:
        """See `Engine.intensity`; odd orders of a real density are 0."""
        orders, rows = self.board.layout.intensity_orders, self._pair(member)
        found, imposed = (np.zeros((int(orders[-1]) + 1, part.shape[1]), part.dtype) for part in rows)
        found[orders], imposed[orders] = rows
        return IntensityPair(found, imposed)

    def reciprocal_errors(self, members: Sequence[Member]) -> list[dict[str, float]]:
        """See `Engine.reciprocal_errors`."""
        projection, weights = self.board.matrices.projection, self.board.radial.q_weights
        return [projection.errors(*self._pair(member), weights) for member in members]

    def projected(self, member: Member, which: Which) -> Projected:
        """See `Engine.project`."""
        board, layout = self.board, self.board.layout
        self.constrain_amplitude([member], 0.0, which)
        pair = board.read("analysed", member.number, layout.shapes["analysed"], board.arithmetic.real)[..., : layout.shells]
        amplitude = pair[0] + 1j * pair[1]
        if layout.sides == 2:
            amplitude = np.concatenate([amplitude, amplitude.conj()])
        found, constraint = self._coefficients("intensity", member), board.constraints.reciprocal
        factors = dict(zip(layout.intensity_orders.tolist(), board.matrices.projection.factors(found, self._open(member)), strict=True))
        unknowns = {n: np.full((1, 1), factors.get(n, 1), complex) for n in sorted(constraint.projection_matrices) if n}
        return Projected(amplitude.T.copy(), unknowns, plane_invariants(found, layout.intensity_orders, constraint.max_order))
