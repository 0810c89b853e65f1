"""One reconstruction on an OpenCL device: see `engine.interface.Engine`."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import IntensityPair, Projected, Snapshot, Update, Volume
from fxs_hpc.engine.opencl.members import Member
from fxs_hpc.engine.opencl.steps import Steps

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
        self._steps, self._board, self._layout = steps, steps.board, steps.board.arrangement
        self._member = Member(number)
        self._turns: Turns = turns or OneAtATime()
        self.scale_average(1.0)

    # --- state

    def load(self, density: NDArray, support: NDArray[np.bool_], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.load`."""
        layout = self._layout
        folded = layout.density_to_snapshot(layout.folded(density, self._board.arithmetic.real))
        snapshot = Snapshot(folded, layout.to_snapshot(layout.folded_support(support)), layout.stored)
        self.restore((snapshot, snapshot), initial_support)

    def restore(self, snapshots: Sequence[Snapshot], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.restore`."""
        member, board, layout, real = self._member, self._board, self._layout, self._board.arithmetic.real
        member.last, member.best, member.support, member.best_support, member.frozen = 0, 1, 0, 1, False

        def transfer() -> None:
            for slot, snapshot in enumerate(snapshots):
                board.write("density", 2 * member.number + slot, layout.density_from_snapshot(snapshot.density, real))
                board.write("support", 2 * member.number + slot, layout.from_snapshot(snapshot.support, np.dtype(np.uint8)))
                member.filled[slot] = layout.filled(snapshot.filled_shells)
            board.write("initial", member.number, layout.folded_support(initial_support))
            self._steps.mark([member])
            if snapshots[0].frozen is not None:
                self._steps.thaw(member, layout.from_snapshot(snapshots[0].frozen, real))

        self._turns.alone(transfer)

    def replace(self, density: NDArray) -> None:
        """See `Engine.replace`."""
        member, folded = self._member, self._layout.folded(density, self._board.arithmetic.real)
        self._turns.alone(lambda: self._board.write("density", 2 * member.number + member.free, folded))
        member.filled[member.free], member.last = self._layout.stored, member.free

    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        """See `Engine.snapshots`."""
        return self._snapshot(self._member.last, self._member.support, self._frozen()), self._snapshot(
            self._member.best, self._member.best_support
        )

    def _snapshot(self, slot: int, support: int, frozen: NDArray | None = None) -> Snapshot:
        layout = self._layout
        density = layout.density_to_snapshot(self._folded(slot))
        filled = min(self._member.filled[slot], density.shape[-1])
        return Snapshot(density, layout.to_snapshot(self._folded_support(support)), filled, frozen)

    def _frozen(self) -> NDArray | None:
        if not self._member.frozen:
            return None
        layout, real = self._layout, self._board.arithmetic.real
        shape = (self._steps.frozen_size() // (layout.half * layout.length * layout.stored), layout.half, layout.length, layout.stored)
        return layout.to_snapshot(self._turns.alone(lambda: self._board.read("frozen", self._member.number, shape, real)))

    def _field_shape(self) -> tuple[int, ...]:
        layout = self._layout
        return layout.parts, layout.sides, layout.half, layout.length, layout.stored

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
        return self._layout.unfolded(self._folded(self._member.last if which == "last" else self._member.best))

    def support(self, which: Literal["last", "best"] = "last") -> NDArray[np.bool_]:
        """See `Engine.support`."""
        slot = self._member.support if which == "last" else self._member.best_support
        return self._layout.unfolded_support(self._folded_support(slot))

    # --- steps

    def step(self, update: Update) -> float:
        """See `Engine.step`."""
        key = ("step", update, self._member.open_fraction)
        return self._turns.take(self._member, key, lambda members: self._steps.step(members, update))

    def shrink_wrap(self, transfer: NDArray[np.float64], cut: float | Volume, inside_initial_support: bool) -> None:
        """See `Engine.shrink_wrap`."""
        key = ("shrink_wrap", transfer.tobytes(), cut, inside_initial_support)
        self._turns.take(self._member, key, lambda members: self._steps.shrink_wrap(members, transfer, cut, inside_initial_support))

    def limit_resolution(self, fraction: float) -> None:
        """See `Engine.limit_resolution`."""
        self._member.open_fraction = fraction

    def band_limit(self) -> None:
        """See `Engine.band_limit`."""
        self._turns.take(self._member, "band_limit", self._steps.band_limit)

    def freeze(self) -> None:
        """See `Engine.freeze`."""
        self._turns.take(self._member, ("freeze", self._member.open_fraction), self._steps.freeze)

    def scale_average(self, factor: float) -> None:
        """See `Engine.scale_average`."""
        value = np.array([factor], self._board.arithmetic.real)
        self._turns.alone(lambda: self._board.write("factors", self._member.number, value))

    def intensity(self) -> IntensityPair:
        """See `Engine.intensity`."""
        return self._turns.alone(lambda: self._steps.intensity(self._member))

    def reciprocal_errors(self) -> dict[str, float]:
        """See `Engine.reciprocal_errors`."""
        return self._turns.take(self._member, ("errors", self._member.open_fraction), self._steps.reciprocal_errors)

    def support_fraction(self) -> float:
        """See `Engine.support_fraction`."""
        return self._turns.take(self._member, "support_fraction", self._steps.support_fractions)

    def project(self, which: Literal["last", "best"] = "last") -> Projected:
        """See `Engine.project`."""
        return self._turns.alone(lambda: self._steps.projected(self._member, which))
