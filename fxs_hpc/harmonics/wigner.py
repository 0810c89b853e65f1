"""Rotations of spherical harmonic coefficients of real fields.

Convention: (R f)(x) = f(R^-1 x), R = Rz(alpha) Ry(beta) Rz(gamma), hence (R f)_lm = sum_m' D^l_mm' f_lm' with
D^l_mm' = exp(-i m alpha) d^l_mm'(beta) exp(-i m' gamma) (orthonormal harmonics with the Condon-Shortley phase).

Coefficients are those of `harmonics.spherical`: coef[m, l, re/im, r], m >= 0, real.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Coefficients = NDArray[np.floating]


@lru_cache(maxsize=4)
def quarter_turns(l_max: int) -> tuple[NDArray[np.float64], ...]:
    """Wigner matrices d^l_um(pi/2) for u, m >= 0, one read-only (l+1, l+1) array per order l = 0..l_max.

    Negative indices follow from d_{u,-m} = (-1)^(l+u) d_um and d_{-u,m} = (-1)^(l-m) d_um.

    Notes
    -----
    Recursion of Trapani and Navaza, Acta Cryst. A62, 262 (2006), eqs. 8-10: the row u = l from order l - 1, then downwards in u.
    """
    tables = [np.ones((1, 1))]
    for l in range(1, l_max + 1):
        table = np.zeros((l + 2, l + 1))
        m = np.arange(1, l + 1)
        table[l, 0] = -np.sqrt((2 * l - 1) / (2 * l)) * tables[-1][l - 1, 0]
        table[l, 1:] = np.sqrt(l * (2 * l - 1) / (2.0 * (l + m) * (l + m - 1))) * tables[-1][l - 1]
        for u in range(l - 1, -1, -1):
            scale = np.sqrt((l - u) * (l + u + 1.0))
            table[u] = 2 * np.arange(l + 1) / scale * table[u + 1]
            table[u] -= np.sqrt((l - u - 1) * (l + u + 2.0)) / scale * table[u + 2]
        tables.append(table[: l + 1])
    for table in tables:
        table.setflags(write=False)
    return tuple(tables)


def tilt_matrices(l: int, beta: float, quarter: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrices (l+1, l+1) that turn the real and the imaginary parts f_lm, m >= 0, of a real field about y by beta.

    They are d_mm' + (-1)^m' d_m,-m' and d_mm' - (-1)^m' d_m,-m' (m' > 0; column 0 of the first is d_m0).
    With d(beta) factored as quarter turn, turn about z, quarter turn back, the first needs only the u of the parity of l, the
    second only the others.

    Parameters
    ----------
    quarter : `quarter_turns(l_max)[l]`.
    """
    difference = np.subtract.outer(np.arange(l + 1), np.arange(l + 1))
    even = difference % 2 == 0
    sign = 1.0 - 2.0 * ((difference // 2) % 2)
    parts = []
    for parity in (l % 2, 1 - l % 2):
        u = np.arange(parity, l + 1, 2)
        rows = quarter[parity::2]
        weight = np.where(u == 0, 2.0, 4.0)[:, None]
        cosine = rows.T @ (weight * np.cos(u * beta)[:, None] * rows)
        sine = rows.T @ (weight * np.sin(u * beta)[:, None] * rows)
        parts.append(sign * np.where(even, cosine, sine))
    parts[0][:, 0] /= 2
    return parts[0], parts[1]


def rotate(coef: Coefficients, angles: tuple[float, float, float] | NDArray[np.float64]) -> Coefficients:
    """Coefficients of the field rotated by the Euler angles (alpha, beta, gamma) about z, y, z.

    Parameters
    ----------
    coef : (L+1, L+1, 2, n) array of a real field.
    angles : in rad; the field is turned by gamma about z first, then beta about y, then alpha about z.

    Returns
    -------
    (L+1, L+1, 2, n) array of the same dtype
    """
    alpha, beta, gamma = angles
    tables = quarter_turns(coef.shape[0] - 1)
    turned = turn_about_z(coef, gamma)
    for l, quarter in enumerate(tables):
        real, imaginary = tilt_matrices(l, beta, quarter)
        turned[: l + 1, l, 0] = real.astype(coef.dtype, copy=False) @ turned[: l + 1, l, 0]
        turned[: l + 1, l, 1] = imaginary.astype(coef.dtype, copy=False) @ turned[: l + 1, l, 1]
    return turn_about_z(turned, alpha)


def turn_about_z(coef: Coefficients, angle: float) -> Coefficients:
    """Coefficients of the field turned about z: f_lm -> exp(-i m angle) f_lm."""
    m = np.arange(coef.shape[0])
    cosine = np.cos(m * angle).astype(coef.dtype)[:, None, None]
    sine = np.sin(m * angle).astype(coef.dtype)[:, None, None]
    turned = np.empty_like(coef)
    turned[:, :, 0] = cosine * coef[:, :, 0] + sine * coef[:, :, 1]
    turned[:, :, 1] = cosine * coef[:, :, 1] - sine * coef[:, :, 0]
    return turned


def generators(coef: Coefficients) -> tuple[Coefficients, Coefficients, Coefficients]:
    """Derivatives of the coefficients with respect to the angle of a rotation about x, y, z (at angle 0).

    They are -i L_x f, -i L_y f, -i L_z f with L_+- f_lm -> sqrt(l(l+1) - m(m+-1)) f_l,m+-1; each is again a real field.
    """
    size = coef.shape[0]
    m, l = np.arange(size)[:, None, None, None], np.arange(size)[None, :, None, None]
    ladder = np.sqrt(np.maximum(l * (l + 1) - m * (m + 1), 0.0)).astype(coef.dtype)
    half_step = 0.5 * ladder[:-1]
    total = np.zeros_like(coef)
    total[1:] = half_step * coef[:-1]
    difference = -total
    lowered = half_step * coef[1:]
    total[:-1] += lowered
    difference[:-1] += lowered
    if size > 1:
        from_negative = half_step[0] * coef[1] * np.array([-1, 1], dtype=coef.dtype)[:, None]
        total[0] += from_negative
        difference[0] -= from_negative
    return _times_minus_i(total), difference, _times_minus_i(m.astype(coef.dtype) * coef)


def inner_product(
    a: Coefficients, b: Coefficients, shell_weights: NDArray[np.floating] | None = None
) -> float:
    """Integral over the sphere of the product of two real fields, summed (in float64) over shells with `shell_weights` (n,)."""
    dense = np.asarray(a, dtype=np.float64)
    dense = dense if shell_weights is None else dense * shell_weights
    other = np.asarray(b, dtype=np.float64)
    return float(2 * np.vdot(dense, other) - np.vdot(dense[0], other[0]))


def _times_minus_i(coef: Coefficients) -> Coefficients:
    product = np.empty_like(coef)
    product[:, :, 0] = coef[:, :, 1]
    np.negative(coef[:, :, 0], out=product[:, :, 1])
    return product
