"""Numbers of flags: which iteration and which update each belongs to."""

from collections.abc import Iterator
from dataclasses import dataclass

INTENSITY = "intensity"
PHI = "phi"


@dataclass(frozen=True)
class Flag:
    """One update: its number, its iteration (from 1), its kind, and whether it ends the iteration."""

    number: int
    iteration: int
    kind: str
    last: bool


@dataclass(frozen=True)
class Numbering:
    """How flags follow one another.

    Attributes
    ----------
    kinds : tuple of str
        Updates of an iteration.
    stride : int
        Flag numbers per iteration: iteration n begins with stride * (n - 1) + 1.
    """

    kinds: tuple[str, ...]
    stride: int

    def after(self, number: int, iterations: int) -> Iterator[Flag]:
        """The flags that come after flag `number` (0 = from the beginning), up to the end of the last iteration."""
        for iteration in range(1, iterations + 1):
            for place, kind in enumerate(self.kinds):
                flag = Flag(self.stride * (iteration - 1) + 1 + place, iteration, kind, place == len(self.kinds) - 1)
                if flag.number > number:
                    yield flag


LOW_RES = Numbering((INTENSITY, PHI), 2)
LOW_RES_FIXED_PHI = Numbering((INTENSITY,), 2)
LOCAL = Numbering((INTENSITY,), 1)
