"""Errors of an intensity against the invariants: how far the degree-2 invariants B_l of a density are from those of the data.

All are relative and vanish for an intensity that has the invariants. B^d is what the data say, V_l V_l^+, and B the invariant of the
density's own intensity, B_l(q1, q2) = sum_m I_lm(q1) I_lm(q2)^*, in the plane B_n = I_n(q1) I_n(q2)^*; |.|^2 sums over pairs (q1, q2).
Where the data do not know an order (`ReciprocalConstraint.known`), the difference to them counts as 0. Order 0 takes the average that
the step imposed, which depends on the number of particles. The reference program gives no formulas for these; its names are kept, and
the definitions are those below.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.interface import IntensityPair
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.harmonics.legendre import legendre_table

_SQRT2 = np.sqrt(2.0)


def rows(coefficients: NDArray, order: int) -> NDArray:
    """Coefficients of one order as orthonormal rows (n, N): (I_l0, sqrt2 Re I_lm, sqrt2 Im I_lm), or I_n of the plane."""
    if coefficients.ndim == 2:
        return coefficients[order : order + 1].astype(np.complex128)
    cosine, sine = (coefficients[: order + 1, order, part].astype(np.float64) for part in (0, 1))
    return np.concatenate([cosine[:1], _SQRT2 * cosine[1:], _SQRT2 * sine[1:]])


def _invariant(rows_of_order: NDArray) -> NDArray:
    return rows_of_order.T @ rows_of_order.conj()


def _relative(terms: Sequence[tuple[NDArray, NDArray]]) -> float:
    """|sum of the second|^2 / |sum of the first|^2; 0 if there is nothing to compare with."""
    expected, difference = (np.asarray(sum(term[side] for term in terms)) for side in (0, 1))
    norm = float(np.sum(np.abs(expected) ** 2))
    return float(np.sum(np.abs(difference) ** 2)) / norm if norm > 0 else 0.0


@dataclass(frozen=True)
class InvariantErrors:
    """Errors against the invariants of one data set.

    Parameters
    ----------
    constraint : the data.
    cos_theta : (N,) cosine of the polar angle of the Ewald sphere's points, q wavelength / 4 pi.
    rank : for 'deg2_ranked_invariant_l2_diff', 0 = the strongest order.
    circular_order : for 'ccd_diff', n of the circular component C_n.
    """

    constraint: ReciprocalConstraint
    cos_theta: NDArray[np.float64]
    rank: int = 2
    circular_order: int = 2

    def __call__(self, names: Sequence[str], pair: IntensityPair) -> dict[str, float]:
        """The errors of these names, in this order."""
        metrics: Mapping[str, Callable[[IntensityPair], float]] = {
            "deg2_ranked_invariant_l2_diff": self.ranked,
            "ccd_diff": self.circular,
            "fqc_error": self.quadrant_correlation,
            "II_error": self.two_point,
        }
        return {name: metrics[name](pair) for name in names}

    @property
    def _matrices(self) -> list[tuple[int, NDArray]]:
        return [(order, matrix) for order, matrix in self.constraint.projection_matrices.items() if order > 0]

    @cached_property
    def _expected(self) -> dict[int, NDArray]:
        """B^d of the orders l > 0."""
        return {order: _invariant(matrix.T) for order, matrix in self._matrices}

    def _known(self, order: int) -> NDArray[np.bool_]:
        known = self.constraint.known[order]
        return known[:, None] & known

    def _compared(self, pair: IntensityPair, order: int) -> tuple[NDArray, NDArray]:
        """(B^d, B^d - B where it is known) of one order."""
        expected = self._expected[order] if order else _invariant(rows(pair.imposed, 0))
        return expected, self._known(order) * (expected - _invariant(rows(pair.found, order)))

    @property
    def _averages(self) -> list[int]:
        """Order 0, if the data have it."""
        return [] if self.constraint.spherical_average is None else [0]

    def by_order(self, pair: IntensityPair, orders: Sequence[int] | None = None) -> dict[int, float]:
        """|B^d_l - B_l|^2 / |B^d_l|^2 per projected order l > 0 of which the data have something."""
        chosen = self._expected if orders is None else self._expected.keys() & set(orders)
        return {order: _relative([self._compared(pair, order)]) for order in sorted(chosen) if self._expected[order].any()}

    def ranked(self, pair: IntensityPair) -> float:
        """`by_order` of the order at place `rank` when orders are sorted by |B^d_l|, strongest first (the last if there are fewer)."""
        strength = {order: float(np.sum(np.abs(expected) ** 2)) for order, expected in self._expected.items()}
        ranking = sorted((order for order in strength if strength[order] > 0), key=lambda order: -strength[order])
        chosen = ranking[: self.rank + 1][-1:]
        return sum(self.by_order(pair, chosen).values())

    def circular(self, pair: IntensityPair) -> float:
        """|C^d_n - C_n|^2 / |C^d_n|^2 of the circular component n of the cross-correlation.

        C_n(q1, q2) = sum over l >= n of B_l(q1, q2) P_l^n(cos theta1) P_l^n(cos theta2) / (2l+1), normalised Legendre functions; B_n
        itself in the plane.
        """
        compared = {order: self._compared(pair, order) for order in self._circular_factors}
        return _relative([(factor * compared[l][0], factor * compared[l][1]) for l, factor in self._circular_factors.items()])

    @cached_property
    def _circular_factors(self) -> dict[int, NDArray]:
        n, orders = self.circular_order, [*self._averages, *self._expected]
        if self._plane:
            return {n: np.ones(())} if n in orders else {}
        legendre = legendre_table(max([n, *orders]), self.cos_theta)
        return {l: np.outer(legendre[n, l], legendre[n, l]) / (2 * l + 1) for l in orders if l >= n}

    @property
    def _plane(self) -> bool:
        return any(np.iscomplexobj(matrix) for _, matrix in self._matrices)

    def quadrant_correlation(self, pair: IntensityPair) -> float:
        """1 - mean over pairs q1 <= q2 of Re sum_l B^d_l B_l^* / sqrt(sum_l |B^d_l|^2 sum_l |B_l|^2), l > 0 where known.

        The Fourier quadrant correlation of the two sets of invariants; pairs of which the data have nothing do not count.
        """
        shape = (len(self.constraint.q),) * 2
        product, data, own = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for order in self._expected:
            expected, found = (self._known(order) * part for part in (self._expected[order], _invariant(rows(pair.found, order))))
            product += np.real(expected * found.conj())
            data += np.abs(expected) ** 2
            own += np.abs(found) ** 2
        counted = np.triu(data) > 0
        if not counted.any():
            return 0.0
        length = np.sqrt(data[counted] * own[counted])
        return float(1 - np.divide(product[counted], length, out=np.zeros_like(length), where=length > 0).mean())

    def two_point(self, pair: IntensityPair) -> float:
        """|II^d - II|^2 / |II^d|^2 of the mean of I(q1 u) I(q2 u) over the directions u.

        II(q1, q2) = sum_l B_l / 4 pi, in the plane B_0 + 2 Re sum_{n > 0} B_n; orders that are not projected are left out.
        """
        compared = {order: self._compared(pair, order) for order in (*self._averages, *self._expected)}
        weights = {order: 2 if order and self._plane else 1 for order in compared}
        return _relative([(weights[order] * given.real, weights[order] * miss.real) for order, (given, miss) in compared.items()])
