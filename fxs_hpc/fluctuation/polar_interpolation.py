"""Images at points between their pixels, by splines, with masks that are right at their borders.

Points and weights do not change from image to image: they are made once, and an image costs a prefilter and one sum of (order + 1)^2
terms a point. Values are those of `scipy.ndimage.map_coordinates(mode="constant")`.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.splines import basis, spline_coefficients

_FILL_REACH = 4
"""Masked pixels farther from the nearest valid one do not matter: the weights of the prefilter fall by 4 or more a pixel."""
_SMALL = 1e-12
_BLOCK = 1024


def _taps(position: NDArray[np.float64], order: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """First pixel (n,) and weights (order + 1, n) along one axis."""
    first = np.floor(position if order % 2 else position + 0.5).astype(np.int64) - order // 2
    offsets = position - (first + np.arange(order + 1)[:, None])
    return first, basis(offsets, order)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sum_taps(  # type: ignore[no-untyped-def]
    out: np.ndarray, image: np.ndarray, stride, first: np.ndarray, rows: np.ndarray, columns: np.ndarray, block: int
) -> None:
    """out[p] = sum over taps of weight x coefficient. Blocks stay in cache, all inner loops run over points."""
    taps = rows.shape[0]
    for start in range(0, out.size, block):
        stop = min(out.size, start + block)
        total, base = out[start:stop], first[start:stop]
        total[:] = 0
        for i in range(taps):
            row = rows[i, start:stop]
            for j in range(taps):
                column = columns[j, start:stop]
                offset = np.uint64(i) * np.uint64(stride) + np.uint64(j)
                for p in range(stop - start):
                    total[p] += row[p] * column[p] * image[base[p] + offset]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _all_valid(  # type: ignore[no-untyped-def]
    out: np.ndarray, valid: np.ndarray, stride, first: np.ndarray, rows: np.ndarray, columns: np.ndarray, small: float
) -> None:
    """out[p] stays True where every pixel with a weight above `small` is valid."""
    taps = rows.shape[0]
    for p in range(out.size):
        for i in range(taps):
            for j in range(taps):
                pixel = first[p] + np.uint64(i) * np.uint64(stride) + np.uint64(j)
                if not valid[pixel] and abs(rows[i, p] * columns[j, p]) > small:
                    out[p] = False


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _fill(image: np.ndarray, valid: np.ndarray, result: np.ndarray, reach: int) -> None:
    """Masked pixels of `result` become the mean of the valid ones in the smallest square about them that has any, up to `reach`."""
    n_rows, n_columns = image.shape
    for row in range(n_rows):
        for column in range(n_columns):
            if valid[row, column]:
                continue
            total, count, distance = 0.0, 0, 0
            while count == 0 and distance < reach:
                distance += 1
                for i in range(max(0, row - distance), min(n_rows, row + distance + 1)):
                    for j in range(max(0, column - distance), min(n_columns, column + distance + 1)):
                        if valid[i, j]:
                            total += image[i, j]
                            count += 1
            result[row, column] = total / count if count else 0.0


def filled(image: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A copy of `image` in which masked pixels near valid ones hold a mean of those, others 0: no step is left for a spline to ring at."""
    result = image.copy()
    _fill(image, valid, result, _FILL_REACH)
    return result


@dataclass(frozen=True)
class Interpolator:
    """Points at which images of one shape are wanted; see `interpolator`.

    Parameters
    ----------
    order : of the spline. pad : pixels by which images are mirrored outward, so that no tap falls out. stride : of a padded image.
    first : (n,) flat index of the first tap. rows, columns : (order + 1, n) weights, zero outside of the image.
    inside : (n,) points within the image. shape : of the points.
    """

    order: int
    pad: int
    stride: int
    first: NDArray[np.uint32]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    inside: NDArray[np.bool_]
    shape: tuple[int, ...]

    def values(self, image: NDArray[np.floating]) -> NDArray[np.float64]:
        """Image at the points, in their shape; 0 outside of the image."""
        coefficients = self._padded(spline_coefficients(image, self.order))
        out = np.empty(self.inside.size)
        _sum_taps(out, coefficients, self.stride, self.first, self.rows, self.columns, _BLOCK)
        return out.reshape(self.shape)

    def valid(self, pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether a point rests on valid pixels alone: those under its B-spline."""
        out = self.inside.copy()
        _all_valid(out, self._padded(pixels), self.stride, self.first, self.rows, self.columns, _SMALL)
        return out.reshape(self.shape)

    def rounded(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The mask interpolated as an image of 0 and 1 and rounded, as the reference program does."""
        values = self.values(mask.astype(np.float64))
        return np.trunc(values + np.copysign(0.5, values))

    def _padded(self, image: NDArray) -> NDArray:
        return np.pad(image, self.pad, mode="reflect").ravel()


def interpolator(shape: tuple[int, int], rows: NDArray[np.float64], columns: NDArray[np.float64], order: int) -> Interpolator:
    """Interpolator for the points (rows, columns), arrays of one shape in pixels, by splines of `order` 0 to 5."""
    flat = rows.ravel(), columns.ravel()
    inside = np.logical_and.reduce([(position >= 0) & (position <= size - 1) for position, size in zip(flat, shape, strict=True)])
    (first_row, row_weights), (first_column, column_weights) = (_taps(np.where(inside, position, 0.0), order) for position in flat)
    pad = (order + 1) // 2
    stride = shape[1] + 2 * pad
    first = (first_row + pad) * stride + first_column + pad
    return Interpolator(order, pad, stride, first.astype(np.uint32), row_weights * inside, column_weights, inside, rows.shape)
