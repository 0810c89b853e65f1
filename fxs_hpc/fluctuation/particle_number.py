"""How many particles a pattern shows, estimated while phasing.

With N particles per pattern <I> and with it V_0 grow as N, the other V_l as sqrt(N). The intensity of one particle therefore asks for
V_0 / sqrt(N) beside the V_l: of the density that the V_l, support and positivity give, the number N that fits best is the one whose
order 0 the next step can impose with the smallest error. Every candidate is tried from the same density, one ER step each.

A density adapts to the number that was assumed. Assumed too large, it lacks order 0: the intensity is cut at 0 in many places, the
error is large, and the best candidate lies well below. Assumed too small, the surplus of order 0 hides in the density, and the
best candidate lies just above. So the search comes from above: it begins at the largest candidate, and ends when the best
candidate is about the number assumed. What it finds is the largest number that the data allow: of objects with edges, and data with
many speckles, the number itself; of smooth objects at low resolution, which can hide any surplus, less.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SETTLED = 0.03
"""Relative change of the estimate below which the search has ended; going on, it would drift down by about 1 % each time."""


@dataclass(frozen=True)
class ParticleSearch:
    """Candidates of an estimate.

    Parameters
    ----------
    initial : the number that the constraints hold.
    candidates : numbers that are tried, ascending.
    project : whether the loop goes on with what was found; otherwise it stays with `initial`, to which the estimates are then biased.
    """

    initial: float
    candidates: Sequence[float]
    project: bool = True

    def assumed(self, estimates: Sequence[float]) -> float:
        """The number that steps assume after these estimates."""
        if not self.project:
            return self.initial
        return estimates[-1] if estimates else max(self.candidates)

    def settled(self, fractions: Sequence[float]) -> bool:
        """Whether the search has ended; fractions : estimates over the numbers assumed when they were made."""
        return self.project and bool(fractions) and abs(fractions[-1] - 1) < SETTLED

    def factor(self, number: float) -> float:
        """Of order 0 relative to that of the constraints."""
        return float(np.sqrt(self.initial / number))


def spaced(start: float, stop: float, count: int) -> tuple[float, ...]:
    """Candidates at equal ratios from start to stop."""
    return tuple(float(number) for number in np.geomspace(start, stop, count))


def least(candidates: Sequence[float], errors: Sequence[float]) -> float:
    """The number of least error: where the parabola through the best candidate and its neighbours, over ln N, has its minimum."""
    place, values = np.log(candidates), np.asarray(errors)
    best = int(np.argmin(values))
    if not 0 < best < len(values) - 1:
        return float(candidates[best])
    around = slice(best - 1, best + 2)
    curvature, tilt, _ = np.polyfit(place[around] - place[best], values[around], 2)
    return float(np.exp(place[best] - (tilt / (2 * curvature) if curvature > 0 else 0)))


def gradient(candidates: Sequence[float], errors: Sequence[float], number: float) -> float:
    """d ln error / d ln N at `number`, from the errors of the candidates; 0 where the search has settled."""
    place = np.log(candidates)
    return float(np.interp(np.log(number), place, np.gradient(np.log(np.maximum(errors, np.finfo(float).tiny)), place)))
