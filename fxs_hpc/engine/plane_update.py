"""Real-space constraints and the update of a density in the plane, on arrays [phi, r], and the modulus constraint."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.azimuth import LARGEST_GAIN
from fxs_hpc.engine.interface import Constraints, Update


@dataclass(frozen=True)
class RealSpace:
    """Constraints on the density: see `engine.interface.Constraints`; `inside` (n_phi, N) is where it may differ from 0."""

    inside: NDArray[np.bool_]
    lower: float = -np.inf
    upper: float = np.inf
    largest_imag: float = np.inf
    averaged_shells: int = 0

    @classmethod
    def of(cls, constraints: Constraints, support: NDArray[np.bool_]) -> "RealSpace":
        """Constraints with the present support."""
        inside = support if constraints.use_support else np.ones_like(support)
        return cls(inside, constraints.lower, constraints.upper, constraints.largest_imag, constraints.averaged_shells)

    def project(self, density: NDArray) -> tuple[NDArray, Mapping[str, NDArray[np.bool_]]]:
        """Projected density, and per constraint where it changed something; support first, means over the angles last."""
        kept = density * self.inside
        changed = {"support": ~self.inside}
        real = np.clip(kept.real, self.lower, self.upper)
        changed["value_threshold"] = real != kept.real
        if np.iscomplexobj(density):
            imaginary = np.where(np.abs(kept.imag) < self.largest_imag, kept.imag, 0)
            changed["limit_imag"] = imaginary != kept.imag
            projected = real + 1j * imaginary
        else:
            projected = real
        if self.averaged_shells:
            inner = np.s_[:, : self.averaged_shells]
            projected[inner] = projected[inner].mean(axis=0)
            changed["average_center"] = np.zeros(projected.shape, bool)
            changed["average_center"][inner] = True
        return projected, changed


def updated(old: NDArray, found: NDArray, constraint: RealSpace, update: Update) -> tuple[NDArray, NDArray]:
    """New density, and the projected one P rho'.

    Parameters
    ----------
    old : density at the start of the step.
    found : rho', the density after the Fourier constraint.
    update : ER: P rho'. HIO: the same, but old - beta (rho' - P rho') where one of its feedback constraints changed the value. RAAR:
        beta (P(2 rho' - old) + old) + (1 - 2 beta) rho'.
    """
    projected, changed = constraint.project(found)
    if update.method == "ER":
        return projected, projected
    beta = found.real.dtype.type(update.beta)
    if update.method == "RAAR":
        reflected, _ = constraint.project(2 * found - old)
        return beta * (reflected + old) + (1 - 2 * beta) * found, projected
    counted = np.zeros(found.shape, bool)
    for name in sorted(update.feedback & set(changed)):
        counted |= changed[name]
    return np.where(counted, old - beta * (found - projected), projected), projected


def reached(found: NDArray, goal: NDArray) -> NDArray:
    """|A'|^2 where I' is asked for: no less than 0, no more than the largest gain allows."""
    return np.clip(goal, 0, found.dtype.type(LARGEST_GAIN**2) * found)


def gain(found: NDArray, goal: NDArray) -> NDArray:
    """sqrt(I' / I) on the points of the intensity, 0 where I' or I is not positive."""
    with np.errstate(over="ignore"):
        quotient = np.divide(goal, found, out=np.zeros_like(found), where=(found > 0) & (goal > 0))
    return np.sqrt(np.minimum(quotient, found.dtype.type(LARGEST_GAIN**2), out=quotient), out=quotient)


def relative_change(found: NDArray, projected: NDArray, weights: NDArray[np.float64]) -> float:
    """int |rho' - P rho'|^2 / int |rho'|^2 with quadrature weights (n_phi, N); NaN if rho' vanishes."""
    missed, total = (float(np.sum(weights * (part.real**2 + part.imag**2))) for part in (found - projected, found))
    return missed / total if total > 0 else float("nan")
