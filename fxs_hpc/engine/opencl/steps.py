"""The operations of a phasing step on an OpenCL device, for several reconstructions in the same launches.

The formulas are those of the engines of the CPU. Between steps nothing leaves the device but two sums for each error, and after
shrink-wrap which shells the support touches. What differs between sphere and plane are the kernels and the lists of products, not their
names and order.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.fft import LANES
from fxs_hpc.engine.interface import IntensityPair, Projected, Update, Volume
from fxs_hpc.engine.layout import padded
from fxs_hpc.engine.opencl.board import Board
from fxs_hpc.engine.opencl.members import Member
from fxs_hpc.engine.support_volume import level_of_volume
from fxs_hpc.errors import NumericalError

_ONE = np.int32(1)
_NONE = np.int32(0)

Which = Literal["last", "best"]


class Steps(ABC):
    """The operations of a step, for any members of a board at once."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._rules = np.dtype(
            [(name, board.arithmetic.real) for name in ("lower", "upper", "largest_imag", "beta")]
            + [(name, np.int32) for name in ("raar", "by_support", "by_value", "by_imag", "by_centre")],
            align=True,
        )

    # --- what sphere and plane do differently

    field_rows: int
    """Rings that the kernels between grid and spectra take, for all components."""

    update_extras: tuple[str, ...] = ()
    """Further buffers that the update takes."""

    @abstractmethod
    def _see(self, count: int, filled: int) -> None:
        """Densities -> amplitudes on the grid and coefficients of their intensities."""

    @abstractmethod
    def _change_intensity(self, count: int, fraction: float) -> None:
        """What the invariants change of the intensities' coefficients, and of the intensities themselves."""

    @abstractmethod
    def _change_to_frozen(self, count: int, fraction: float) -> None:
        """What the frozen intensities change of the intensities' coefficients."""

    @abstractmethod
    def _modulus(self, count: int, keep: str, carry: float, frozen: bool) -> None:
        """Amplitudes with the intensities wanted, less `carry` times themselves -> coefficients of the change."""

    @abstractmethod
    def _freeze(self, count: int, keep: str) -> None:
        """Intensities wanted, on the grid -> what is frozen."""

    @abstractmethod
    def _frozen_coefficients(self, count: int) -> None:
        """Coefficients of what is frozen."""

    @abstractmethod
    def _scale(self, count: int, transfer: NDArray) -> None:
        """Coefficients of the amplitudes times transfer(q) -> those of the change."""

    @abstractmethod
    def _add_inner_shells(self, count: int, inner: int) -> None:
        """Adds IFT(A) on the innermost shells to the coefficients of the densities."""

    @abstractmethod
    def reciprocal_errors(self, members: Sequence[Member]) -> list[dict[str, float]]:
        """See `Engine.reciprocal_errors`."""

    @abstractmethod
    def projected(self, member: Member, which: Which) -> Projected:
        """See `Engine.project`."""

    @abstractmethod
    def intensity(self, member: Member) -> IntensityPair:
        """See `Engine.intensity`."""

    @abstractmethod
    def frozen_size(self) -> int:
        """Numbers that a frozen intensity has on the grid."""

    @abstractmethod
    def mean_share(self) -> float:
        """Weight of a point of the grid in a mean over the angles, for rings of weight 1."""

    # --- helpers

    def _work_on(self, members: Sequence[Member], source: Which = "last", support: bool = False) -> int:
        slots = [(m.number, m.last if source == "last" else m.best, m.free, m.free_support if support else m.support) for m in members]
        self.board.set_members(slots)
        return len(members)

    def _open_shells(self, fraction: float) -> str:
        if fraction >= 1:
            return "ones"
        radial, name = self.board.radial, f"open {fraction!r}"
        if name not in self.board.buffers:
            self.board.upload(name, self.board.shells(radial.q <= fraction * radial.q_max) + self._padding())
            self.board.upload(f"closed {fraction!r}", 1 - self.board.shells(radial.q <= fraction * radial.q_max) - self._padding())
        return name

    def _closed_shells(self, fraction: float) -> str:
        return self._open_shells(fraction).replace("open", "closed") if fraction < 1 else "zeros"

    def _padding(self) -> NDArray:
        layout = self.board.arrangement
        return (np.arange(layout.stored) >= layout.shells).astype(self.board.arithmetic.real)

    def _kept(self, fraction: float) -> str:
        return "ones" if self.board.constraints.keep_unknown_orders else self._closed_shells(fraction)

    def _filled(self, members: Sequence[Member], which: Which = "last") -> int:
        return max(m.filled[m.last if which == "last" else m.best] for m in members)

    # --- steps

    def step(self, members: Sequence[Member], update: Update) -> list[float]:
        """See `Engine.step`."""
        carry = 1.0 if update.stabilised else 0.0
        if update.frozen:
            self._impose_frozen(members, carry)
        else:
            self.constrain_amplitude(members, carry)
        return self._update_density(members, update)

    def constrain_amplitude(self, members: Sequence[Member], carry: float, source: Which = "last") -> None:
        """Densities -> coefficients of A' - carry A in the change of the amplitude."""
        count, fraction = self._work_on(members, source), members[0].open_fraction
        self._see(count, self._filled(members, source))
        self._change_intensity(count, fraction)
        self._modulus(count, self._kept(fraction), carry, frozen=False)

    def _impose_frozen(self, members: Sequence[Member], carry: float) -> None:
        if not all(member.frozen for member in members):
            raise NumericalError("a step with a frozen intensity, but none was frozen")
        count, fraction = self._work_on(members), members[0].open_fraction
        self._see(count, self._filled(members))
        self._change_to_frozen(count, fraction)
        self._modulus(count, self._closed_shells(fraction), carry, frozen=True)

    def freeze(self, members: Sequence[Member]) -> None:
        """See `Engine.freeze`."""
        count, fraction = self._work_on(members), members[0].open_fraction
        self._see(count, self._filled(members))
        self._change_intensity(count, fraction)
        self._reserve_frozen()
        self._freeze(count, self._kept(fraction))
        self._frozen_coefficients(count)
        for member in members:
            member.frozen = True

    def _reserve_frozen(self) -> None:
        board, size = self.board, self.board.arithmetic.real.itemsize
        board.reserve("frozen", board.members * self.frozen_size() * size)
        board.reserve("frozen_coefficients", board.members * board.size("intensity") * size)

    def thaw(self, member: Member, intensity: NDArray) -> None:
        """Keep an intensity, given as it is frozen."""
        self._reserve_frozen()
        self._work_on([member])
        self.board.write("frozen", member.number, intensity)
        self._frozen_coefficients(1)
        member.frozen = True

    def _transform(self, count: int, filled: int, magnitude: np.int32) -> None:
        """Densities -> coefficients of their Fourier transform."""
        board = self.board
        board.rings("analyse_density", filled, self.field_rows, count, "density", magnitude, "analysed")
        board.multiply("analyse", count, "density_coefficients", filled)
        board.multiply("to_amplitude", count, filled)

    def _update_density(self, members: Sequence[Member], update: Update) -> list[float]:
        board, count, layout = self.board, len(members), self.board.arrangement
        outside_changes = update.method != "ER" or not board.constraints.use_support
        shells = layout.stored if outside_changes else max(m.support_shells for m in members)
        board.multiply("to_density", count, shells)
        inner = board.constraints.stabilised_from
        if update.stabilised and inner:
            self._add_inner_shells(count, inner)
        board.multiply("synthesise", count, "density_coefficients", shells)
        carry, rules = "stabilised" if update.stabilised else "zeros", self._rules_of(update)
        given = ("synthesised", "density", "mask", carry, rules)
        if board.constraints.averaged_shells:
            self._average_shells(count, given)
        board.rings("update", shells, layout.half, count, *given, "averaged", "means", "rows", *self.update_extras)
        self._clear(members, shells)
        for member in members:
            member.filled[member.free], member.last = shells, member.free
        missed_and_total = self._sums(count, "error_weights", shells)
        return [float(missed / total) if total > 0 else float("nan") for missed, total in missed_and_total]

    def _average_shells(self, count: int, given: tuple[Any, ...]) -> None:
        """Means of the innermost shells of the projected densities, and of the projected reflected ones."""
        board, layout = self.board, self.board.arrangement
        shells = min(padded(board.constraints.averaged_shells), layout.stored)
        board.rings("inner_sums", shells, layout.half, count, *given, "inner")
        share = board.arithmetic.acc.type(self.mean_share())
        board.run("mean_shells", (1, count, 1), board.shape.sum_items, "inner", "ring_weights", share, np.int32(shells), "means", "members")

    def _sums(self, count: int, weights: str, shells: int) -> NDArray:
        board = self.board
        board.run("sum_up", (1, count, 1), board.shape.sum_items, "rows", "ring_weights", weights, np.int32(shells), "sums", "members")
        return board.read("sums", 0, (count, 2), board.arithmetic.acc)

    def _clear(self, members: Sequence[Member], shells: int) -> None:
        stop, layout = max(member.filled[member.free] for member in members), self.board.arrangement
        if stop > shells:
            groups = (1, layout.parts * layout.half, len(members))
            self.board.run("clear_shells", groups, self.board.shape.polar_items, "density", np.int32(shells), np.int32(stop), "members")

    def _rules_of(self, update: Update) -> Any:
        constraints = self.board.constraints
        names = ("support", "value_threshold", "limit_imag", "average_center")
        rules = np.zeros((), self._rules)
        rules["lower"], rules["upper"], rules["largest_imag"] = constraints.lower, constraints.upper, constraints.largest_imag
        rules["beta"], rules["raar"] = update.beta, update.method == "RAAR"
        for field, name in zip(("by_support", "by_value", "by_imag", "by_centre"), names, strict=True):
            rules[field] = update.method == "HIO" and name in update.feedback
        return rules[()]

    def _filter(self, count: int, filled: int, transfer: NDArray, magnitude: np.int32) -> None:
        """Densities -> azimuthal spectra of IFT(transfer(q) FT(density))."""
        board, whole = self.board, self.board.arrangement.stored
        self._transform(count, filled, magnitude)
        self._scale(count, transfer)
        board.multiply("to_density", count, whole)
        board.multiply("synthesise", count, "density_coefficients", whole)

    def band_limit(self, members: Sequence[Member]) -> None:
        """See `Engine.band_limit`."""
        board, count, layout = self.board, self._work_on(members), self.board.arrangement
        self._filter(count, self._filled(members), np.ones(layout.shells), _NONE)
        board.rings("synthesise_density", layout.stored, self.field_rows, count, "synthesised", "density", _ONE)
        for member in members:
            member.filled[member.free], member.last = layout.stored, member.free

    def shrink_wrap(self, members: Sequence[Member], transfer: NDArray, cut: float | Volume, confined: bool) -> None:
        """See `Engine.shrink_wrap`."""
        board, count, layout = self.board, self._work_on(members, support=True), self.board.arrangement
        self._filter(count, self._filled(members), transfer, _ONE)
        board.rings("synthesise_density", layout.stored, self.field_rows, count, "synthesised", "amplitude", _NONE)
        threshold = 0.0
        if isinstance(cut, Volume):
            self._levels_of_volume(members, cut.fraction, confined)
        else:
            threshold = cut
            board.rings("extent", layout.stored, layout.half, count, "amplitude", "rows")
            board.run("total_extent", (1, count, 1), board.shape.sum_items, "rows", "range", "members")
        level = board.arithmetic.real.type(threshold)
        board.rings("cut", layout.stored, layout.half, count, "amplitude", "range", level, np.int32(confined), "initial", "support")
        for member in members:
            member.support = member.free_support
        self.mark(members)

    def _levels_of_volume(self, members: Sequence[Member], fraction: float, confined: bool) -> None:
        """Levels in place of both ends of the range, found on the host: they need all voxels in order."""
        board, layout = self.board, self.board.arrangement
        field, rings = (layout.sides, layout.half, layout.length, layout.stored), board.ring_weights()
        volumes = np.broadcast_to(rings[:, None, None] * board.radial.r_weights, (*field[:3], layout.shells))
        for place, member in enumerate(members):
            # The first component comes first in a member's part of the buffer.
            blurred = board.read("amplitude", layout.parts * member.number, field, board.arithmetic.real)[..., : layout.shells]
            blurred = np.maximum(blurred, 0)
            initial = board.read("initial", member.number, field, np.dtype(np.uint8))[..., : layout.shells] > 0
            allowed = initial if confined else np.ones_like(initial)
            level = level_of_volume(blurred[allowed], volumes[allowed], fraction * float(volumes[initial].sum()))
            board.write("range", place, np.full(2, level, board.arithmetic.real))

    def mark(self, members: Sequence[Member]) -> None:
        """The mask of each member from its support."""
        board, count, layout = self.board, self._work_on(members), self.board.arrangement
        rules = np.int32(board.constraints.use_support), np.int32(not board.constraints.error_inside_initial_support)
        board.rings("mark", layout.stored, layout.half, count, "support", "initial", *rules, "mask", "touched")
        touched = board.read("touched", 0, (count, layout.half, layout.stored), np.dtype(np.uint8))
        for member, rings in zip(members, touched, strict=True):
            where = np.flatnonzero(rings.any(axis=0))
            member.support_shells = layout.filled(int(where[-1]) + 1 if where.size else LANES)

    def support_fractions(self, members: Sequence[Member]) -> list[float]:
        """See `Engine.support_fraction`."""
        board, count, layout = self.board, self._work_on(members), self.board.arrangement
        board.rings("count_support", layout.stored, layout.half, count, "support", "initial", "rows")
        return [float(inside / initial) for inside, initial in self._sums(count, "volume_weights", layout.stored)]
