"""Candidates that have become hopeless are not evaluated any more, and looked at again now and then.

A likelihood that lies more than `margin` (in the logarithm) below the best of its frame adds less than exp(-margin) to any probability.
After a full search such candidates are given up; until the next full search only the others are evaluated. A full search is made

* in the first `settling` flags, while the model still turns,
* whenever the model has turned by more than `turn` degrees since the last one,
* every `interval` flags.

At each full search the given-up candidates that matter after all (probability at least `LEAST_PROBABILITY`) are counted: the
history shows that count, and as long as it is zero, giving up has changed nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.emc.probabilities import LEAST_PROBABILITY


@dataclass(frozen=True)
class PruningRule:
    """When candidates are given up. margin <= 0: never."""

    margin: float = 100.0
    interval: int = 10
    settling: int = 3
    turn: float = 5.0


@dataclass(frozen=True)
class Pruning:
    """Which evaluations are made.

    Attributes
    ----------
    active : bool[e]
    since : int
        Flags since the last full search.
    turned : float
        Sum of the angles of the flags since then, degrees.
    """

    active: NDArray[np.bool_]
    since: int = 0
    turned: float = 0.0

    def full(self, rule: PruningRule, flag: int) -> bool:
        """Whether flag number `flag` is a full search."""
        return rule.margin <= 0 or flag <= rule.settling or self.since >= rule.interval - 1 or self.turned > rule.turn

    def after(self, active: NDArray[np.bool_] | None, angle: float) -> "Pruning":
        """The state after a flag that changed the model by `angle`; `active` from `hopeful` after a full search."""
        if active is not None:
            return Pruning(active, 0, angle)
        return replace(self, since=self.since + 1, turned=self.turned + angle)


def hopeful(rule: PruningRule, start: NDArray[np.int64], log_likelihood: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which evaluations stay within the margin of the best of their frame.

    Parameters
    ----------
    start : int64[n + 1]
        Evaluations of frame d are start[d]:start[d + 1].
    log_likelihood : float64[e]
    """
    return _below_best(start, log_likelihood) <= rule.margin


def returned(start: NDArray[np.int64], log_likelihood: NDArray[np.float64], active: NDArray[np.bool_]) -> int:
    """How many evaluations matter though they had been given up."""
    return int(np.count_nonzero(~active & (_below_best(start, log_likelihood) <= -np.log(LEAST_PROBABILITY))))


def _below_best(start: NDArray[np.int64], log_likelihood: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.diff(start)
    best = np.full(len(counts), -np.inf)
    some = counts > 0
    if some.any():
        best[some] = np.maximum.reduceat(log_likelihood, start[:-1][some])
    return np.repeat(best, counts) - log_likelihood
