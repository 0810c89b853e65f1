"""Angular cross-correlations of many patterns, by FFT and summed in Fourier space.

The correlation of one pattern is a product of its Fourier coefficients along phi, c(q1, q2, Delta) = sum_phi I(q1, phi) I(q2, phi + Delta)
= IFFT(conj(F_n(q1)) F_n(q2)). The sum over patterns is taken before the inverse transform: for every order n it is the Gram matrix of the
F_n of a batch of patterns, a matrix product. What the masks count is summed in the same way, and is divided by at the end.

A Gram matrix is Hermitian: its real part fills the upper triangle of a real matrix, diagonal included, its imaginary part the lower one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from fxs_hpc.fluctuation.pattern_sums import Sums
from fxs_hpc.fluctuation.patterns import PolarPattern
from fxs_hpc.parallel.threads import over, pieces

_ROWS = 8
_TOGETHER = 32
"""Inverse FFTs at a time: so few that they stay in cache."""
_HALF_A_PAIR = 0.5
"""Pairs of points are counted by FFT, which leaves rounding where there are none."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_packed(packed: np.ndarray, real: np.ndarray, cross: np.ndarray) -> None:
    """packed += Gram matrix with the real part `real` and the imaginary part cross - cross^T, see the module's text."""
    n = packed.shape[0]
    for i in range(n):
        for j in range(i, n):
            packed[i, j] += real[i, j]
        for j in range(i):
            packed[i, j] += cross[j, i] - cross[i, j]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _multiply(product: np.ndarray, one: np.ndarray, others: np.ndarray) -> None:
    """product[i] = conj(one) others[i]."""
    for i in range(product.shape[0]):
        for k in range(product.shape[1]):
            a, b = one[k], others[i, k]
            product[i, k] = complex(a.real * b.real + a.imag * b.imag, a.real * b.imag - a.imag * b.real)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_quotients(ratios: np.ndarray, counts: np.ndarray, data: np.ndarray, pairs: np.ndarray) -> None:
    """Add data / pairs where there are pairs, and count where."""
    for i in range(data.shape[0]):
        for j in range(data.shape[1]):
            if pairs[i, j] > _HALF_A_PAIR:
                ratios[i, j] += data[i, j] / pairs[i, j]
                counts[i, j] += 1


def unpacked(packed: NDArray[np.float64], rows: slice) -> NDArray[np.complex128]:
    """Rows of Hermitian matrices (orders, rows, n) from packed ones (orders, n, n)."""
    first, stop, _ = rows.indices(packed.shape[1])
    index, columns = np.arange(first, stop)[:, None], np.arange(packed.shape[1])[None, :]
    across, along = packed[:, first:stop], packed[:, :, first:stop].transpose(0, 2, 1)
    result = np.empty(across.shape, np.complex128)
    result.real = np.where(columns >= index, across, along)
    result.imag = np.where(columns > index, along, -across) * (columns != index)
    return result


class SelfCorrelation(Protocol):
    """What patterns add to their correlation that is no signal, at points that touch."""

    @property
    def spectra(self) -> NDArray[np.float64]:
        """Packed Gram matrices (n_phi/2 + 1, n, n)."""
        ...

    def touching(self, rows: slice) -> NDArray[np.bool_]:
        """Pairs of points (rows, n, n_phi)."""
        ...


@dataclass(frozen=True)
class Correlator:
    """How patterns are added.

    Parameters
    ----------
    polar_mask : (n_phi, n_q), the static mask.
    correlated : (n,) which radial points are correlated with each other.
    each_by_itself : a pattern with another mask is normalised by its own pairs, c / c_mask, before the mean over patterns is taken, as
        the reference program does. Else the sums over all patterns are divided: every pair of points weighs alike.
    """

    polar_mask: NDArray[np.float64]
    correlated: NDArray[np.int64]
    each_by_itself: bool = False
    _blocks: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)

    def spectrum(self, values: NDArray[np.float64]) -> NDArray[np.complex128]:
        """F_n (n_phi/2 + 1, n) of values (n_phi, n_q) at the correlated radial points."""
        everything = len(self.correlated) == values.shape[1]
        chosen = values if everything else np.ascontiguousarray(values[:, self.correlated])
        return scipy.fft.rfft(chosen, axis=0)

    def add(self, sums: Sums, patterns: list[tuple[int, PolarPattern]], workers: int) -> None:
        """Add a batch of patterns with their numbers to `sums`, in their order."""
        for number, pattern in patterns:
            self._add_means(sums, number, pattern)
        good = [pattern for _, pattern in patterns if pattern.good]
        deviating = [pattern for pattern in good if pattern.mask is not None]
        sums.regular += len(good) - len(deviating)
        if self.each_by_itself:
            good = [pattern for pattern in good if pattern.mask is None]
            self._add_ratios(sums, deviating, workers)
        elif deviating:
            if sums.mask_spectra is None:
                sums.mask_spectra = np.zeros_like(sums.spectra)
            add_gram(sums.mask_spectra, self.coefficients("mask", [np.asarray(p.mask) for p in deviating], workers), workers)
        if good:
            add_gram(sums.spectra, self.coefficients("data", [pattern.values for pattern in good], workers), workers)

    def coefficients(self, which: str, fields: list[NDArray[np.float64]], workers: int) -> NDArray[np.float64]:
        """Real and imaginary parts of F_n, (n_phi/2 + 1, 2 patterns, n): first all real, then all imaginary ones."""
        count = len(fields)
        shape = (len(self.polar_mask) // 2 + 1, 2 * count, len(self.correlated))
        block = self._blocks.get(which)
        if block is None or block.shape != shape:
            block = self._blocks[which] = np.empty(shape)

        def transform(index: int) -> None:
            spectrum = self.spectrum(fields[index])
            block[:, index] = spectrum.real
            block[:, count + index] = spectrum.imag

        over(transform, range(count), workers)
        return block

    def _add_means(self, sums: Sums, number: int, pattern: PolarPattern) -> None:
        mask = self.polar_mask if pattern.mask is None else pattern.mask
        used = mask == 1
        total, count = np.einsum("pq,pq->q", pattern.values, used), used.sum(axis=0).astype(np.float64)
        rings = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
        table = sums.frames
        table.state[number], table.roi_mean[number] = pattern.good, pattern.roi_mean
        if table.rings is not None:
            table.rings[number] = rings
        if not pattern.good:
            return
        sums.intensity += total
        sums.coverage += count
        sums.means += np.where(count > 0, rings, 0)
        sums.mean_count += count > 0
        sums.image += pattern.image
        sums.pixels += pattern.pixels
        if pattern.variance is not None:
            sums.variance += pattern.variance

    def _add_ratios(self, sums: Sums, patterns: list[PolarPattern], workers: int) -> None:
        n_phi, n = len(self.polar_mask), len(self.correlated)
        if patterns and sums.ratios is None:
            sums.ratios, sums.counts = np.zeros((n, n, n_phi)), np.zeros((n, n, n_phi), np.int32)
        for pattern in patterns:
            _add_ratio(sums, self.spectrum(pattern.values), self.spectrum(np.asarray(pattern.mask)), n_phi, workers)


def add_gram(packed: NDArray[np.float64], block: NDArray[np.float64], workers: int) -> None:
    """packed[n] += sum over patterns of conj(F_n(q1)) F_n(q2)."""
    count, size = block.shape[1] // 2, block.shape[2]

    def add(span: tuple[int, int]) -> None:
        real, cross = np.empty((size, size)), np.empty((size, size))
        for order in range(*span):
            parts = block[order]
            np.matmul(parts.T, parts, out=real)
            np.matmul(parts[:count].T, parts[count:], out=cross)
            _add_packed(packed[order], real, cross)

    over(add, pieces(len(packed), workers), workers)


def _add_ratio(sums: Sums, spectrum: NDArray[np.complex128], mask: NDArray[np.complex128], n_phi: int, workers: int) -> None:
    """Add c / c_mask of one pattern, given F_n (n_phi/2 + 1, n) of its values and of its mask."""
    ratios, counts = np.asarray(sums.ratios), np.asarray(sums.counts)
    rings = np.ascontiguousarray(spectrum.T), np.ascontiguousarray(mask.T)

    n, n_orders = rings[0].shape

    def add(span: tuple[int, int]) -> None:
        buffer = np.empty((2, _TOGETHER, n_orders), np.complex128)
        for row in range(*span):
            for first in range(row, n, _TOGETHER):
                columns = slice(first, min(n, first + _TOGETHER))
                products = buffer[:, : columns.stop - first]
                for part, product in zip(rings, products, strict=True):
                    _multiply(product, part[row], part[columns])
                data, pairs = scipy.fft.irfft(products, n_phi, axis=2)
                _add_quotients(ratios[row, columns], counts[row, columns], data, pairs)

    over(add, pieces(n, workers), workers)


def mask_pairs(correlator: Correlator) -> NDArray[np.complex128]:
    """F_n (n_phi/2 + 1, n) of the static mask."""
    return correlator.spectrum(correlator.polar_mask)


def blocks(
    sums: Sums, correlator: Correlator, workers: int = 1, noise: SelfCorrelation | None = None
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The mean correlation, block by block of q1: (slice, C (rows, n, n_phi)); NaN where no pair of points was ever valid.

    `noise` is subtracted where points touch.
    """
    n = len(correlator.correlated)
    static = mask_pairs(correlator)
    for start in range(0, n, _ROWS * max(1, workers)):
        spans = [slice(first, min(n, first + _ROWS)) for first in range(start, min(n, start + _ROWS * max(1, workers)), _ROWS)]
        yield slice(start, spans[-1].stop), np.concatenate(over(lambda rows: _block(sums, correlator, static, rows, noise), spans, workers))


def _block(
    sums: Sums, correlator: Correlator, static: NDArray[np.complex128], rows: slice, noise: SelfCorrelation | None
) -> NDArray[np.float64]:
    n_phi = len(correlator.polar_mask)
    data = _inverse(unpacked(sums.spectra, rows), n_phi)
    if noise is not None:
        data -= np.where(noise.touching(rows), _inverse(unpacked(noise.spectra, rows), n_phi), 0)
    pairs = _inverse(static[:, rows, None].conj() * static[:, None, :], n_phi)
    if correlator.each_by_itself:
        valid = pairs > _HALF_A_PAIR
        total = np.divide(data, pairs, out=np.zeros_like(data), where=valid)
        count = sums.regular * valid.astype(np.float64)
        if sums.ratios is not None and sums.counts is not None:
            total += _mirrored(sums.ratios, rows)
            count += _mirrored(sums.counts, rows)
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    pairs *= sums.regular
    if sums.mask_spectra is not None:
        pairs += _inverse(unpacked(sums.mask_spectra, rows), n_phi)
    return np.divide(data, pairs, out=np.full_like(data, np.nan), where=pairs > _HALF_A_PAIR)


def _inverse(spectra: NDArray[np.complex128], n_phi: int) -> NDArray[np.float64]:
    """(orders, rows, n) -> (rows, n, n_phi)."""
    return np.ascontiguousarray(scipy.fft.irfft(spectra, n_phi, axis=0).transpose(1, 2, 0))


def _mirrored(upper: NDArray, rows: slice) -> NDArray:
    """Rows of an array (n, n, n_phi) of which q1 <= q2 is held: C(q2, q1, Delta) = C(q1, q2, -Delta)."""
    first, stop, _ = rows.indices(len(upper))
    result = upper[first:stop].copy()
    reverse = -np.arange(upper.shape[2])
    for row in range(first, stop):
        result[row - first, :row] = upper[:row, row][:, reverse]
    return result
