"""The innermost shells, whose projection besides all others is their mean over the angles ('average_center').

Few voxels lie there and the angles hardly resolve anything, so that noise of any order piles up at the origin. These shells are
computed here once more, after the compiled update of all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.azimuth import INSIDE_INITIAL_SUPPORT, INSIDE_SUPPORT
from fxs_hpc.engine.interface import Constraints, Update


@dataclass(frozen=True)
class InnerShells:
    """Update of the first shells.

    Parameters
    ----------
    constraints : of the loop; its averaged_shells is not 0.
    weights : (half, 1, 1) share of each ring of a hemisphere in the mean over its angles; they sum up to 1 / (2 n_phi).
    """

    constraints: Constraints
    weights: NDArray[np.float64]

    def project(self, density: NDArray, inside: NDArray[np.bool_]) -> tuple[NDArray, dict[str, NDArray]]:
        """P rho of the shells of density (parts, 2, half, n_phi, r), and per constraint where it changed something."""
        limits = self.constraints
        kept = density * inside
        clipped = np.clip(kept[0], limits.lower, limits.upper)
        changed = {"support": ~inside, "value_threshold": clipped != kept[0], "average_center": np.ones_like(inside)}
        parts = [clipped]
        if len(density) == 2:
            parts.append(np.where(np.abs(kept[1]) < limits.largest_imag, kept[1], 0))
            changed["limit_imag"] = parts[1] != kept[1]
        limited = np.stack(parts)
        mean = (limited * self.weights).sum(axis=(1, 2, 3), keepdims=True)
        return np.broadcast_to(mean, limited.shape), changed

    def update(self, density: NDArray, old: NDArray, mask: NDArray[np.uint8], update: Update) -> tuple[NDArray, NDArray[np.float64]]:
        """New density from rho' (parts, 2, half, n_phi, r) and the previous one; and the error's two sums (2, r) over the angles."""
        inside = (mask & INSIDE_SUPPORT) != 0
        projected, changed = self.project(density, inside)
        missed = density - projected
        if update.method == "RAAR":
            reflected, _ = self.project(2 * density - old, inside)
            new = update.beta * (reflected + old) + (1 - 2 * update.beta) * density
        else:
            counted = update.feedback & changed.keys() if update.method == "HIO" else frozenset()
            feedback = np.logical_or.reduce([np.zeros_like(inside), *(changed[name] for name in sorted(counted))])
            new = np.where(feedback, old - update.beta * missed, projected)
        weights = self.weights * 2 * density.shape[3] * ((mask & INSIDE_INITIAL_SUPPORT) != 0)
        return new, np.stack([(weights * (part**2).sum(axis=0)).sum(axis=(0, 1, 2)) for part in (missed, density)])
