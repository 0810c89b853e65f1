"""Rules that end a block of the phasing, or the run, before its schedule does.

They look at the errors alone, so that a run that was interrupted stops at the same step as one that was not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Limits:
    """Ends when the errors are small enough.

    Parameters
    ----------
    below : name of an error ('main', 'real/...', 'reciprocal/...') -> value; all must be below theirs.
    ends : the 'block', so that the next one begins, or the 'run'.
    """

    below: Mapping[str, float]
    ends: Literal["block", "run"] = "run"

    def met(self, errors: Mapping[str, Sequence[float]]) -> bool:
        """Whether the last step's errors are below the limits."""
        return bool(self.below) and all(errors[name][-1] < value for name, value in self.below.items())


@dataclass(frozen=True)
class GainLimit:
    """Ends a block that no longer gains.

    Parameters
    ----------
    gain : the smallest main error of the last `steps` steps must be smaller than that of the steps before by this fraction of it.
    steps : None = those of one iteration of the block, so that all its methods have had their turn.
    """

    gain: float
    steps: int | None = None

    def met(self, main: Sequence[float], iteration: int) -> bool:
        """Whether the gain is too small; main : errors of the block that compare, iteration : steps of one iteration."""
        recent = self.steps or iteration
        if recent < 1 or len(main) <= recent:
            return False
        return min(main[-recent:]) > (1 - self.gain) * min(main[:-recent])
