"""The resolution at which CC1/2 falls to a limit, by a fit to all shells, with an error, or why there is none."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from fxs_hpc.emc.shell_statistics import Shells

LIMIT = 0.3
"""CC1/2 at which the data are said to end."""
SIGNIFICANT = 3.0
"""Standard errors by which the mean CC1/2 has to exceed zero before anything is said to agree."""
_LEAST_SHELLS, _LEAST_PAIRS = 3, 3


class Resolution(NamedTuple):
    """Where the data end: in Angstrom, its standard error, and in words; both numbers are None where the words say why."""

    angstrom: float | None
    error: float | None
    words: str


def resolution(shells: Shells, limit: float = LIMIT) -> Resolution:
    """Resolution at which the fitted CC1/2 falls to `limit`.

    The fit is CC1/2(s) = (1 - tanh((s - s0) / r)) / 2 in s = q^2, weighted by the number of pairs (the form of Aimless,
    Evans & Murshudov, Acta Cryst. D69 (2013) 1204): 1 / (1 + noise / signal) with intensities that fall with a B factor. Its error
    comes from that of a correlation of n pairs, near the limit about 1 / sqrt(n) for intensities with Wilson's distribution, and from
    the width of a shell (uniform distribution): a curve that falls from one shell to the next is known no better. Nothing is
    extrapolated. There is no resolution where the curve stays above the limit to the last shell, where it lies below from the first on,
    where the halves do not agree beyond chance up to it, and where fewer than three shells hold three pairs.
    """
    good = np.isfinite(shells.cc_half) & (shells.pairs >= _LEAST_PAIRS)
    if good.sum() < _LEAST_SHELLS:
        return Resolution(
            None, None, f"unknown: only {int(good.sum())} shells hold {_LEAST_PAIRS} or more reflections; {_LEAST_SHELLS} are needed"
        )
    s, cc, pairs = shells.mean_q[good] ** 2, shells.cc_half[good], shells.pairs[good]
    if not _agree(cc, pairs):
        return Resolution(None, None, f"none: the halves do not agree beyond chance (mean CC1/2 {np.average(cc, weights=pairs):.2f})")
    end, error = _fitted_end(s, cc, np.sqrt(pairs), limit)
    inner, outer = shells.edges[0] ** 2, shells.edges[-1] ** 2
    if end > outer:
        return Resolution(None, None, f"not reached: CC1/2 stays above {limit} to {1 / np.sqrt(outer):.2f} Angstrom")
    if end <= inner or not _agree(cc[s <= end], pairs[s <= end]):
        return Resolution(None, None, f"none: CC1/2 lies below {limit} from the lowest shell on")
    angstrom = float(1 / np.sqrt(end))
    spread = float(0.5 * error / end**1.5)
    return Resolution(angstrom, spread, f"{angstrom:.2f} +- {spread:.2f} Angstrom")


def _agree(cc: NDArray[np.float64], pairs: NDArray[np.int64]) -> bool:
    """Whether the mean correlation exceeds what chance gives: its standard error is 1 / sqrt(number of pairs)."""
    return bool(len(cc) and np.average(cc, weights=pairs) * np.sqrt(pairs.sum()) > SIGNIFICANT)


def _fitted_end(s: NDArray[np.float64], cc: NDArray[np.float64], weight: NDArray[np.float64], limit: float) -> tuple[float, float]:
    """s at which the fitted curve has the value `limit`, and its standard error."""
    span = float(s.max() - s.min())
    lean = float(np.arctanh(1 - 2 * limit))

    def misfit(parameters: NDArray) -> NDArray[np.float64]:
        return weight * ((1 - np.tanh((s - parameters[0]) / parameters[1])) / 2 - cc)

    starts = ((centre, span / 4) for centre in (s.min() + span / 2, s.max(), s.max() + span))
    bounds = ((-np.inf, span * 1e-3), (np.inf, np.inf))
    best = min((least_squares(misfit, start, bounds=bounds) for start in starts), key=lambda fit: fit.cost)
    centre, width = best.x
    end, along = float(centre + width * lean), np.array([1.0, lean])
    step = np.diff(s)[min(max(int(np.searchsorted(s, end)) - 1, 0), len(s) - 2)]
    return end, float(np.sqrt(along @ np.linalg.pinv(best.jac.T @ best.jac) @ along + step**2 / 12))
