"""The phasing step in the plane straight from its formulas: complex numbers, explicit sums; slow, and nothing shared with the engine."""

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Constraints, PlaneGeometry, Update


@dataclass
class PlaneState:
    """Density, support and the region of the error, each (N, n_phi)."""

    density: NDArray
    support: NDArray[np.bool_]
    initial_support: NDArray[np.bool_]


class PlaneOracle:
    """Steps of the loop on midpoint grids."""

    def __init__(self, geometry: PlaneGeometry, constraints: Constraints) -> None:
        self.geometry, self.constraints = geometry, constraints
        self.open_rings = np.ones(geometry.radial.n_points, bool)
        self.average = 1.0
        self.frozen: NDArray | None = None

    def analyse(self, field: NDArray, order: int) -> NDArray[np.complex128]:
        """f_m (N,)."""
        return field @ np.exp(-1j * order * self.geometry.angular.phi) / self.geometry.angular.n_phi

    def _transform(self, field: NDArray, direction: str) -> NDArray[np.complex128]:
        radial, n = self.geometry.radial, self.geometry.radial.n_points
        r_max = radial.r_max if self.constraints.r_max_convention == "exact" else radial.r[-1]
        length = r_max if direction == "forward" else radial.reciprocity * n / r_max
        sign = -1j if direction == "forward" else 1j
        u = np.arange(n) + 0.5
        result = np.zeros(field.shape, complex)
        for m in range(-self.geometry.amplitude_order, self.geometry.amplitude_order + 1):
            # The integral of exp(-+ i q.r) over the angles gives (-+ i)^m J_m, for negative m too.
            bessel = scipy.special.jv(m, np.outer(u, u) * radial.reciprocity / n)
            row = sign**m * (length / n) ** 2 * bessel @ (u * self.analyse(field, m))
            result += row[:, None] * np.exp(1j * m * self.geometry.angular.phi)
        return result

    def forward(self, density: NDArray) -> NDArray[np.complex128]:
        return self._transform(density, "forward")

    def inverse(self, amplitude: NDArray) -> NDArray:
        density = self._transform(amplitude, "inverse")
        return density if self.geometry.complex_density else density.real

    def unknown(self, intensity: NDArray, n: int) -> complex:
        """u_n."""
        data = self.constraints.reciprocal
        if n == data.fixed_order:
            return 1.0
        used = data.known[n] & self.open_rings
        overlap = complex(np.sum((data.q * np.conj(data.projection_matrices[n][:, 0]) * self.analyse(intensity, n))[used]))
        return overlap / abs(overlap) if overlap else 1.0

    def projected(self, intensity: NDArray) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """I_n and I'_n (orders, N), n >= 0 up to the highest order that takes part."""
        data, rules = self.constraints.reciprocal, self.constraints
        highest = data.max_order if rules.keep_unknown_orders else self.geometry.amplitude_order
        old = np.array([self.analyse(intensity, n) for n in range(highest + 1)])
        new = old.copy()
        if data.spherical_average is not None:
            new[0] = np.where(data.known[0], self.average * data.spherical_average, old[0])
        for n, v in data.projection_matrices.items():
            if n <= highest:
                new[n] = np.where(data.known[n], v[:, 0] * self.unknown(intensity, n), old[n])
        return old, np.where(self.open_rings, new, old)

    def _field(self, coefficients: NDArray) -> NDArray[np.float64]:
        n = np.arange(len(coefficients))
        factor = np.where(n > 0, 2, 1)[:, None, None]
        waves = np.exp(1j * n[:, None] * self.geometry.angular.phi)
        return np.sum((factor * coefficients[:, :, None] * waves[:, None, :]).real, axis=0)

    def goal(self, intensity: NDArray) -> NDArray[np.float64]:
        """I' >= 0."""
        old, new = self.projected(intensity)
        goal = intensity + self._field(new - old) if self.constraints.keep_unknown_orders else self._field(new)
        return np.where(self.open_rings[:, None], np.maximum(goal, 0), intensity)

    def constrained(self, amplitude: NDArray, goal: NDArray) -> NDArray[np.complex128]:
        intensity = np.abs(amplitude) ** 2
        ratio = np.divide(goal, intensity, out=np.zeros_like(goal), where=intensity > 0)
        return amplitude * np.sqrt(np.minimum(ratio, 1e8))

    def _projections(self, density: NDArray, support: NDArray[np.bool_]) -> tuple[NDArray, dict[str, NDArray[np.bool_]]]:
        rules, changed = self.constraints, {}
        inside = support if rules.use_support else np.ones_like(support)
        density = np.where(inside, density, 0)
        changed["support"] = ~inside
        real = np.clip(density.real, rules.lower, rules.upper)
        changed["value_threshold"] = real != density.real
        changed["limit_imag"] = (np.abs(density.imag) >= rules.largest_imag) & (density.imag != 0)
        found = real + 1j * np.where(changed["limit_imag"], 0, density.imag) if np.iscomplexobj(density) else real
        averaged = found.copy()
        for ring in range(rules.averaged_shells):
            averaged[ring] = found[ring].mean()
        changed["average_center"] = np.broadcast_to(np.arange(len(found))[:, None] < rules.averaged_shells, found.shape)
        return averaged, changed

    def step(self, state: PlaneState, update: Update) -> float:
        old, amplitude = state.density, self.forward(state.density)
        intensity = np.abs(amplitude) ** 2
        goal = self.goal(intensity) if not update.frozen else np.where(self.open_rings[:, None], self.frozen, intensity)
        density = self.inverse(self.constrained(amplitude, goal))
        if update.stabilised:
            first = self.constraints.stabilised_from
            density[first:] += (old - self.inverse(amplitude))[first:]
        projected, changed = self._projections(density, state.support)
        if update.method == "RAAR":
            reflected, _ = self._projections(2 * density - old, state.support)
            state.density = update.beta * (reflected + old) + (1 - 2 * update.beta) * density
        else:
            counted = [mask for name, mask in changed.items() if update.method == "HIO" and name in update.feedback]
            feedback = np.any([np.zeros_like(state.support), *counted], axis=0)
            state.density = np.where(feedback, old - update.beta * (density - projected), projected)
        return self._integral(np.abs(density - projected) ** 2, state) / self._integral(np.abs(density) ** 2, state)

    def _integral(self, field: NDArray, state: PlaneState) -> float:
        given = self.constraints.error_radial_weights
        weights = self.geometry.radial.r_weights if given is None else given
        counted = state.initial_support if self.constraints.error_inside_initial_support else np.ones_like(state.support)
        return float(np.sum((field * counted).sum(axis=1) * weights))

    def shrink_wrap(self, state: PlaneState, transfer: NDArray[np.float64], threshold: float, inside_initial_support: bool) -> None:
        blurred = np.maximum(self.inverse(transfer[:, None] * self.forward(np.abs(state.density))).real, 0)
        inside = blurred >= blurred.min() + threshold * (blurred.max() - blurred.min())
        state.support = inside & state.initial_support if inside_initial_support else inside

    def reciprocal_errors(self, density: NDArray) -> dict[str, float]:
        """Errors of |FT density|^2 against the invariants, orders -n .. n up to the highest one in the data."""
        data, weights = self.constraints.reciprocal, self.geometry.radial.q_weights
        old, new = self.projected(np.abs(self.forward(density)) ** 2)
        stop = data.max_order + 1
        both = np.where(np.arange(stop) > 0, 2, 1)
        difference, length = (both @ (np.abs(part[:stop]) ** 2 @ weights) for part in (new - old, new))
        shares = []
        for n, v in data.projection_matrices.items():
            expected = v @ v.conj().T
            if np.any(expected):
                mask = np.outer(data.known[n], data.known[n])
                found = np.outer(old[n], old[n].conj())
                shares.append(np.sum(mask * np.abs(expected - found) ** 2) / np.sum(np.abs(expected) ** 2))
        return {"l2_projection_diff": difference / length, "deg2_invariant_l2_diff": float(np.mean(shares))}
