"""A measured or simulated correlation made ready for the solvers: mean, symmetries, masks, gaps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError

Mask = Callable[[slice], NDArray[np.bool_]]
Means = NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]
_BLOCK_ROWS = 8


@dataclass(frozen=True)
class Preparation:
    """What is done to C, in this order: subtract the mean, make pi-periodic, symmetrise.

    Parameters
    ----------
    mask : `mask(rows)` gives the valid points (rows, N, n_delta) of a slice of q1; None trusts every finite value.
    mirror_mask : the same of C(q2, q1, Delta), as (q1, q2, Delta); None where it does not matter which of the two q comes first.
    masked_values_to_zero : what is masked counts as measured, with the value 0, and is not interpolated or left out.
    """

    subtract_average_intensity: bool = True
    pi_periodicity: bool = False
    q1q2_symmetric: bool = False
    mask: Mask | None = None
    mirror_mask: Mask | None = None
    masked_values_to_zero: bool = False


def scattering_angle(q: NDArray[np.float64], wavelength: float) -> NDArray[np.float64]:
    """Angle 2 arcsin(q lambda / 4 pi) between incident and scattered beam."""
    return 2 * np.arcsin(q * wavelength / (4 * np.pi))


def _beyond(limit: float, gaps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the distances `gaps` (rows, N, n_delta) exceed `limit`.

    Pairs that no angle takes apart so far keep the angles of their largest distance: within a pixel the correlation is constant.
    """
    largest = gaps.max(axis=-1, keepdims=True)
    return (gaps > limit) | ((largest <= limit) & (gaps >= largest * (1 - 1e-9)))


def _refuse_wide(q: NDArray[np.float64], pixel_size: float, at_pi: bool) -> None:
    """Raise `DataError` if a pixel covers the outermost ring, so that no pair of q is left."""
    if q[-1] * (np.sqrt(2) if at_pi else 2) <= 2 * np.pi / pixel_size:
        raise DataError(
            f"cc_mask: pixel_size {pixel_size:g} A leaves no valid angle, a pixel of 2 pi / pixel_size covers all rings up to "
            f"{q[-1]:.4g} 1/A; give the period in A that one pixel spans"
        )


def arc_mask(q: NDArray[np.float64], delta: NDArray[np.float64], wavelength: float, pixel_size: float, at_pi: bool = False) -> Mask:
    """Valid where the arc on the Ewald sphere between both points exceeds 2 pi / pixel_size (pixel_size in A).

    `at_pi` also masks the neighbourhood of the point opposite the beam (Delta - pi). Rings within one pixel keep their farthest points.
    """
    _refuse_wide(q, pixel_size, at_pi)
    angle = scattering_angle(q, wavelength)
    shifts = (0.0, np.pi) if at_pi else (0.0,)

    def valid(rows: slice) -> NDArray[np.bool_]:
        along = np.multiply.outer(np.cos(angle[rows]), np.cos(angle))[..., None]
        across = np.multiply.outer(np.sin(angle[rows]), np.sin(angle))[..., None]
        arcs = [np.arccos(np.clip(along + across * np.cos(delta - shift), -1, 1)) for shift in shifts]
        return _beyond(wavelength / pixel_size, np.min(arcs, axis=0))

    return valid


def flat_mask(q: NDArray[np.float64], delta: NDArray[np.float64], pixel_size: float, at_pi: bool = False) -> Mask:
    """Valid where |q1 - q2 e^(i Delta)|, the distance in the plane of a flat detector, exceeds 2 pi / pixel_size (pixel_size in A).

    `at_pi` also masks the neighbourhood of the point opposite the beam (Delta - pi). Rings within one pixel keep their farthest points.
    """
    _refuse_wide(q, pixel_size, at_pi)
    shifts = (0.0, np.pi) if at_pi else (0.0,)

    def valid(rows: slice) -> NDArray[np.bool_]:
        first = q[rows][:, None, None]
        gaps = [np.abs(first - q[:, None] * np.exp(1j * (delta - shift))) for shift in shifts]
        return _beyond(2 * np.pi / pixel_size, np.min(gaps, axis=0))

    return valid


def custom_mask(n_q: int, n_delta: int, fraction_delta: float, fraction_q: float, at_pi: bool = False) -> Mask:
    """Valid but for the first and last int(n_delta fraction_delta) angles where |i1 - i2| <= int(n_q fraction_q).

    `at_pi` also masks as many angles on each side of pi.
    """
    width, reach = int(n_delta * fraction_delta), int(n_q * fraction_q)
    index = np.arange(n_delta)
    near = (index < width) | (index >= n_delta - width)
    if at_pi:
        near |= (index >= n_delta // 2 - width) & (index < n_delta // 2 + width)

    def valid(rows: slice) -> NDArray[np.bool_]:
        close = np.abs(np.subtract.outer(np.arange(n_q)[rows], np.arange(n_q))) <= reach
        return ~(close[..., None] & near)

    return valid


def array_masks(valid: NDArray[np.bool_]) -> tuple[Mask, Mask]:
    """The mask `valid` (N, N, n_delta), and that of C(q2, q1, Delta), as `Preparation` wants them."""
    return lambda rows: valid[rows], lambda rows: np.swapaxes(valid[:, rows], 0, 1)


@numba.njit(cache=True)
def _interpolate(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Fill invalid points of each row (rows, n) from their valid neighbours, linear and periodic; flags rows without any."""
    n_rows, n = values.shape
    hopeless = np.zeros(n_rows, dtype=np.bool_)
    for row in range(n_rows):
        first = 0
        while first < n and not valid[row, first]:
            first += 1
        hopeless[row] = first == n
        left = first
        for step in range(first + 1, first + n + 1):
            if first == n or not valid[row, step % n]:
                continue
            slope = (values[row, step % n] - values[row, left % n]) / (step - left)
            for gap in range(left + 1, step):
                values[row, gap % n] = values[row, left % n] + slope * (gap - left)
            left = step
    return hopeless


def interpolated(values: NDArray[np.float64], valid: NDArray[np.bool_] | None, first_row: int = 0) -> NDArray[np.float64]:
    """C (rows, N, n_delta) with invalid points interpolated along Delta. Raises `DataError` where a pair has none."""
    if valid is None:
        return values
    flat = values.reshape(-1, values.shape[-1]).copy()
    hopeless = _interpolate(flat, valid.reshape(flat.shape))
    refuse_empty(~hopeless.reshape(values.shape[:2]), first_row)
    return flat.reshape(values.shape)


def refuse_empty(has_data: NDArray[np.bool_], first_row: int) -> None:
    """Raise `DataError` if some pair (rows, N) has no valid angle."""
    if not has_data.all():
        i, j = np.argwhere(~has_data)[0]
        raise DataError(
            f"the correlation has no valid angle for {np.count_nonzero(~has_data)} pairs of q in this block, first at indices "
            f"({first_row + i}, {j}); narrow the mask (cc_mask) or leave out q that were never measured"
        )


def pi_periodic(array: NDArray) -> NDArray:
    """Angles [pi/2, 3 pi/2) kept, the others replaced by the copy shifted by pi."""
    n = array.shape[-1]
    if n % 2:
        raise DataError(f"pi_periodicity needs an even number of angles, found {n}; switch it off")
    first = -(-n // 4)
    return array[..., first + (np.arange(n) - first) % (n // 2)]


def _cleaned(
    values: NDArray, mean: NDArray[np.float64], options: Preparation, mask: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    values = np.array(values.real, dtype=np.float64)
    finite = np.isfinite(values)
    valid = mask if finite.all() else finite if mask is None else finite & mask
    if options.subtract_average_intensity:
        values -= mean[..., None]
    if options.pi_periodicity:
        values = pi_periodic(values)
        valid = None if valid is None else pi_periodic(valid)
    if valid is not None:
        values[~valid] = 0
    return values, valid


def _symmetrised(
    values: NDArray, valid: NDArray | None, mirror: NDArray, mirror_valid: NDArray | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """Mean of the valid ones of C(q1, q2, Delta) and C(q2, q1, -Delta)."""
    reversed_index = -np.arange(values.shape[-1])
    mirror = mirror[..., reversed_index]
    if valid is None and mirror_valid is None:
        return (values + mirror) / 2, None
    here = np.ones(values.shape, bool) if valid is None else valid
    there = np.ones(values.shape, bool) if mirror_valid is None else mirror_valid[..., reversed_index]
    count = here.astype(np.int8) + there
    return (values + mirror) / np.maximum(count, 1), count > 0


def prepared_blocks(
    correlation: NDArray, average: Means, options: Preparation, block_rows: int = _BLOCK_ROWS
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_] | None]]:
    """Prepared C, block by block of q1.

    Parameters
    ----------
    correlation : (N, N, n_delta), an array or an HDF5 dataset that is read slab by slab. NaN counts as masked.
    average : (N,) <I>(q), or a pair where the intensities at q1 and q2 are not the same quantity.

    Yields
    ------
    (slice of q1, C (rows, N, n_delta) with invalid points set to 0, valid points or None if all are)
    """
    n_q = correlation.shape[0]
    left, right = (average, average) if isinstance(average, np.ndarray) else average
    for start in range(0, n_q, block_rows):
        rows = slice(start, min(start + block_rows, n_q))
        mask = None if options.mask is None else options.mask(rows)
        mean = np.multiply.outer(left[rows], right)
        values, valid = _cleaned(correlation[rows], mean, options, mask)
        if options.q1q2_symmetric:
            # Most masks depend on the pair alone, whichever of the two q comes first.
            mirror_mask = mask if options.mirror_mask is None else options.mirror_mask(rows)
            mirror = _cleaned(np.swapaxes(correlation[:, rows], 0, 1), mean, options, mirror_mask)
            values, valid = _symmetrised(values, valid, *mirror)
        yield rows, values, None if options.masked_values_to_zero else valid
