"""Normalised associated Legendre functions, tabulated by recursion."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _sectoral(cos_theta: NDArray[np.float64], m_max: int) -> NDArray[np.float64]:
    """P_mm (m_max + 1, theta): (-1)^m sqrt((2m+1)!! / (4 pi (2m)!!)) sin^m theta."""
    m = np.arange(1, m_max + 1)
    norm = np.cumprod(np.concatenate([[np.sqrt(1 / (4 * np.pi))], -np.sqrt((2 * m + 1) / (2 * m))]))
    sin_theta = np.sqrt((1 - cos_theta) * (1 + cos_theta))
    return norm[:, None] * sin_theta[None, :] ** np.arange(m_max + 1)[:, None]


def legendre_table(l_max: int, cos_theta: ArrayLike, m_max: int | None = None) -> NDArray[np.float64]:
    """Theta parts of the orthonormal spherical harmonics (Condon-Shortley phase included).

    ``table[m, l] == scipy.special.sph_harm_y(l, m, theta, 0).real``; zero for l < m.

    Parameters
    ----------
    l_max : highest order.
    cos_theta : (n_theta,) cosines.
    m_max : highest m, by default `l_max`.

    Returns
    -------
    (m_max + 1, l_max + 1, n_theta) float64

    Notes
    -----
    Recursion upwards in l at fixed m (Holmes & Featherstone, J. Geodesy 76, 279 (2002), eq. 11), stable for all m; the
    sectoral start values underflow harmlessly up to orders of about 1900.
    """
    x = np.asarray(cos_theta, dtype=np.float64)
    m_max = l_max if m_max is None else min(m_max, l_max)
    table = np.zeros((m_max + 1, l_max + 1, x.size))
    diagonal = np.arange(m_max + 1)
    table[diagonal, diagonal] = _sectoral(x, m_max)
    for order in range(1, l_max + 1):
        m = np.arange(min(order, m_max + 1))
        a = np.sqrt((4.0 * order**2 - 1) / (order**2 - m**2))
        table[m, order] = a[:, None] * x * table[m, order - 1]
        if order > 1:
            b = a * np.sqrt(((order - 1.0) ** 2 - m**2).clip(0) / (4.0 * (order - 1) ** 2 - 1))
            table[m, order] -= b[:, None] * table[m, order - 2]
    return table
