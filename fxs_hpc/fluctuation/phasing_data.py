"""From the invariants of a data set to the constraint on the reconstruction grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.special import j0

from fxs_hpc.engine.plane_projection import fixed_order
from fxs_hpc.engine.procrustes import ReciprocalConstraint
from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.invariants import InvariantData

_DEGREE = {"nearest": 0, "linear": 1, "cubic": 3}


@dataclass(frozen=True)
class ConstraintOptions:
    """Choices of the reciprocal projection.

    Parameters
    ----------
    orders : harmonic orders that are projected.
    interpolation : 'nearest', 'linear' or 'cubic', from the data's radial points to those of the grid.
    odd_orders_to_0 : whether odd orders of the intensity are set to 0.
    use_averaged_intensity : whether the order 0 comes from <I>(q) instead of from B_0.
    n_particles : particles per pattern; the order 0 is divided by its square root.
    rank_tolerance : columns of V_l below this fraction of the largest singular value are left out.
    scale : factor on all V_l.
    radial_high_pass : inner fraction of the rings that does not count in the choice of the order whose phase factor is set to 1 (in the
        plane, see `engine.plane_projection.fixed_order`); None leaves the rotation free.
    """

    orders: Sequence[int]
    interpolation: str = "cubic"
    odd_orders_to_0: bool = True
    use_averaged_intensity: bool = True
    n_particles: float = 1.0
    rank_tolerance: float = 1e-4
    scale: float = 1.0
    radial_high_pass: float | None = None


def regrid(values: NDArray, data_q: NDArray[np.float64], q: NDArray[np.float64], interpolation: str) -> NDArray:
    """values (N_data, ...) at `data_q` -> (N, ...) at q; 0 outside the data's range."""
    if interpolation == "nearest":
        found = values[np.abs(data_q[:, None] - q).argmin(axis=0)]
    else:
        found = make_interp_spline(data_q, values, k=_DEGREE[interpolation], axis=0)(q)
    found[(q < data_q[0]) | (q > data_q[-1])] = 0
    return found


def real_factor(matrix: NDArray, tolerance: float) -> NDArray[np.float64]:
    """Real V (N, n), n <= columns of `matrix`, with V V^T the best approximation of Re(matrix matrix^+).

    Singular values below tolerance x the first are left out. The invariants of a real intensity are real, whatever basis the
    eigenvectors were given in; a factor with more than 2l+1 columns would be no constraint.
    """
    left, singular, _ = np.linalg.svd(np.hstack([matrix.real, matrix.imag]) if np.iscomplexobj(matrix) else matrix, full_matrices=False)
    singular = singular[: matrix.shape[1]]
    n_columns = int(np.count_nonzero(singular > tolerance * singular[0])) if singular.size else 0
    return left[:, :n_columns] * singular[:n_columns]


def inside_limits(data: InvariantData, order: int, q: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether q lies within the rows that `extract` found usable for this order."""
    low, high = data.q_id_limits[order]
    if high <= low:
        return np.zeros(len(q), bool)
    return (q >= data.q[low]) & (q <= data.q[high - 1])


def above_line(order: int, q: NDArray[np.float64], line: tuple[tuple[float, float], tuple[float, float]]) -> NDArray[np.bool_]:
    """(N,) whether q is at or above the straight line through two (order, q) points: a particle of radius R has nothing below l / R."""
    (order0, q0), (order1, q1) = line
    return q >= q0 + (order - order0) * (q1 - q0) / (order1 - order0)


def reciprocal_constraint(
    data: InvariantData, q: NDArray[np.float64], options: ConstraintOptions, known: Sequence[NDArray[np.bool_]]
) -> ReciprocalConstraint:
    """Projection matrices of `data` at the shells q of the reconstruction.

    Parameters
    ----------
    known : per order l = 0..max(orders) the shells (N,) where the data count; elsewhere the current coefficients stay.

    Raises
    ------
    DataError
        An order asked for is not in the data, or the data hold NaN.
    """
    if max(options.orders) > data.max_order:
        raise DataError(
            f"used_order_ids asks for order {max(options.orders)}, the invariants end at {data.max_order}; extract with a larger "
            "max_order or use fewer orders"
        )
    in_data = (q >= data.q[0]) & (q <= data.q[-1])
    matrices = {order: _on_grid(data, q, options, order) for order in sorted(set(options.orders) - {0})}
    masks = {order: known[order] & in_data for order in (0, *matrices)}
    fixed = 0 if options.radial_high_pass is None else fixed_order(matrices, q, options.radial_high_pass)
    return ReciprocalConstraint(matrices, _order_0(data, q, options), masks, q, fixed)


def _on_grid(data: InvariantData, q: NDArray[np.float64], options: ConstraintOptions, order: int) -> NDArray:
    """V_l at the shells q: real factors of the sphere, complex vectors (N, 1) of the plane."""
    plane = data.dimensions == 2
    if order % 2 and options.odd_orders_to_0:
        return np.zeros((len(q), 1), complex) if plane else np.zeros((len(q), 0))
    given = np.asarray(data.projection_matrices[order])
    if not np.isfinite(given).all():
        raise DataError(f"the projection matrix of order {order} holds NaN; extract with a mask that covers what was not measured")
    v = options.scale * regrid(given, data.q, q, options.interpolation)
    return v.astype(complex) if plane else real_factor(v, options.rank_tolerance)


def _order_0(data: InvariantData, q: NDArray[np.float64], options: ConstraintOptions) -> NDArray[np.float64] | None:
    """I_00(q) = 2 sqrt(pi) <I> of the sphere, I_0(q) = <I> of the plane, per particle; None where order 0 is not imposed."""
    if not np.isfinite(data.average_intensity).all():
        raise DataError("the average intensity of the invariants holds NaN; extract with a mask that covers what was not measured")
    if 0 not in options.orders:
        return None
    if options.use_averaged_intensity:
        order_0 = isotropic(data.dimensions) * regrid(data.average_intensity, data.q, q, options.interpolation)
    else:
        order_0 = np.abs(regrid(np.asarray(data.projection_matrices[0][:, 0]), data.q, q, options.interpolation))
    return np.asarray(options.scale * order_0 / np.sqrt(options.n_particles))


def isotropic(dimensions: int) -> float:
    """Coefficient of order 0 of a constant 1: 2 sqrt(pi) on the sphere, 1 on the circle."""
    return 2 * float(np.sqrt(np.pi)) if dimensions == 3 else 1.0


def largest_distance(q: NDArray[np.float64], average_intensity: NDArray[np.float64], share: float = 0.01, dimensions: int = 3) -> float:
    """Largest distance within the particle (A): where the pair distance distribution falls below `share` of its maximum.

    P(r) = r^2 int <I>(q) sin(qr)/(qr) q^2 dq (Glatter and Kratky, Small Angle X-ray Scattering, 1982), in the plane
    r int <I>(q) J_0(qr) q dq, with a Hann window in q against ripples from the cut at q_max. The integral is taken from 0 on a finer
    grid, through <I>(-q) = <I>(q): what is left out below the first q and the error of a coarse sum would grow as r^2.
    """
    r = np.arange(1.0, np.pi / np.diff(q).mean(), np.pi / q[-1] / 5)
    fine = (np.arange(8 * len(q)) + 0.5) * q[-1] / (8 * len(q))
    mirrored = q > 0
    points = np.append(-q[mirrored][::-1], q)
    both_sides = make_interp_spline(points, np.append(average_intensity[mirrored][::-1], average_intensity), k=3)
    window = np.cos(np.pi * fine / (2 * q[-1])) ** 2
    argument = np.outer(r, fine)
    wave = np.sinc(argument / np.pi) if dimensions == 3 else j0(argument)
    correlation = wave @ (both_sides(fine) * window * fine ** (dimensions - 1))
    distribution = r ** (dimensions - 1) * correlation
    return float(r[np.flatnonzero(distribution > share * distribution.max())[-1]])
