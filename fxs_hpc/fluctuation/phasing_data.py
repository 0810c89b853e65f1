"""From the invariants of a data set to the constraint on the reconstruction grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline

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
    """

    orders: Sequence[int]
    interpolation: str = "cubic"
    odd_orders_to_0: bool = True
    use_averaged_intensity: bool = True
    n_particles: float = 1.0
    rank_tolerance: float = 1e-4
    scale: float = 1.0


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
    if not np.isfinite(data.average_intensity).all():
        raise DataError("the average intensity of the invariants holds NaN; extract with a mask that covers what was not measured")
    average = regrid(data.average_intensity, data.q, q, options.interpolation)
    in_data = (q >= data.q[0]) & (q <= data.q[-1])
    matrices: dict[int, NDArray[np.float64]] = {}
    for order in sorted(set(options.orders) - {0}):
        if order % 2 and options.odd_orders_to_0:
            matrices[order] = np.zeros((len(q), 0))
            continue
        given = np.asarray(data.projection_matrices[order])
        if not np.isfinite(given).all():
            raise DataError(f"the projection matrix of order {order} holds NaN; extract with a mask that covers what was not measured")
        v = regrid(given, data.q, q, options.interpolation)
        matrices[order] = options.scale * real_factor(v, options.rank_tolerance)
    order_0 = None
    if 0 in options.orders:
        order_0 = 2 * np.sqrt(np.pi) * average
        if not options.use_averaged_intensity:
            order_0 = np.abs(regrid(np.asarray(data.projection_matrices[0][:, 0]), data.q, q, options.interpolation))
        order_0 = options.scale * order_0 / np.sqrt(options.n_particles)
    masks = {order: known[order] & in_data for order in (0, *matrices)}
    return ReciprocalConstraint(matrices, order_0, masks, q)


def largest_distance(q: NDArray[np.float64], average_intensity: NDArray[np.float64], share: float = 0.01) -> float:
    """Largest distance within the particle (A): where the pair distance distribution falls below `share` of its maximum.

    P(r) = r^2 int <I>(q) sin(qr)/(qr) q^2 dq (Glatter and Kratky, Small Angle X-ray Scattering, 1982), with a Hann window in q
    against ripples from the cut at q_max. The integral is taken from 0 on a finer grid, through <I>(-q) = <I>(q): what is left out below
    the first q and the error of a coarse sum would grow as r^2.
    """
    r = np.arange(1.0, np.pi / np.diff(q).mean(), np.pi / q[-1] / 5)
    fine = (np.arange(8 * len(q)) + 0.5) * q[-1] / (8 * len(q))
    both_sides = make_interp_spline(np.append(-q[::-1], q), np.append(average_intensity[::-1], average_intensity), k=3)
    window = np.cos(np.pi * fine / (2 * q[-1])) ** 2
    correlation = np.sinc(np.outer(r, fine) / np.pi) @ (both_sides(fine) * window * fine**2)
    distribution = r**2 * correlation
    return float(r[np.flatnonzero(distribution > share * distribution.max())[-1]])
