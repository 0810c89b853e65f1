"""One reconstruction on an OpenCL device: see `engine.interface.Engine`."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Projected, Snapshot, Update
from fxs_hpc.engine.layout import fold, unfold, unfold_parity
from fxs_hpc.engine.opencl.steps import Member, Steps
from fxs_hpc.engine.procrustes import invariants_of

Operation = Callable[[Sequence[Member]], Sequence[Any] | None]


class Turns(Protocol):
    """Who carries out the operations that members of a batch ask for."""

    def take(self, member: Member, key: Hashable, operation: Operation) -> Any:
        """The member's share of the result of `operation`, done for all members that ask for the same `key` at the same time."""

    def alone(self, work: Callable[[], Any]) -> Any:
        """`work`, while nothing else uses the device."""


class OneAtATime:
    """Turns of a batch of one."""

    def take(self, member: Member, key: Hashable, operation: Operation) -> Any:
        """See `Turns.take`."""
        results = operation([member])
        return None if results is None else results[0]

    def alone(self, work: Callable[[], Any]) -> Any:
        """See `Turns.alone`."""
        return work()


class OpenClEngine:
    """See `engine.interface.Engine`; `number` is its place on the board that `steps` works on."""

    def __init__(self, steps: Steps, number: int = 0, turns: Turns | None = None) -> None:
        self._steps, self._board, self._layout = steps, steps.board, steps.board.layout
        self._member = Member(number)
        self._turns: Turns = turns or OneAtATime()

    # --- state

    def load(self, density: NDArray, support: NDArray[np.bool_], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.load`."""
        parts = [density.real, density.imag] if self._layout.parts == 2 else [density.real]
        folded = np.stack([fold(part, self._board.arithmetic.real) for part in parts])
        snapshot = Snapshot(folded, fold(support, np.uint8), self._layout.stored)
        self.restore((snapshot, snapshot), initial_support)

    def restore(self, snapshots: Sequence[Snapshot], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.restore`."""
        member, board, real = self._member, self._board, self._board.arithmetic.real
        member.last, member.best, member.support, member.best_support = 0, 1, 0, 1

        def transfer() -> None:
            for slot, snapshot in enumerate(snapshots):
                board.write("density", 2 * member.number + slot, snapshot.density.astype(real, copy=False))
                board.write("support", 2 * member.number + slot, snapshot.support)
                member.filled[slot] = snapshot.filled_shells
            board.write("initial", member.number, fold(initial_support, np.uint8))
            self._steps.mark([member])

        self._turns.alone(transfer)

    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        """See `Engine.snapshots`."""
        member = self._member
        last = Snapshot(self._folded(member.last), self._folded_support(member.support), member.filled[member.last])
        return last, Snapshot(self._folded(member.best), self._folded_support(member.best_support), member.filled[member.best])

    def _field_shape(self) -> tuple[int, ...]:
        return self._layout.parts, 2, self._layout.half, self._layout.length, self._layout.stored

    def _folded(self, slot: int) -> NDArray:
        place, real = 2 * self._member.number + slot, self._board.arithmetic.real
        return self._turns.alone(lambda: self._board.read("density", place, self._field_shape(), real))

    def _folded_support(self, slot: int) -> NDArray[np.uint8]:
        place, shape = 2 * self._member.number + slot, self._field_shape()[1:]
        return self._turns.alone(lambda: self._board.read("support", place, shape, np.dtype(np.uint8)))

    def remember(self) -> None:
        """See `Engine.remember`."""
        self._member.best, self._member.best_support = self._member.last, self._member.support

    def recall(self) -> None:
        """See `Engine.recall`."""
        self._member.last, self._member.support = self._member.best, self._member.best_support
        self._turns.alone(lambda: self._steps.mark([self._member]))

    def density(self, which: Literal["last", "best"] = "last") -> NDArray:
        """See `Engine.density`."""
        folded = self._folded(self._member.last if which == "last" else self._member.best)
        parts = [unfold(part, self._layout.shells) for part in folded]
        return parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0]

    def support(self, which: Literal["last", "best"] = "last") -> NDArray[np.bool_]:
        """See `Engine.support`."""
        slot = self._member.support if which == "last" else self._member.best_support
        return unfold(self._folded_support(slot), self._layout.shells).astype(bool)

    # --- steps

    def step(self, update: Update) -> float:
        """See `Engine.step`."""
        key = ("step", update, self._member.open_fraction)
        return self._turns.take(self._member, key, lambda members: self._steps.step(members, update))

    def shrink_wrap(self, transfer: NDArray[np.float64], threshold: float, inside_initial_support: bool) -> None:
        """See `Engine.shrink_wrap`."""
        key = ("shrink_wrap", transfer.tobytes(), threshold, inside_initial_support)
        self._turns.take(self._member, key, lambda members: self._steps.shrink_wrap(members, transfer, threshold, inside_initial_support))

    def limit_resolution(self, fraction: float) -> None:
        """See `Engine.limit_resolution`."""
        self._member.open_fraction = fraction

    def band_limit(self) -> None:
        """See `Engine.band_limit`."""
        self._turns.take(self._member, "band_limit", self._steps.band_limit)

    def reciprocal_errors(self) -> dict[str, float]:
        """See `Engine.reciprocal_errors`."""
        return self._turns.take(self._member, ("errors", self._member.open_fraction), self._steps.reciprocal_errors)

    def support_fraction(self) -> float:
        """See `Engine.support_fraction`."""
        return self._turns.take(self._member, "support_fraction", self._steps.support_fractions)

    def project(self, which: Literal["last", "best"] = "last") -> Projected:
        """See `Engine.project`."""
        grid, coefficients = self._turns.alone(lambda: self._projected(which))
        procrustes, constraints = self._board.matrices.projection, self._board.constraints
        even_odd = [np.stack([part[0] + part[1], part[0] - part[1]]) / 2 for part in grid]
        amplitude = unfold_parity(even_odd[0], self._layout.shells)
        if len(even_odd) == 2:
            amplitude = amplitude + 1j * unfold_parity(even_odd[1], self._layout.shells)
        invariants = invariants_of(coefficients, self._layout.shells, constraints.reciprocal.max_order)
        return Projected(amplitude, procrustes.unknowns(coefficients), invariants)

    def _projected(self, which: Literal["last", "best"]) -> tuple[NDArray, NDArray]:
        """Grid values of the constrained amplitude (even plus odd part, even minus odd), and coefficients of the intensity before."""
        board, layout, number, real = self._board, self._layout, self._member.number, self._board.arithmetic.real
        self._steps.constrain_amplitude([self._member], 0.0, which)
        board.multiply("synthesise", 1, "change_coefficients", layout.stored)
        board.rings("synthesise_density", layout.stored, layout.parts * layout.half, 1, "synthesised", "amplitude", np.int32(0))
        return board.read("amplitude", number, self._field_shape(), real), board.read("intensity", number, layout.shapes["intensity"], real)
