"""The phasing step on the CPU: matrix products by BLAS, everything along phi in compiled kernels.

One step costs, for a real density, five transforms of the sphere (four of F or rho, one of the even intensity and one of its
change), two Hankel transforms and the polar factors. It uses that the Fourier transform is linear: the stabilised density is
rho + IFT(A' - A), so no third Hankel pair is needed. Shells outside the support are left out where the update sets them to zero.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine import azimuth, update
from fxs_hpc.engine.azimuth import INSIDE_INITIAL_SUPPORT, INSIDE_SUPPORT
from fxs_hpc.engine.fft import LANES
from fxs_hpc.engine.interface import Constraints, Geometry, Precision, Projected, Snapshot, Update
from fxs_hpc.engine.layout import fold, padded, unfold, unfold_parity, zeros
from fxs_hpc.engine.polar import Product, multiply, polar_matrices
from fxs_hpc.engine.procrustes import ProcrustesProjection, invariants_of
from fxs_hpc.engine.radial import radial_matrices
from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.hankel import hankel_matrices

_BOTH = (0, 1)


class NumpyEngine:
    """See `engine.interface.Engine`."""

    def __init__(self, geometry: Geometry, constraints: Constraints, precision: Precision = "single") -> None:
        grid, order = geometry.angular, geometry.amplitude_order
        largest = max(order, constraints.reciprocal.max_order)
        if grid.n_theta % 4 or grid.n_phi % 2 or grid.n_phi < 2 * largest + 2 or grid.n_theta <= largest:
            raise SettingsError(
                f"angular grid {grid.n_theta} x {grid.n_phi} does not fit order {largest}: n_theta must be a multiple of 4 and "
                f"> {largest}, n_phi even and >= {2 * largest + 2}"
            )
        self._geometry, self._constraints = geometry, constraints
        self._dtype = np.dtype(np.float32 if precision == "single" else np.float64)
        self._parts = 2 if geometry.complex_density else 1
        self._n, self._stored = geometry.radial.n_points, padded(geometry.radial.n_points)
        self._half, self._length = grid.n_theta // 2, grid.n_phi
        self._intensity_order = constraints.reciprocal.max_order if constraints.keep_unknown_orders else order
        self._polar = polar_matrices(grid, order, self._dtype)
        self._intensity_polar = polar_matrices(grid, self._intensity_order, self._dtype)
        hankel = [hankel_matrices(geometry.radial, order, way, constraints.r_max_convention) for way in ("forward", "inverse")]
        self._forward, self._inverse = (radial_matrices(h, self._dtype) for h in hankel)
        self._procrustes = ProcrustesProjection(constraints.reciprocal, self._stored, self._dtype)
        self._work = zeros((azimuth.work_size(self._length),), self._dtype)
        self._amplitude = self._field(self._parts)
        self._sums = np.zeros((2, self._stored))
        self._error_weights = np.zeros(self._stored)
        radial_weights = constraints.error_radial_weights
        self._error_weights[: self._n] = geometry.radial.r_weights if radial_weights is None else radial_weights
        self._open_shells = np.ones(self._stored, self._dtype)
        self._plans: dict[tuple[str, int], list[Product]] = {}
        self._shell_buffers: dict[int, tuple[NDArray, NDArray, NDArray]] = {}
        self._allocate_coefficients()

    def _field(self, parts: int) -> NDArray:
        return zeros((parts, 2, self._half, self._length, self._stored), self._dtype)

    def _spectrum(self, parts: int, parities: int, order: int, shells: int) -> NDArray:
        return zeros((parts, parities, self._half, order + 1, 2, shells), self._dtype)

    def _coefficients(self, parts: int, order: int, shells: int) -> NDArray:
        # An odd number of rows keeps the rows of one l, a power of two bytes apart otherwise, out of the same cache sets.
        return zeros((parts, order + 1, (order + 1) | 1, 2, shells), self._dtype)

    def _allocate_coefficients(self) -> None:
        order, full, parities = self._geometry.amplitude_order, self._stored, self._parts
        self._analysed = self._spectrum(self._parts, 2, order, full)
        self._synthesised = self._spectrum(self._parts, 2, order, full)
        self._amplitude_coefficients = self._coefficients(self._parts, order, full)
        self._change_coefficients = self._coefficients(self._parts, order, full)
        self._intensity_analysed = self._spectrum(1, parities, self._intensity_order, full)
        self._intensity_synthesised = self._spectrum(1, parities, self._intensity_order, full)
        self._intensity = self._coefficients(1, self._intensity_order, full)[0]
        self._intensity_change = self._coefficients(1, self._intensity_order, full)[0]
        parity = _BOTH[:parities]
        self._analyse_change = self._analyse(self._polar, self._analysed, self._change_coefficients)
        self._synthesise_amplitude = self._synthesise(self._polar, self._amplitude_coefficients, self._synthesised)
        self._analyse_intensity = self._intensity_polar.analyse(self._intensity_analysed[0], self._intensity, parity)
        self._synthesise_intensity = self._intensity_polar.synthesise(self._intensity_change, self._intensity_synthesised[0], parity)

    def _analyse(self, polar, spectrum, coefficients) -> list[Product]:  # type: ignore[no-untyped-def]
        return [product for part in range(self._parts) for product in polar.analyse(spectrum[part], coefficients[part], _BOTH)]

    def _synthesise(self, polar, coefficients, spectrum) -> list[Product]:  # type: ignore[no-untyped-def]
        return [product for part in range(self._parts) for product in polar.synthesise(coefficients[part], spectrum[part], _BOTH)]

    # --- transforms between the density on its first `shells` shells and the amplitude on all shells

    def _density_buffers(self, shells: int) -> tuple[NDArray, NDArray, NDArray]:
        order = self._geometry.amplitude_order
        if shells not in self._shell_buffers:
            whole = shells == self._stored
            self._shell_buffers[shells] = (
                self._analysed if whole else self._spectrum(self._parts, 2, order, shells),
                self._synthesised if whole else self._spectrum(self._parts, 2, order, shells),
                self._coefficients(self._parts, order, shells),
            )
        return self._shell_buffers[shells]

    def _to_amplitude(self, shells: int) -> list[Product]:
        key = ("forward", shells)
        if key not in self._plans:
            spectrum, _, coefficients = self._density_buffers(shells)
            products = self._analyse(self._polar, spectrum, coefficients)
            for part in range(self._parts):
                products += self._forward.transform(coefficients[part], self._amplitude_coefficients[part])
            self._plans[key] = products
        return self._plans[key]

    def _to_density(self, shells: int) -> tuple[list[Product], list[Product]]:
        key = ("inverse", shells)
        if key not in self._plans:
            _, spectrum, coefficients = self._density_buffers(shells)
            hankel: list[Product] = []
            for part in range(self._parts):
                hankel += self._inverse.transform(self._change_coefficients[part], coefficients[part])
            self._plans[key] = hankel
            self._plans["synthesis", shells] = self._synthesise(self._polar, coefficients, spectrum)
        return self._plans[key], self._plans["synthesis", shells]

    # --- state

    def load(self, density: NDArray, support: NDArray[np.bool_], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.load`."""
        parts = [density.real, density.imag] if self._parts == 2 else [density.real]
        folded = np.stack([fold(part, self._dtype) for part in parts])
        snapshot = Snapshot(folded, fold(support, np.uint8), self._stored)
        self.restore((snapshot, snapshot), initial_support)

    def restore(self, snapshots: Sequence[Snapshot], initial_support: NDArray[np.bool_]) -> None:
        """See `Engine.restore`."""
        last, best = snapshots
        self._buffers = [self._field(self._parts) for _ in range(2)]
        self._filled = [self._stored] * 2
        self._last, self._best = 0, 1
        for slot, snapshot in ((0, last), (1, best)):
            self._buffers[slot][...] = snapshot.density
            self._filled[slot] = snapshot.filled_shells
        self._initial = fold(initial_support, np.uint8)
        self._best_support = best.support.copy()
        self._set_support(last.support.copy())

    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        """See `Engine.snapshots`."""
        return (
            Snapshot(self._buffers[self._last], self._support, self._filled[self._last]),
            Snapshot(self._buffers[self._best], self._best_support, self._filled[self._best]),
        )

    def _set_support(self, support: NDArray[np.uint8]) -> None:
        self._support = support
        allowed = support if self._constraints.use_support else np.ones_like(support)
        self._mask = allowed * np.uint8(INSIDE_SUPPORT) + self._initial * np.uint8(INSIDE_INITIAL_SUPPORT)
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
        self._constrain_amplitude(self._last, carry=1.0 if update.stabilised else 0.0)
        return self._update_density(update)

    def _constrain_amplitude(self, slot: int, carry: float) -> None:
        """Density -> spectra of (A' - carry A) in the change coefficients."""
        self._transform(self._buffers[slot], self._filled[slot])
        azimuth.intensity(self._length, self._parts == 2)(self._synthesised, self._amplitude, self._intensity_analysed[0], self._work)
        multiply(self._analyse_intensity)
        keep = self._constraints.keep_unknown_orders
        if not keep:
            self._intensity_change[...] = self._intensity
        self._procrustes.change(self._intensity, self._intensity_change, keep)
        kept = np.ones_like(self._open_shells) if keep else 1 - self._open_shells
        if not self._open_shells.all():
            self._intensity_change *= self._open_shells
        multiply(self._synthesise_intensity)
        azimuth.modulus(self._length, self._parts == 2)(
            self._intensity_synthesised[0], self._amplitude, kept, carry, self._analysed, self._work
        )
        multiply(self._analyse_change)

    def _transform(self, density: NDArray, filled: int) -> None:
        """Density -> azimuthal spectra of its Fourier transform."""
        spectrum, _, _ = self._density_buffers(filled)
        azimuth.analyse_density(self._length)(density, spectrum, self._work)
        multiply(self._to_amplitude(filled))
        multiply(self._synthesise_amplitude)

    def _update_density(self, update_: Update) -> float:
        outside_changes = update_.method != "ER" or not self._constraints.use_support
        shells = self._stored if outside_changes else self._support_shells
        hankel, synthesis = self._to_density(shells)
        multiply(hankel)
        carry = np.full(self._stored, float(update_.stabilised), self._dtype)
        if update_.stabilised and self._constraints.stabilised_from:
            self._drop_stabilisation(shells, carry)
        multiply(synthesis)
        free = self._free_slot()
        self._run_update(update_, shells, carry, free)
        if shells < self._filled[free]:
            self._buffers[free][..., shells : self._filled[free]] = 0
        self._last, self._filled[free] = free, shells
        missed, total = self._sums[:, :shells] @ self._error_weights[:shells]
        return float(missed / total) if total > 0 else float("nan")

    def _drop_stabilisation(self, shells: int, carry: NDArray) -> None:
        """Inner shells take IFT(A') = IFT(A' - A) + IFT(A) instead of rho + IFT(A' - A)."""
        inner = self._constraints.stabilised_from
        _, _, coefficients = self._density_buffers(shells)
        for part in range(self._parts):
            for l, matrix in enumerate(self._inverse.matrices):
                coefficients[part][: l + 1, l, :, :inner] += self._amplitude_coefficients[part][: l + 1, l] @ matrix[:, :inner]
        carry[:inner] = 0

    def _run_update(self, update_: Update, shells: int, carry: NDArray, free: int) -> None:
        _, spectrum, _ = self._density_buffers(shells)
        constraints, real = self._constraints, self._dtype.type
        counted = tuple(update_.method == "HIO" and name in update_.feedback for name in ("support", "value_threshold", "limit_imag"))
        beta, raar = real(update_.beta), update_.method == "RAAR"
        weights = self._geometry.angular.theta_weights[: self._half]
        old, new = self._buffers[self._last], self._buffers[free]
        if self._parts == 2:
            bounds = np.array([constraints.lower, constraints.upper, constraints.largest_imag], self._dtype)
            kernel = update.complex_update(self._length, raar)
            kernel(spectrum, old, new, self._mask, carry, bounds, beta, np.array(counted), weights, self._sums, self._work)
        else:
            bounds = np.array([constraints.lower, constraints.upper], self._dtype)
            kernel = update.real_update(self._length, raar)
            kernel(spectrum, old, new, self._mask, carry, bounds, beta, counted[0], counted[1], weights, self._sums, self._work)

    def limit_resolution(self, fraction: float) -> None:
        """See `Engine.limit_resolution`."""
        radial = self._geometry.radial
        self._open_shells[: self._n] = radial.q <= fraction * radial.q_max

    def band_limit(self) -> None:
        """See `Engine.band_limit`."""
        self._transform_filtered(self._buffers[self._last], self._filled[self._last], np.ones(self._n))
        self._last = self._free_slot()
        azimuth.synthesise_density(self._length)(self._synthesised, self._buffers[self._last], self._work)
        self._filled[self._last] = self._stored

    def reciprocal_errors(self) -> dict[str, float]:
        """See `Engine.reciprocal_errors`."""
        change = self._intensity_change - (0 if self._constraints.keep_unknown_orders else self._intensity * self._open_shells)
        return self._procrustes.errors(self._intensity, change, self._geometry.radial.q_weights)

    def support_fraction(self) -> float:
        """See `Engine.support_fraction`."""
        weights = self._geometry.angular.theta_weights[: self._half]
        shells = [np.einsum("htpr,t->r", support, weights)[: self._n] for support in (self._support, self._initial)]
        inside, initial = (float(volume @ self._geometry.radial.r_weights) for volume in shells)
        return inside / initial

    def shrink_wrap(self, transfer: NDArray[np.float64], threshold: float, inside_initial_support: bool) -> None:
        """See `Engine.shrink_wrap`."""
        blurred = self._low_pass(transfer)[0][..., : self._n]
        lowest, highest = blurred.min(), blurred.max()
        inside = np.zeros_like(self._support)
        inside[..., : self._n] = blurred >= lowest + self._dtype.type(threshold) * (highest - lowest)
        self._set_support(inside & self._initial if inside_initial_support else inside)

    def _low_pass(self, transfer: NDArray[np.float64]) -> NDArray:
        """max(0, IFT(transfer(q) FT(|rho|))) on the grid, component 0."""
        magnitude = self._field(self._parts)
        density = self._buffers[self._last]
        magnitude[0] = np.hypot(density[0], density[1]) if self._parts == 2 else np.abs(density[0])
        self._transform_filtered(magnitude, self._stored, transfer)
        azimuth.synthesise_density(self._length)(self._synthesised, magnitude, self._work)
        return np.maximum(magnitude, 0, out=magnitude)

    def _transform_filtered(self, density: NDArray, filled: int, transfer: NDArray[np.float64]) -> None:
        """Density -> azimuthal spectra of IFT(transfer(q) FT(density)), all shells."""
        spectrum, _, _ = self._density_buffers(filled)
        azimuth.analyse_density(self._length)(density, spectrum, self._work)
        multiply(self._to_amplitude(filled))
        scale = np.zeros(self._stored, self._dtype)
        scale[: self._n] = transfer
        np.multiply(self._amplitude_coefficients, scale, out=self._change_coefficients)
        for products in self._to_density(self._stored):
            multiply(products)

    def project(self, which: Literal["last", "best"] = "last") -> Projected:
        """See `Engine.project`."""
        slot = self._slot(which)
        self._constrain_amplitude(slot, carry=0.0)
        unknowns = self._procrustes.unknowns(self._intensity)
        invariants = invariants_of(self._intensity, self._n, self._constraints.reciprocal.max_order)
        multiply(self._synthesise(self._polar, self._change_coefficients, self._synthesised))
        grid = self._field(self._parts)
        azimuth.synthesise_density(self._length)(self._synthesised, grid, self._work)
        even_odd = [np.stack([part[0] + part[1], part[0] - part[1]]) / 2 for part in grid]
        amplitude = unfold_parity(even_odd[0], self._n)
        if self._parts == 2:
            amplitude = amplitude + 1j * unfold_parity(even_odd[1], self._n)
        return Projected(amplitude, unknowns, invariants)
