"""Sampling grids of ball and disc in real and reciprocal space: radii, angles, and their quadrature weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError

RADIAL_KINDS = ("midpoint", "trapz", "gauss", "Zernike")


@dataclass(frozen=True)
class RadialGrid:
    """Radii in real and reciprocal space, tied by the reciprocity law ``r_max * q_max = reciprocity * n_points``.

    Parameters
    ----------
    n_points : number of radii N.
    q_max : cut-off Q of reciprocal space in 1/A (2 pi included).
    reciprocity : dimensionless coefficient x of the law above.
    kind : 'midpoint' (r_k = (k + 1/2) R / N), 'trapz' and 'Zernike' (uniform on 0..R, ends included), 'gauss'
        (Gauss-Legendre nodes on [0, R]). 'zernike' is accepted for 'Zernike'.
    dimensions : 3 (shells of a ball) or 2 (rings of a disc); decides the weights and the kind of Hankel transform.
    """

    n_points: int
    q_max: float
    reciprocity: float = 2.0
    kind: str = "midpoint"
    dimensions: int = 3

    def __post_init__(self) -> None:
        if self.kind == "zernike":
            object.__setattr__(self, "kind", "Zernike")
        if self.kind not in RADIAL_KINDS:
            raise SettingsError(f"radial grid kind {self.kind!r} is unknown; use one of {', '.join(RADIAL_KINDS)}")
        if self.n_points < 2 or not self.q_max > 0 or not self.reciprocity > 0:
            raise SettingsError(
                f"a radial grid needs n_points >= 2, q_max > 0, reciprocity > 0; found {self.n_points}, {self.q_max}, "
                f"{self.reciprocity}"
            )

    @property
    def r_max(self) -> float:
        """Outer radius R of real space in A."""
        return self.reciprocity * self.n_points / self.q_max

    @cached_property
    def _nodes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Nodes and weights of ``int_0^1 f(u) du``."""
        n = self.n_points
        if self.kind == "midpoint":
            return (np.arange(n) + 0.5) / n, np.full(n, 1.0 / n)
        if self.kind == "gauss":
            nodes, weights = np.polynomial.legendre.leggauss(n)
            return (nodes + 1) / 2, weights / 2
        weights = np.full(n, 1.0 / (n - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0.0, 1.0, n), weights

    @property
    def r(self) -> NDArray[np.float64]:
        """Radii of real space (N,) in A, ascending."""
        return self._nodes[0] * self.r_max

    @property
    def q(self) -> NDArray[np.float64]:
        """Radii of reciprocal space (N,) in 1/A, ascending."""
        return self._nodes[0] * self.q_max

    @property
    def r_weights(self) -> NDArray[np.float64]:
        """Weights (N,) of ``int_0^R f r^(d-1) dr`` in A^d."""
        return self._unit_weights * self.r_max**self.dimensions

    @property
    def q_weights(self) -> NDArray[np.float64]:
        """Weights (N,) of ``int_0^Q f q^(d-1) dq`` in 1/A^d."""
        return self._unit_weights * self.q_max**self.dimensions

    @property
    def _unit_weights(self) -> NDArray[np.float64]:
        return self._nodes[1] * self._nodes[0] ** (self.dimensions - 1)


def _is_smooth(number: int, primes: tuple[int, ...]) -> bool:
    for prime in primes:
        while number % prime == 0:
            number //= prime
    return number == 1


def smooth_at_least(number: int, primes: tuple[int, ...] = (2, 3, 5)) -> int:
    """Smallest even integer >= `number` with no prime factors but `primes`: a length that FFTs like."""
    number += number % 2
    while not _is_smooth(number, primes):
        number += 2
    return number


@dataclass(frozen=True)
class AngularGrid:
    """Gauss-Legendre in cos(theta), uniform in phi on [0, 2 pi); theta ascending from near 0 to near pi."""

    n_theta: int
    n_phi: int

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (n_theta, n_phi) of the values on one shell."""
        return self.n_theta, self.n_phi

    @cached_property
    def _gauss_legendre(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        nodes, weights = np.polynomial.legendre.leggauss(self.n_theta)
        return nodes[::-1].copy(), weights[::-1].copy()

    @property
    def cos_theta(self) -> NDArray[np.float64]:
        """(n_theta,), descending."""
        return self._gauss_legendre[0]

    @property
    def theta(self) -> NDArray[np.float64]:
        """Polar angles (n_theta,) in rad, ascending."""
        return np.arccos(self.cos_theta)

    @property
    def theta_weights(self) -> NDArray[np.float64]:
        """Gauss-Legendre weights (n_theta,), sum 2."""
        return self._gauss_legendre[1]

    @property
    def phi(self) -> NDArray[np.float64]:
        """Azimuths (n_phi,) in rad, from 0."""
        return 2 * np.pi * np.arange(self.n_phi) / self.n_phi

    @property
    def solid_angle(self) -> NDArray[np.float64]:
        """Solid angle (n_theta, n_phi) of each direction in sr, sum 4 pi."""
        return np.repeat(self.theta_weights[:, None] * (2 * np.pi / self.n_phi), self.n_phi, axis=1)

    @property
    def max_order(self) -> int:
        """Highest harmonic order whose coefficients this grid separates exactly."""
        return min(self.n_theta - 1, (self.n_phi - 1) // 2)

    def directions(self) -> NDArray[np.float64]:
        """Unit vectors (n_theta, n_phi, 3)."""
        sin_theta = np.sin(self.theta)[:, None]
        phi = self.phi[None, :]
        z = np.broadcast_to(self.cos_theta[:, None], (self.n_theta, self.n_phi))
        return np.stack([sin_theta * np.cos(phi), sin_theta * np.sin(phi), z], axis=-1)

    @classmethod
    def alias_free(cls, amplitude_order: int, used_order: int) -> "AngularGrid":
        """Smallest grid on which |F|^2, F of order `amplitude_order`, has exact coefficients up to `used_order`.

        The product has order 2 L_F; times Y_lm of order L_used the quadrature must be exact to 2 L_F + L_used, which takes
        n_theta >= (2 L_F + L_used + 1) / 2 and n_phi >= 2 L_F + L_used + 1. n_theta is made a multiple of 4.
        """
        n_theta = -(-(2 * amplitude_order + used_order + 1) // 8) * 4
        return cls(n_theta, smooth_at_least(2 * n_theta))

    @classmethod
    def shtns(cls, l_max: int) -> "AngularGrid":
        """Sizes that the reference program's spherical harmonic library chose for order `l_max` (an observed rule)."""
        n_theta = max(32, -(-(l_max + 1) // 8) * 8)
        return cls(n_theta, smooth_at_least(2 * l_max + 2, (2, 3, 5, 7)))


@dataclass(frozen=True)
class CircleGrid:
    """Uniform in phi on [0, 2 pi): the angles of a disc."""

    n_phi: int

    @property
    def shape(self) -> tuple[int]:
        """Shape (n_phi,) of the values on one ring."""
        return (self.n_phi,)

    @property
    def phi(self) -> NDArray[np.float64]:
        """Azimuths (n_phi,) in rad, from 0."""
        return 2 * np.pi * np.arange(self.n_phi) / self.n_phi

    @property
    def max_order(self) -> int:
        """Highest harmonic order whose coefficients this grid separates exactly."""
        return (self.n_phi - 1) // 2

    def directions(self) -> NDArray[np.float64]:
        """Unit vectors (n_phi, 2)."""
        return np.stack([np.cos(self.phi), np.sin(self.phi)], axis=-1)

    @classmethod
    def alias_free(cls, amplitude_order: int, used_order: int) -> "CircleGrid":
        """Smallest grid on which |F|^2, F of order `amplitude_order`, has exact coefficients up to `used_order`; n_phi is even."""
        return cls(smooth_at_least(2 * amplitude_order + used_order + 1))

    @classmethod
    def reference(cls, l_max: int) -> "CircleGrid":
        """The grid of the reference program, 2L + 1 points."""
        return cls(2 * l_max + 1)


def volume_integral(
    field: NDArray[np.floating], radial_weights: NDArray[np.float64], angular: AngularGrid
) -> float | NDArray[np.float64]:
    """Integral of field[theta, phi, r] over the ball; `radial_weights` are `RadialGrid.r_weights` or `.q_weights`."""
    rings = field.sum(axis=1) @ radial_weights
    return (2 * np.pi / angular.n_phi) * (angular.theta_weights @ rings)
