"""Bookkeeping of the reconstructions of a batch."""

from dataclasses import dataclass, field


@dataclass
class Member:
    """One reconstruction of a batch.

    Attributes
    ----------
    number : its place in the buffers.
    last, best : slots of the present and the best density; support, best_support likewise.
    filled : per density slot, shells beyond are zero.
    support_shells : shells beyond are outside both supports.
    open_fraction : share of q_max that takes part.
    frozen : whether it keeps an intensity.
    """

    number: int
    last: int = 0
    best: int = 0
    support: int = 0
    best_support: int = 0
    filled: list[int] = field(default_factory=lambda: [0, 0])
    support_shells: int = 0
    open_fraction: float = 1.0
    frozen: bool = False

    @property
    def free(self) -> int:
        """Where the next density goes: in place unless the present one is the best."""
        return 1 - self.last if self.last == self.best else self.last

    @property
    def free_support(self) -> int:
        """Where the next support goes."""
        return 1 - self.support if self.support == self.best_support else self.support
