"""The phasing step on the CPU: matrix products by BLAS, everything along phi in compiled kernels.

One step costs, for a real density, five transforms of the sphere (four of F or rho, one of the even intensity and one of its
change), two Hankel transforms and the polar factors. It uses that the Fourier transform is linear: the stabilised density is
rho + IFT(A' - A), so no third Hankel pair is needed. Shells outside the support are left out where the update sets them to zero.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine import azimuth, frozen_intensity, update
from fxs_hpc.engine.azimuth import INSIDE_INITIAL_SUPPORT, INSIDE_SUPPORT
from fxs_hpc.engine.ball_fields import BOTH, BallFields
from fxs_hpc.engine.fft import LANES
from fxs_hpc.engine.inner_shells import InnerShells
from fxs_hpc.engine.interface import Constraints, Geometry, IntensityPair, Precision, Projected, Snapshot, Update, Volume
from fxs_hpc.engine.layout import fold, padded, unfold, unfold_parity
from fxs_hpc.engine.modulus import modulus
from fxs_hpc.engine.polar import multiply, polar_matrices
from fxs_hpc.engine.procrustes import ProcrustesProjection, invariants_of
from fxs_hpc.engine.support_volume import level_of_volume
from fxs_hpc.errors import NumericalError, SettingsError


class NumpyEngine:
    """See `engine.interface.Engine`."""

    def __init__(self, geometry: Geometry, constraints: Constraints, precision: Precision = "single") -> None:
        _check(geometry, constraints)
        self._geometry, self._constraints = geometry, constraints
        self._fields = BallFields(geometry, constraints.r_max_convention, np.float32 if precision == "single" else np.float64)
        self._dtype, self._parts = self._fields.dtype, self._fields.parts
        self._n, self._stored = self._fields.shells, self._fields.stored
        self._procrustes = ProcrustesProjection(constraints.reciprocal, self._stored, self._dtype)
        self._amplitude = self._fields.field(self._parts)
        self._allocate_intensity()
        self._sums = np.zeros((2, self._stored))
        self._error_weights = np.zeros(self._stored)
        radial_weights = constraints.error_radial_weights
        self._error_weights[: self._n] = geometry.radial.r_weights if radial_weights is None else radial_weights
        self._theta_weights = geometry.angular.theta_weights[: self._fields.half]
        share = self._theta_weights / (2 * self._fields.length * self._theta_weights.sum())
        self._inner = InnerShells(constraints, share[:, None, None])
        self._open_shells = np.ones(self._stored, self._dtype)
        self._frozen: NDArray | None = None

    def _allocate_intensity(self) -> None:
        keep, order = self._constraints.keep_unknown_orders, self._geometry.amplitude_order
        self._intensity_order = self._constraints.reciprocal.max_order if keep else order
        fields, parities, shape = self._fields, self._parts, (1, self._intensity_order, self._stored)
        polar = polar_matrices(self._geometry.angular, self._intensity_order, self._dtype)
        self._intensity_analysed = fields.spectrum(1, parities, self._intensity_order, self._stored)[0]
        self._intensity_synthesised = fields.spectrum(1, parities, self._intensity_order, self._stored)[0]
        self._intensity = fields.coefficients(*shape)[0]
        self._intensity_change = fields.coefficients(*shape)[0]
        self._frozen_coefficients = np.zeros_like(self._intensity)
        parity = BOTH[:parities]
        self._analyse_intensity = polar.analyse(self._intensity_analysed, self._intensity, parity)
        self._synthesise_intensity = polar.synthesise(self._intensity_change, self._intensity_synthesised, parity)

    # --- state

    def load(self, density: NDArray, support: NDArray[np.bool_], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.load`."""
        snapshot = Snapshot(self._folded(density), fold(support, np.uint8), self._stored)
        self.restore((snapshot, snapshot), initial_support)

    def _folded(self, density: NDArray) -> NDArray:
        parts = [density.real, density.imag] if self._parts == 2 else [density.real]
        return np.stack([fold(part, self._dtype) for part in parts])

    def restore(self, snapshots: Sequence[Snapshot], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.restore`."""
        last, best = snapshots
        self._buffers = [self._fields.field(self._parts) for _ in range(2)]
        self._filled = [self._stored] * 2
        self._last, self._best = 0, 1
        for slot, snapshot in ((0, last), (1, best)):
            self._buffers[slot][...] = snapshot.density
            self._filled[slot] = snapshot.filled_shells
        self._initial = fold(initial_support, np.uint8)
        self._best_support = best.support.copy()
        self._set_support(last.support.copy())
        self._keep_frozen(None if last.frozen is None else last.frozen.copy())

    def replace(self, density: NDArray) -> None:
        """See `Engine.replace`."""
        self._last = self._free_slot()
        self._buffers[self._last] = self._folded(density)
        self._filled[self._last] = self._stored

    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        """See `Engine.snapshots`."""
        return (
            Snapshot(self._buffers[self._last], self._support, self._filled[self._last], self._frozen),
            Snapshot(self._buffers[self._best], self._best_support, self._filled[self._best]),
        )

    def _set_support(self, support: NDArray[np.uint8]) -> None:
        self._support = support
        allowed = support if self._constraints.use_support else np.ones_like(support)
        counted = self._initial if self._constraints.error_inside_initial_support else np.ones_like(support)
        self._mask = allowed * np.uint8(INSIDE_SUPPORT) + counted * np.uint8(INSIDE_INITIAL_SUPPORT)
        touched = np.flatnonzero(self._mask.any(axis=(0, 1, 2)))
        self._support_shells = padded(int(touched[-1]) + 1) if touched.size else LANES

    def remember(self) -> None:
        """See `Engine.remember`."""
        self._best, self._best_support = self._last, self._support

    def recall(self) -> None:
        """See `Engine.recall`."""
        self._last = self._best
        self._set_support(self._best_support)

    def _free_slot(self) -> int:
        """Where the next density goes: in place, a third less memory traffic, unless the present one is the best."""
        return 1 - self._last if self._last == self._best else self._last

    def _slot(self, which: str) -> int:
        return self._last if which == "last" else self._best

    def density(self, which: Literal["last", "best"] = "last") -> NDArray:
        """See `Engine.density`."""
        parts = [unfold(part, self._n) for part in self._buffers[self._slot(which)]]
        return parts[0] + 1j * parts[1] if self._parts == 2 else parts[0]

    def support(self, which: Literal["last", "best"] = "last") -> NDArray[np.bool_]:
        """See `Engine.support`."""
        return unfold(self._support if which == "last" else self._best_support, self._n).astype(bool)

    # --- steps

    def step(self, update: Update) -> float:
        """See `Engine.step`."""
        self._see(self._last)
        carry = 1.0 if update.stabilised else 0.0
        if update.frozen:
            self._impose_frozen(carry)
        else:
            self._impose_invariants(carry)
        return self._update_density(update)

    def _see(self, slot: int) -> None:
        """Density -> amplitude on the grid and coefficients of its intensity."""
        fields = self._fields
        fields.transform(self._buffers[slot], self._filled[slot])
        azimuth.intensity(fields.length, self._parts == 2)(fields.synthesised, self._amplitude, self._intensity_analysed, fields.work)
        multiply(self._analyse_intensity)

    def _change_intensity(self) -> NDArray:
        """Spectra of what the invariants add to the intensity; returns what it is added to, see `_left_alone`."""
        keep = self._constraints.keep_unknown_orders
        if not keep:
            self._intensity_change[...] = self._intensity
        self._procrustes.change(self._intensity, self._intensity_change, keep)
        if not self._open_shells.all():
            self._intensity_change *= self._open_shells
        multiply(self._synthesise_intensity)
        return self._left_alone()

    def _impose_invariants(self, carry: float) -> None:
        """(A' - carry A) of the amplitude seen -> change coefficients."""
        kept, fields = self._change_intensity(), self._fields
        modulus(fields.length, self._parts == 2)(self._intensity_synthesised, self._amplitude, kept, carry, fields.analysed, fields.work)
        fields.analyse_change()

    def _impose_frozen(self, carry: float) -> None:
        """As `_impose_invariants`, with the frozen intensity."""
        if self._frozen is None:
            raise NumericalError("a step with a frozen intensity, but none was frozen")
        fields = self._fields
        self._intensity_change[...] = self._frozen_coefficients
        if self._constraints.keep_unknown_orders:
            self._intensity_change -= self._intensity
        self._intensity_change *= self._open_shells
        changed = frozen_intensity.with_intensity(self._amplitude, self._frozen, self._open_shells, carry)
        azimuth.analyse_density(fields.length)(changed, fields.analysed, fields.work)
        fields.analyse_change()

    def freeze(self) -> None:
        """See `Engine.freeze`."""
        self._see(self._last)
        kept = self._change_intensity()
        self._keep_frozen(frozen_intensity.projected_intensity(self._amplitude, self._intensity_synthesised, kept))

    def _keep_frozen(self, intensity: NDArray | None) -> None:
        self._frozen = intensity
        if intensity is not None:
            self._intensity_analysed[...] = frozen_intensity.spectra(intensity, self._intensity_order)
            multiply(self._analyse_intensity)
            self._frozen_coefficients[...] = self._intensity

    def _update_density(self, update_: Update) -> float:
        outside_changes = update_.method != "ER" or not self._constraints.use_support
        shells = self._stored if outside_changes else self._support_shells
        carry = np.full(self._stored, float(update_.stabilised), self._dtype)
        # Shells that are not stabilised take IFT(A') = IFT(A' - A) + IFT(A) instead of rho + IFT(A' - A).
        dropped = self._constraints.stabilised_from if update_.stabilised else 0
        carry[:dropped] = 0
        spectrum = self._fields.to_density(shells, carried=dropped)
        free = self._free_slot()
        self._run_update(update_, spectrum, carry, free)
        if shells < self._filled[free]:
            self._buffers[free][..., shells : self._filled[free]] = 0
        self._last, self._filled[free] = free, shells
        missed, total = self._sums[:, :shells] @ self._error_weights[:shells]
        return float(missed / total) if total > 0 else float("nan")

    def _run_update(self, update_: Update, spectrum: NDArray, carry: NDArray, free: int) -> None:
        constraints, real, fields = self._constraints, self._dtype.type, self._fields
        averaged = min(constraints.averaged_shells, spectrum.shape[-1])
        inner = self._inner_shells(spectrum, carry, averaged) if averaged else None
        counted = tuple(update_.method == "HIO" and name in update_.feedback for name in ("support", "value_threshold", "limit_imag"))
        beta, raar = real(update_.beta), update_.method == "RAAR"
        old, new, weights = self._buffers[self._last], self._buffers[free], self._theta_weights
        if self._parts == 2:
            bounds = np.array([constraints.lower, constraints.upper, constraints.largest_imag], self._dtype)
            kernel = update.complex_update(fields.length, raar)
            kernel(spectrum, old, new, self._mask, carry, bounds, beta, np.array(counted), weights, self._sums, fields.work)
        else:
            bounds = np.array([constraints.lower, constraints.upper], self._dtype)
            kernel = update.real_update(fields.length, raar)
            kernel(spectrum, old, new, self._mask, carry, bounds, beta, counted[0], counted[1], weights, self._sums, fields.work)
        if inner is not None:
            density, before = inner
            new[..., :averaged], self._sums[:, :averaged] = self._inner.update(density, before, self._mask[..., :averaged], update_)

    def _inner_shells(self, spectrum: NDArray, carry: NDArray, count: int) -> tuple[NDArray, NDArray]:
        """rho' and the previous density of the first shells."""
        before = self._buffers[self._last][..., :count].copy()
        shells = np.ascontiguousarray(spectrum[..., : padded(count)])
        change = np.empty((*before.shape[:-1], padded(count)), self._dtype)
        azimuth.synthesise_density(self._fields.length)(shells, change, self._fields.work)
        return carry[:count] * before + change[..., :count], before

    def limit_resolution(self, fraction: float) -> None:
        """See `Engine.limit_resolution`."""
        radial = self._geometry.radial
        self._open_shells[: self._n] = radial.q <= fraction * radial.q_max

    def scale_average(self, factor: float) -> None:
        """See `Engine.scale_average`."""
        self._procrustes.scale_average(factor)

    def band_limit(self) -> None:
        """See `Engine.band_limit`."""
        source, filled = self._buffers[self._last], self._filled[self._last]
        self._last = self._free_slot()
        self._fields.filtered(source, filled, np.ones(self._n), self._buffers[self._last])
        self._filled[self._last] = self._stored

    def _left_alone(self) -> NDArray:
        """Per shell the part (0, 1) of the intensity that the change of the last step was added to."""
        return np.ones_like(self._open_shells) if self._constraints.keep_unknown_orders else 1 - self._open_shells

    def intensity(self) -> IntensityPair:
        """See `Engine.intensity`."""
        rows = np.s_[:, : self._intensity_order + 1, :, : self._n]
        imposed = self._intensity_change + self._left_alone() * self._intensity
        return IntensityPair(self._intensity[rows].copy(), imposed[rows])

    def reciprocal_errors(self) -> dict[str, float]:
        """See `Engine.reciprocal_errors`."""
        change = self._intensity_change - (0 if self._constraints.keep_unknown_orders else self._intensity * self._open_shells)
        return self._procrustes.errors(self._intensity, change, self._geometry.radial.q_weights)

    def _voxels(self) -> NDArray[np.float64]:
        """Volume of the voxels (half, 1, N) over those of an angle of phi."""
        return self._theta_weights[:, None, None] * self._geometry.radial.r_weights

    def support_fraction(self) -> float:
        """See `Engine.support_fraction`."""
        shells = [np.einsum("htpr,t->r", support, self._theta_weights)[: self._n] for support in (self._support, self._initial)]
        inside, initial = (float(volume @ self._geometry.radial.r_weights) for volume in shells)
        return inside / initial

    def shrink_wrap(self, transfer: NDArray[np.float64], cut: float | Volume, inside_initial_support: bool) -> None:
        """See `Engine.shrink_wrap`."""
        blurred = self._low_pass(transfer)[0][..., : self._n]
        allowed = self._initial if inside_initial_support else np.ones_like(self._support)
        inside = np.zeros_like(self._support)
        inside[..., : self._n] = blurred >= self._level(blurred, cut, allowed[..., : self._n] > 0)
        self._set_support(inside & allowed)

    def _level(self, blurred: NDArray, cut: float | Volume, allowed: NDArray[np.bool_]) -> np.floating:
        """Smallest value that belongs to the support."""
        if isinstance(cut, Volume):
            volumes = np.broadcast_to(self._voxels(), blurred.shape)
            initial = float(volumes[self._initial[..., : self._n] > 0].sum())
            return self._dtype.type(level_of_volume(blurred[allowed], volumes[allowed], cut.fraction * initial))
        lowest, highest = blurred.min(), blurred.max()
        return self._dtype.type(lowest + self._dtype.type(cut) * (highest - lowest))

    def _low_pass(self, transfer: NDArray[np.float64]) -> NDArray:
        """max(0, IFT(transfer(q) FT(|rho|))) on the grid, component 0."""
        magnitude = self._fields.field(self._parts)
        density = self._buffers[self._last]
        magnitude[0] = np.hypot(density[0], density[1]) if self._parts == 2 else np.abs(density[0])
        self._fields.filtered(magnitude, self._stored, transfer, magnitude)
        return np.maximum(magnitude, 0, out=magnitude)

    def project(self, which: Literal["last", "best"] = "last") -> Projected:
        """See `Engine.project`."""
        self._see(self._slot(which))
        self._impose_invariants(carry=0.0)
        unknowns = self._procrustes.unknowns(self._intensity)
        invariants = invariants_of(self._intensity, self._n, self._constraints.reciprocal.max_order)
        even_odd = [np.stack([part[0] + part[1], part[0] - part[1]]) / 2 for part in self._fields.change_on_grid()]
        amplitude = unfold_parity(even_odd[0], self._n)
        if self._parts == 2:
            amplitude = amplitude + 1j * unfold_parity(even_odd[1], self._n)
        return Projected(amplitude, unknowns, invariants)


def _check(geometry: Geometry, constraints: Constraints) -> None:
    grid, largest = geometry.angular, max(geometry.amplitude_order, constraints.reciprocal.max_order)
    if grid.n_theta % 4 or grid.n_phi % 2 or grid.n_phi < 2 * largest + 2 or grid.n_theta <= largest:
        raise SettingsError(
            f"angular grid {grid.n_theta} x {grid.n_phi} does not fit order {largest}: n_theta must be a multiple of 4 and "
            f"> {largest}, n_phi even and >= {2 * largest + 2}"
        )
