"""Alignment of a whole set of prepared reconstructions: choice of the reference, rounds, rejection."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.alignment import Volume, align, share_of_shells, shell_weights
from fxs_hpc.fluctuation.averaging import accepted, mean_coefficients
from fxs_hpc.fluctuation.field_transform import FieldTransform

MAX_REFERENCES = 3
LEAST_SHARE = 0.1

Apply = Callable[[Callable, Iterable], Iterable]


@dataclass(frozen=True)
class Shells:
    """Weights (N,) of the shells on which rotations are searched, and what to tell the user about the choice, if anything."""

    weights: NDArray[np.float64]
    note: str | None


@dataclass(frozen=True)
class Ensemble:
    """Aligned volumes in the order of the input, the reference's position, and the accepted positions, best first."""

    volumes: tuple[Volume, ...]
    reference: int
    accepted: tuple[int, ...]


def matching_shells(space: FieldTransform, reference: Volume, ids: Sequence[int] | None, support_radius: float) -> Shells:
    """Weights r^2 dr of the shells `ids`, or of all shells within `support_radius` (A) where `ids` are no good.

    Numbers beyond the grid are left out. Shells that together hold less than a tenth of the reference's angular variation tell
    nothing about its orientation (shells 20..80 of a 128 shell grid lie within the particle, of a 64 shell grid outside it).
    """
    radial = space.radial
    everywhere = np.where(radial.r <= support_radius, radial.r_weights, 0.0)
    if ids is None:
        return Shells(everywhere, None)
    weights = shell_weights(radial.r_weights, ids)
    beyond = sum(1 for i in ids if i >= radial.n_points)
    note = None
    if beyond:
        note = f"{beyond} of the find_rotation.r_limit_ids lie beyond the {radial.n_points} shells of the grid and are left out"
    share = share_of_shells(reference.matched, radial.r_weights, weights)
    if share < LEAST_SHARE:
        note = (
            f"the shells of find_rotation.r_limit_ids hold {100 * share:.0f} % of the angular variation of the density; "
            f"all shells up to the edge of the support, r = {support_radius:.0f} A, are used instead"
        )
        return Shells(everywhere, note)
    return Shells(weights, note)


def align_ensemble(
    space: FieldTransform,
    prepared: Sequence[Volume],
    weights: NDArray[np.floating],
    references: Sequence[int],
    error_limit: float,
    rounds: int = 1,
    refine_shift: bool = True,
    apply: Apply = map,
) -> Ensemble:
    """Align all volumes with each other.

    Parameters
    ----------
    references : positions to take as the reference, best candidate first. An outlier makes a bad reference and its error does not
        always betray it: where not even half of the volumes agree with the first, the next (three at most) are tried, and the one
        that most agree with is taken.
    error_limit : volumes with a larger int (f - g)^2 / int f^2 are not accepted.
    rounds : in the first, volumes are laid onto the reference run; in each further one, all of them, refined, onto the average of
        those accepted so far.
    apply : as `map`; may work in parallel.
    """
    best: Ensemble | None = None
    for reference in references[:MAX_REFERENCES]:
        attempt = _onto(space, prepared, prepared[reference], weights, error_limit, refine_shift, apply, reference)
        if best is None or len(attempt.accepted) > len(best.accepted):
            best = attempt
        if 2 * len(best.accepted) > len(prepared):
            break
    assert best is not None
    for _ in range(rounds - 1):
        best = _refined(space, best, weights, error_limit, refine_shift, apply)
    return best


def _refined(
    space: FieldTransform, ensemble: Ensemble, weights: NDArray[np.floating], error_limit: float, refine_shift: bool, apply: Apply
) -> Ensemble:
    """All volumes laid onto the average of those accepted, from where they are; `DataError` if none agrees with it."""
    kept = [ensemble.volumes[i] for i in ensemble.accepted]
    density = mean_coefficients([volume.density for volume in kept])
    target = replace(kept[0], density=density, matched=mean_coefficients([volume.matched for volume in kept]))
    volumes = tuple(apply(lambda v: align(space, target, v, weights, refine_shift, from_here=True), ensemble.volumes))
    errors = [volume.error for volume in volumes]
    kept_now = accepted(errors, error_limit)
    if not kept_now:
        raise DataError(
            f"no reconstruction agrees with the average to alignment_error_limit {error_limit:g} (least error {min(errors):.3g}); "
            "raise it, or set max_iterations to 1"
        )
    return Ensemble(volumes, ensemble.reference, kept_now)


def _onto(
    space: FieldTransform,
    prepared: Sequence[Volume],
    target: Volume,
    weights: NDArray[np.floating],
    error_limit: float,
    refine_shift: bool,
    apply: Apply,
    reference: int,
) -> Ensemble:
    others = [volume for i, volume in enumerate(prepared) if i != reference]
    aligned = list(apply(lambda volume: align(space, target, volume, weights, refine_shift), others))
    aligned.insert(reference, target)
    return Ensemble(tuple(aligned), reference, accepted([volume.error for volume in aligned], error_limit))
