"""The phasing step straight from its formulas: full sphere, complex numbers, explicit sums; slow, and nothing shared with the engine."""

from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import NDArray

from fxs_hpc.engine.interface import Constraints, Geometry, Update


@dataclass
class State:
    """Density, support and the region of the error, each (N, n_theta, n_phi)."""

    density: NDArray
    support: NDArray[np.bool_]
    initial_support: NDArray[np.bool_]


class Harmonics:
    """Y_lm of orders 0..l_max as one matrix over all directions; coefficients are [r, lm] with l ascending, m = -l..l."""

    def __init__(self, geometry: Geometry, l_max: int) -> None:
        grid = geometry.angular
        self.l_max = l_max
        self.l = np.repeat(np.arange(l_max + 1), 2 * np.arange(l_max + 1) + 1)
        m = np.concatenate([np.arange(-l, l + 1) for l in range(l_max + 1)])
        theta, phi = grid.theta[:, None], grid.phi
        self.shape = (grid.n_theta, grid.n_phi)
        self.table = np.array([scipy.special.sph_harm_y(l, m, theta, phi).ravel() for l, m in zip(self.l, m)])
        self.weights = grid.solid_angle.ravel()

    def analyse(self, field: NDArray) -> NDArray[np.complex128]:
        return field.reshape(len(field), -1) * self.weights @ self.table.conj().T

    def synthesise(self, coefficients: NDArray) -> NDArray[np.complex128]:
        return (coefficients @ self.table).reshape(-1, *self.shape)

    def of(self, order: int) -> NDArray[np.intp]:
        """Columns of one order."""
        return np.flatnonzero(self.l == order)


class Oracle:
    """Steps of the loop on midpoint grids; V_l of the constraints may be complex here."""

    def __init__(self, geometry: Geometry, constraints: Constraints) -> None:
        self.geometry, self.constraints = geometry, constraints
        self.harmonics = Harmonics(geometry, geometry.amplitude_order)
        known = constraints.reciprocal.max_order if constraints.keep_unknown_orders else geometry.amplitude_order
        self.intensity_harmonics = Harmonics(geometry, known)
        self.open_shells = np.ones(geometry.radial.n_points, bool)
        self.average = 1.0
        self.frozen: NDArray | None = None

    def _hankel(self, coefficients: NDArray, direction: str) -> NDArray[np.complex128]:
        radial, n = self.geometry.radial, self.geometry.radial.n_points
        r_max = radial.r_max if self.constraints.r_max_convention == "exact" else radial.r[-1]
        length = r_max if direction == "forward" else radial.reciprocity * n / r_max
        sign = -1j if direction == "forward" else 1j
        u = np.arange(n) + 0.5
        result = np.empty_like(coefficients)
        for l in range(self.harmonics.l_max + 1):
            bessel = scipy.special.spherical_jn(l, np.outer(u, u) * radial.reciprocity / n)
            scale = sign**l * np.sqrt(2 / np.pi) * (length / n) ** 3
            result[:, self.harmonics.of(l)] = scale * bessel @ (u[:, None] ** 2 * coefficients[:, self.harmonics.of(l)])
        return result

    def forward(self, density: NDArray) -> NDArray[np.complex128]:
        return self.harmonics.synthesise(self._hankel(self.harmonics.analyse(density), "forward"))

    def inverse(self, amplitude: NDArray) -> NDArray:
        density: NDArray = self.harmonics.synthesise(self._hankel(self.harmonics.analyse(amplitude), "inverse"))
        return density if self.geometry.complex_density else density.real

    def projected_coefficients(self, intensity: NDArray) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """I_lm and I'_lm."""
        data, harmonics = self.constraints.reciprocal, self.intensity_harmonics
        old = harmonics.analyse(intensity)
        new = old.copy()
        if data.spherical_average is not None:
            new[data.known[0], 0] = self.average * data.spherical_average[data.known[0]]
        for l, v in data.projection_matrices.items():
            columns, known = harmonics.of(l), data.known[l]
            overlap = v.conj().T @ ((known * data.q**2)[:, None] * old[:, columns])
            left, _, right = np.linalg.svd(overlap, full_matrices=False)
            new[np.ix_(known, columns)] = (v @ left @ right)[known]
        new[~self.open_shells] = old[~self.open_shells]
        return old, new

    def goal(self, intensity: NDArray) -> NDArray[np.float64]:
        """I' on the grid."""
        old, new = self.projected_coefficients(intensity)
        if self.constraints.keep_unknown_orders:
            goal = intensity + self.intensity_harmonics.synthesise(new - old).real
        else:
            goal = self.intensity_harmonics.synthesise(new).real
        return np.where(self.open_shells[:, None, None], np.maximum(goal, 0), intensity)

    def constrained(self, amplitude: NDArray, frozen: bool = False) -> NDArray[np.complex128]:
        """A' = A sqrt(I'/|A|^2)."""
        intensity = np.abs(amplitude) ** 2
        goal = np.where(self.open_shells[:, None, None], self.frozen, intensity) if frozen else self.goal(intensity)
        ratio = np.divide(goal, intensity, out=np.zeros_like(goal), where=intensity > 0)
        return amplitude * np.sqrt(np.minimum(ratio, 1e8))

    def _projections(self, density: NDArray, support: NDArray[np.bool_]) -> tuple[NDArray, dict[str, NDArray[np.bool_]]]:
        """P density, and per constraint where it changed something."""
        rules, changed = self.constraints, {}
        inside = support if rules.use_support else np.ones_like(support)
        density = np.where(inside, density, 0)
        changed["support"] = ~inside
        clipped = np.clip(density.real, rules.lower, rules.upper)
        changed["value_threshold"] = clipped != density.real
        changed["limit_imag"] = np.abs(density.imag) >= rules.largest_imag
        found = clipped + 1j * np.where(changed["limit_imag"], 0, density.imag) if np.iscomplexobj(density) else clipped
        averaged = found.copy()
        for shell in range(rules.averaged_shells):
            averaged[shell] = np.sum(found[shell] * self.geometry.angular.solid_angle) / (4 * np.pi)
        changed["average_center"] = np.broadcast_to(np.arange(len(found))[:, None, None] < rules.averaged_shells, found.shape)
        return averaged, changed

    def step(self, state: State, update: Update) -> float:
        old, amplitude = state.density, self.forward(state.density)
        density = self.inverse(self.constrained(amplitude, update.frozen))
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

    def _integral(self, field: NDArray, state: State) -> float:
        given = self.constraints.error_radial_weights
        weights = self.geometry.radial.r_weights if given is None else given
        counted = state.initial_support if self.constraints.error_inside_initial_support else np.ones_like(state.initial_support)
        return float(np.einsum("rtp,r,tp->", field * counted, weights, self.geometry.angular.solid_angle))

    def shrink_wrap(self, state: State, transfer: NDArray[np.float64], threshold: float, inside_initial_support: bool) -> None:
        blurred = np.maximum(self.inverse(transfer[:, None, None] * self.forward(np.abs(state.density))).real, 0)
        inside = blurred >= blurred.min() + threshold * (blurred.max() - blurred.min())
        state.support = inside & state.initial_support if inside_initial_support else inside

    def reciprocal_errors(self, density: NDArray) -> dict[str, float]:
        """Errors of |FT density|^2 against the invariants."""
        data, weights = self.constraints.reciprocal, self.geometry.radial.q_weights
        old, new = self.projected_coefficients(np.abs(self.forward(density)) ** 2)
        used = self.intensity_harmonics.l <= data.max_order
        difference, length = (weights @ (np.abs(part[:, used]) ** 2).sum(axis=1) for part in (new - old, new))
        shares = []
        for l, v in data.projection_matrices.items():
            if not np.any(v):
                continue
            expected, rows = v @ v.conj().T, old[:, self.intensity_harmonics.of(l)]
            mask = np.outer(data.known[l], data.known[l])
            shares.append(np.sum(mask * np.abs(expected - rows @ rows.conj().T) ** 2) / np.sum(np.abs(expected) ** 2))
        return {"l2_projection_diff": difference / length, "deg2_invariant_l2_diff": float(np.mean(shares))}
