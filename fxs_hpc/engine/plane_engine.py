"""The phasing step in the plane, on the CPU: a Fourier series along each ring, one Hankel transform per order.

As on the sphere the stabilised density is rho + IFT(A' - A), because the Fourier transform is linear: two transforms a step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Constraints, IntensityPair, PlaneGeometry, Precision, Projected, Snapshot, Update, Volume
from fxs_hpc.engine.plane_fields import plane_fields
from fxs_hpc.engine.plane_projection import PlaneProjection, plane_invariants
from fxs_hpc.engine.plane_update import RealSpace, gain, reached, relative_change, updated
from fxs_hpc.engine.support_volume import level_of_volume
from fxs_hpc.errors import NumericalError, SettingsError

Which = Literal["last", "best"]


@dataclass(frozen=True)
class _Held:
    """A density and its support, [phi, r]; the arrays are never written to."""

    density: NDArray
    support: NDArray[np.bool_]


@dataclass(frozen=True)
class _Constrained:
    """An amplitude field, its intensity, the one to impose, and the coefficients of both (of the latter as the data ask for them)."""

    amplitude: NDArray
    intensity: NDArray
    goal: NDArray
    found: NDArray
    imposed: NDArray


class PlaneEngine:
    """See `engine.interface.Engine`."""

    def __init__(self, geometry: PlaneGeometry, constraints: Constraints, precision: Precision = "single") -> None:
        largest = max(geometry.amplitude_order, constraints.reciprocal.max_order)
        if geometry.angular.max_order < largest:
            raise SettingsError(
                f"a circle of {geometry.angular.n_phi} angles does not fit order {largest}: n_phi must be >= {2 * largest + 1}"
            )
        self._geometry, self._constraints = geometry, constraints
        self._dtype = np.dtype(np.float32 if precision == "single" else np.float64)
        self._density_type = np.result_type(self._dtype, np.complex64) if geometry.complex_density else self._dtype
        self._fields = plane_fields(geometry, constraints.r_max_convention, self._dtype)
        self._projection = PlaneProjection(constraints.reciprocal, self._fields.orders, self._dtype)
        kept = constraints.reciprocal.max_order if constraints.keep_unknown_orders else geometry.amplitude_order
        self._intensity_rows = int(np.count_nonzero(self._fields.orders <= kept))
        self._open = np.ones(geometry.radial.n_points, self._dtype)
        self._frozen: NDArray | None = None
        self._latest: _Constrained | None = None

    # --- state

    def load(self, density: NDArray, support: NDArray[np.bool_], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.load`."""
        self._last = self._best = _Held(self._own(density), support.T.copy())
        self._frozen = self._latest = None
        self._set_initial(initial_support)

    def _own(self, density: NDArray) -> NDArray:
        part = density if self._geometry.complex_density else density.real
        return np.ascontiguousarray(part.T, self._density_type)

    def _set_initial(self, initial_support: NDArray[np.bool_]) -> None:
        self._initial = initial_support.T.copy()
        radial = self._constraints.error_radial_weights
        weights = self._geometry.radial.r_weights if radial is None else radial
        counted = self._initial if self._constraints.error_inside_initial_support else np.ones_like(self._initial)
        self._error_weights = counted * weights.T

    def replace(self, density: NDArray) -> None:
        """See `Engine.replace`."""
        self._last = _Held(self._own(density), self._last.support)

    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        """See `Engine.snapshots`."""
        last, best, shells = self._last, self._best, self._geometry.radial.n_points
        return (
            Snapshot(last.density, last.support.astype(np.uint8), shells, self._frozen),
            Snapshot(best.density, best.support.astype(np.uint8), shells),
        )

    def restore(self, snapshots: Sequence[Snapshot], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.restore`."""
        self._last, self._best = (_Held(snapshot.density.copy(), snapshot.support.astype(bool)) for snapshot in snapshots)
        self._frozen, self._latest = snapshots[0].frozen, None
        self._set_initial(initial_support)

    def remember(self) -> None:
        """See `Engine.remember`."""
        self._best = self._last

    def recall(self) -> None:
        """See `Engine.recall`."""
        self._last = self._best

    def _held(self, which: Which) -> _Held:
        return self._last if which == "last" else self._best

    def density(self, which: Which = "last") -> NDArray:
        """See `Engine.density`."""
        return self._held(which).density.T.copy()

    def support(self, which: Which = "last") -> NDArray[np.bool_]:
        """See `Engine.support`."""
        return self._held(which).support.T.copy()

    # --- steps

    def step(self, update: Update) -> float:
        """See `Engine.step`."""
        old = self._last.density
        self._latest = seen = self._constrained(old, update.frozen)
        found = self._after_constraint(old, seen, update.stabilised)
        new, projected = updated(old, found, RealSpace.of(self._constraints, self._last.support), update)
        self._last = _Held(new, self._last.support)
        return relative_change(found, projected, self._error_weights)

    def _constrained(self, density: NDArray, frozen: bool = False) -> _Constrained:
        """The modulus constraint on a density's amplitude, from the invariants or from the frozen intensity."""
        amplitude = self._fields.amplitude(density)
        intensity = self._fields.intensity(amplitude)
        found = self._fields.analyse(intensity)
        if frozen:
            goal = self._frozen_goal(intensity)
            imposed = found + self._open * (self._fields.analyse(goal) - found)
        else:
            imposed = self._projection.imposed(found, self._open)
            goal = self._goal(intensity, found, imposed)
        return _Constrained(amplitude, intensity, goal, found, imposed)

    def _goal(self, intensity: NDArray, found: NDArray, imposed: NDArray) -> NDArray:
        """Intensity to impose, on its points; what is negative cannot be reached."""
        rows = self._intensity_rows
        if self._constraints.keep_unknown_orders:
            return intensity + self._fields.synthesise(imposed[:rows] - found[:rows])
        return np.where(self._open > 0, self._fields.synthesise(imposed[:rows]), intensity)

    def _frozen_goal(self, intensity: NDArray) -> NDArray:
        if self._frozen is None:
            raise NumericalError("a step with a frozen intensity, but none was frozen")
        return np.where(self._open > 0, self._frozen, intensity)

    def _after_constraint(self, old: NDArray, seen: _Constrained, stabilised: bool) -> NDArray:
        """rho' = IFT(A'), corrected for what the transform pair loses of rho where `stabilised`."""
        factor = gain(seen.intensity, seen.goal)
        if not stabilised:
            return self._fields.density(self._fields.scaled(seen.amplitude, factor))
        found = old + self._fields.density(self._fields.scaled(seen.amplitude, factor - 1))
        inner = self._constraints.stabilised_from
        if inner:
            found[:, :inner] += (self._fields.density(seen.amplitude) - old)[:, :inner]
        return found

    def shrink_wrap(self, transfer: NDArray[np.float64], cut: float | Volume, inside_initial_support: bool) -> None:
        """See `Engine.shrink_wrap`."""
        magnitude = np.abs(self._last.density).astype(self._density_type)
        blurred = np.maximum(self._filtered(magnitude, transfer).real, 0)
        allowed = self._initial if inside_initial_support else np.ones_like(self._initial)
        inside = blurred >= self._level(blurred, cut, allowed)
        self._last = _Held(self._last.density, inside & allowed)

    def _level(self, blurred: NDArray, cut: float | Volume, allowed: NDArray[np.bool_]) -> float:
        """Smallest value that belongs to the support."""
        if isinstance(cut, Volume):
            areas = np.broadcast_to(self._geometry.radial.r_weights, blurred.shape)
            wanted = cut.fraction * float(areas[self._initial].sum())
            return level_of_volume(blurred[allowed], areas[allowed], wanted)
        lowest, highest = float(blurred.min()), float(blurred.max())
        return lowest + cut * (highest - lowest)

    def _filtered(self, density: NDArray, transfer: NDArray[np.float64] | None = None) -> NDArray:
        """IFT(transfer(q) FT(density))."""
        return self._fields.density(self._fields.amplitude(density, transfer))

    def band_limit(self) -> None:
        """See `Engine.band_limit`."""
        self._last = _Held(self._filtered(self._last.density), self._last.support)

    def limit_resolution(self, fraction: float) -> None:
        """See `Engine.limit_resolution`."""
        radial = self._geometry.radial
        self._open = (radial.q <= fraction * radial.q_max).astype(self._dtype)

    def freeze(self) -> None:
        """See `Engine.freeze`."""
        seen = self._constrained(self._last.density)
        self._frozen = reached(seen.intensity, seen.goal)

    def scale_average(self, factor: float) -> None:
        """See `Engine.scale_average`."""
        self._projection.scale_average(factor)

    # --- what is asked of a state

    def _seen(self) -> _Constrained:
        """The last step's amplitude; before the first step that of the density."""
        return self._latest if self._latest is not None else self._constrained(self._last.density)

    def intensity(self) -> IntensityPair:
        """See `Engine.intensity`; odd orders of a real density are 0."""
        seen, count = self._seen(), int(self._fields.orders[self._intensity_rows - 1]) + 1
        found, imposed = (np.zeros((count, seen.found.shape[1]), seen.found.dtype) for _ in range(2))
        rows = self._fields.orders[: self._intensity_rows]
        found[rows], imposed[rows] = seen.found[: len(rows)], seen.imposed[: len(rows)]
        return IntensityPair(found, imposed)

    def reciprocal_errors(self) -> dict[str, float]:
        """See `Engine.reciprocal_errors`."""
        seen = self._seen()
        return self._projection.errors(seen.found, seen.imposed, self._geometry.radial.q_weights)

    def support_fraction(self) -> float:
        """See `Engine.support_fraction`."""
        inside, initial = (float(support.sum(axis=0) @ self._geometry.radial.r_weights) for support in (self._last.support, self._initial))
        return inside / initial

    def project(self, which: Which = "last") -> Projected:
        """See `Engine.project`."""
        seen, orders = self._constrained(self._held(which).density), self._fields.orders
        amplitude = self._fields.complex_amplitude(self._fields.scaled(seen.amplitude, gain(seen.intensity, seen.goal)))
        factors = self._projection.factors(seen.found, self._open)
        row_of = {int(n): row for row, n in enumerate(orders)}
        projected = [n for n in sorted(self._constraints.reciprocal.projection_matrices) if n]
        unknowns = {n: np.full((1, 1), factors[row_of[n]] if n in row_of else 1, complex) for n in projected}
        return Projected(amplitude, unknowns, plane_invariants(seen.found, orders, self._constraints.reciprocal.max_order))
