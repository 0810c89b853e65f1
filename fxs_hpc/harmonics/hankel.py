"""Hankel transforms, spherical ones of a ball and those of a disc, as one real matrix per order."""

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import jv, spherical_jn

from fxs_hpc.errors import SettingsError
from fxs_hpc.harmonics.grids import RadialGrid
from fxs_hpc.parallel.threads import over, pieces


def phase(order: ArrayLike) -> NDArray[np.int64]:
    """Sign of (-i)^l once F = A + iB is split: +1, -1, -1, +1 for l % 4 = 0, 1, 2, 3 (A: even l, B: odd l)."""
    return np.array([1, -1, -1, 1])[np.asarray(order) % 4]


def plane_phase(orders: NDArray[np.int64], kind: str, convention: str = "exact") -> NDArray[np.complex128]:
    """(-i)^|m| of the orders m of complex fields in the plane: with it, J_-m = (-1)^m J_m lets +m and -m share the matrix of |m|.

    The reference program takes (-i)^m with the matrix of |m| for kind 'Zernike', which turns the sign of negative odd orders:
    its |F|^2 has the right mean on every ring and wrong angles (a2_Zernike: 28 % in C, and odd orders that a real density has not).
    """
    powers = orders if kind == "Zernike" and convention == "reference" else np.abs(orders)
    return np.asarray((-1j) ** (powers % 4), np.complex128)


@numba.njit(cache=True, error_model="numpy")
def _bessel_all(l_max: int, x: float, shift: int, out: np.ndarray) -> None:
    """Orders 2 .. l_max at x >= 0 from out[0], out[1]: upwards to l = x, then by ratios f_{l+1}/f_l found from above (no zeros there).

    f_{l-1} + f_{l+1} = (2l + shift) / x f_l; shift = 1 for j_l, 0 for J_l.
    """
    out[2:] = 0.0
    if x == 0:
        return
    turn = min(int(x), l_max)
    for order in range(1, turn):
        out[order + 1] = (2 * order + shift) / x * out[order] - out[order - 1]
    if turn == l_max:
        return
    ratio = 0.0
    start = l_max + 20 + int(np.sqrt(40.0 * max(l_max, x)))
    for order in range(start, turn, -1):
        ratio = 1.0 / ((2 * order + shift) / x - ratio)
        if order <= l_max:
            out[order] = ratio
    for order in range(turn + 1, l_max + 1):
        out[order] *= out[order - 1]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _fill_bessel(table: np.ndarray, x_out: np.ndarray, x_in: np.ndarray, shift: int, first: int, stop: int) -> None:
    l_max = table.shape[0] - 1
    row = np.empty(l_max + 1)
    for i in range(first, stop):
        for j in range(x_in.size):
            row[0], row[1] = table[0, i, j], table[1, i, j]
            _bessel_all(l_max, x_out[i] * x_in[j], shift, row)
            for order in range(l_max + 1):
                table[order, i, j] = row[order]


def _bessel_table(
    l_max: int, x_out: NDArray[np.float64], x_in: NDArray[np.float64], dimensions: int, workers: int = 1
) -> NDArray[np.float64]:
    """table[l, i, j] = j_l(x_out[i] * x_in[j]) in three dimensions, J_l in two."""
    table = np.empty((max(l_max, 1) + 1, x_out.size, x_in.size))
    arguments = np.multiply.outer(x_out, x_in)
    for order in (0, 1):
        table[order] = spherical_jn(order, arguments) if dimensions == 3 else jv(order, arguments)
    shift = 1 if dimensions == 3 else 0
    over(lambda span: _fill_bessel(table, x_out, x_in, shift, *span), pieces(x_out.size, workers), workers)
    return table[: l_max + 1]


def bessel(l_max: int, x: ArrayLike, dimensions: int = 3) -> NDArray[np.float64]:
    """Bessel functions, spherical j_l(x) (three dimensions) or J_l(x) (two), shape (l_max + 1, *x.shape), x >= 0."""
    x = np.asarray(x, dtype=np.float64)
    return _bessel_table(l_max, x.ravel(), np.ones(1), dimensions).reshape(l_max + 1, *x.shape)


def _scales(grid: RadialGrid, direction: str, convention: str) -> tuple[NDArray, NDArray, NDArray, float, float]:
    """Unit-free nodes (input, output), weights of u^(d-1) du, argument scale, and length of the input space.

    F(q_k) = sqrt(2/pi) length^3 sum_p weight_p j_l(scale * out_k * in_p) f(r_p); length^2 .. J_l in two dimensions.
    """
    n = grid.n_points
    nodes = grid.r / grid.r_max
    length = grid.r_max if direction == "forward" else grid.q_max
    weights = grid.r_weights / grid.r_max**grid.dimensions
    scale = grid.reciprocity * n
    if convention == "reference":
        r_cut = grid.r[-1]
        length = r_cut if direction == "forward" else grid.reciprocity * n / r_cut
        if grid.kind in ("trapz", "Zernike"):
            nodes = np.arange(n) / n
            weights = nodes ** (grid.dimensions - 1) / n
    return nodes, weights, nodes, scale, length


def _zernike_polynomials(order: int, s_max: int, u: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    """Radial Zernike polynomials Z_l^s(u) of ball or disc, s = l, l+2 .. s_max: u^l times Jacobi P_k^(0, l + d/2 - 1)(2u^2-1)."""
    count = (s_max - order) // 2 + 1
    table = np.empty((count, u.size))
    x, b = 2 * u**2 - 1, order + dimensions / 2 - 1
    table[0] = u**order
    if count > 1:
        table[1] = u**order * (-(b + 0) + (b + 2) * x) / 2
    for k in range(2, count):
        c = 2 * k + b
        first = 2 * k * (k + b) * (c - 2)
        table[k] = (c - 1) * (c * (c - 2) * x - b**2) * table[k - 1] - 2 * (k - 1) * (k + b - 1) * c * table[k - 2]
        table[k] /= first
    return table


def _zernike_matrices(grid: RadialGrid, l_max: int, direction: str, convention: str) -> NDArray[np.float64]:
    """Transform of the expansion in Zernike polynomials up to degree 2(2N-1), close to the trapezoidal rule.

    ``int_0^1 Z_l^s(u) j_l(v u) u^2 du = (-1)^((s-l)/2) j_{s+1}(v) / v``, and so for J_l
    with u du. The reference program expands to degree L only, and puts k pi for v = q_k R, whatever the reciprocity.
    """
    u_in, weights, u_out, scale, length = _scales(grid, direction, convention)
    s_max = l_max if convention == "reference" else 2 * (2 * grid.n_points - 1)
    argument = u_out * (np.pi * grid.n_points if convention == "reference" else scale)
    values = bessel(s_max + 1, argument, grid.dimensions)
    quotients = np.divide(values, argument, out=np.zeros_like(values), where=argument > 0)
    matrices = np.empty((l_max + 1, grid.n_points, grid.n_points))
    for order in range(l_max + 1):
        s = np.arange(order, s_max + 1, 2)
        factor = (-1.0) ** ((s - order) // 2) * (2 * s + grid.dimensions)
        polynomials = _zernike_polynomials(order, s_max, u_in, grid.dimensions)
        matrices[order] = (weights * polynomials).T @ (factor[:, None] * quotients[s + 1])
    matrices[0, :, argument == 0] = weights
    return _prefactor(grid.dimensions) * length**grid.dimensions * matrices


def _prefactor(dimensions: int) -> float:
    return float(np.sqrt(2 / np.pi)) if dimensions == 3 else 1.0


def hankel_matrices(
    grid: RadialGrid, l_max: int, direction: str = "forward", r_max_convention: str = "exact", workers: int = 1
) -> NDArray[np.float64]:
    """Matrices of the unitary Hankel transform, without the phase (-i)^l (see `phase`): spherical in three dimensions, J_l in two.

    Parameters
    ----------
    grid : radii; its `kind` chooses the quadrature, its `dimensions` the transform.
    l_max : highest order L.
    direction : 'forward' (r -> q, ``F[q] = f[r] @ H[l]``) or 'inverse' (q -> r).
    r_max_convention : 'exact', the physical scale; 'reference' reproduces the reference program, which takes the largest
        radius of the grid for the cut-off (and, on the uniform grids, the step R/N).
    workers : threads.

    Returns
    -------
    (L+1, N, N) float64, ``H[l][input, output]``

    Notes
    -----
    ``H_l[p, k] = sqrt(2/pi) w_p j_l(q_k r_p)`` with w_p the weights of ``int r^2 dr``; in two dimensions
    ``H_m[p, k] = w_p J_m(q_k r_p)`` with those of ``int r dr``, and J_-m with (-i)^-m has the matrix and phase of m. For kind 'Zernike'
    the Bessel function is replaced by its expansion in radial Zernike polynomials.
    """
    if direction not in ("forward", "inverse"):
        raise SettingsError(f"Hankel direction {direction!r} is unknown; use 'forward' or 'inverse'")
    if r_max_convention not in ("exact", "reference"):
        raise SettingsError(f"r_max_convention {r_max_convention!r} is unknown; use 'exact' or 'reference'")
    if grid.kind == "Zernike":
        return _zernike_matrices(grid, l_max, direction, r_max_convention)
    u_in, weights, u_out, scale, length = _scales(grid, direction, r_max_convention)
    matrices = _bessel_table(l_max, u_in, scale * u_out, grid.dimensions, workers)
    matrices *= (_prefactor(grid.dimensions) * length**grid.dimensions * weights)[:, None]
    return matrices
