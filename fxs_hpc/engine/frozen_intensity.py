"""An intensity that is kept on the grid and imposed again, in place of the one that the invariants give.

Layout: intensity[point, theta, phi, q]; point 0 the half sphere's points, point 1 their antipodes, which an even intensity (of a real
density) does not have. Amplitudes as in `engine.azimuth`: even and odd parts A_c, B_c of component c, F = A_0 + i B_0 + i (A_1 + i B_1).
"""

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.engine.azimuth import LARGEST_GAIN


def intensity_on_grid(amplitude: NDArray) -> NDArray:
    """|F|^2 (points, half, n_phi, shells) of amplitude (parts, 2, half, n_phi, shells)."""
    return np.stack([point.real**2 + point.imag**2 for point in _points(amplitude)])


def _points(amplitude: NDArray) -> list[NDArray]:
    """F at the points and, where |F| differs there, at their antipodes."""
    if len(amplitude) == 1:
        return [amplitude[0, 0] + 1j * amplitude[0, 1]]
    (a, b), (c, d) = amplitude
    return [(a - d) + 1j * (b + c), (a + d) + 1j * (c - b)]


def projected_intensity(amplitude: NDArray, change: NDArray, kept: NDArray) -> NDArray:
    """I' = max(0, kept[q] |F|^2 + change), no larger than the gain of the modulus constraint allows.

    Parameters
    ----------
    amplitude : (parts, 2, half, n_phi, shells).
    change : (parities, half, m, 2, shells) azimuthal spectra of the intensity's change.
    """
    found = intensity_on_grid(amplitude)
    n_phi = amplitude.shape[3]
    parts = [n_phi * np.fft.irfft(spectrum[:, :, 0] + 1j * spectrum[:, :, 1], n_phi, axis=1) for spectrum in change]
    difference = np.stack([parts[0] + parts[1], parts[0] - parts[1]]) if len(parts) == 2 else np.stack(parts)
    goal = np.maximum(kept * found + difference, 0)
    return np.minimum(goal, LARGEST_GAIN**2 * found).astype(amplitude.dtype)


def spectra(intensity: NDArray, max_order: int) -> NDArray:
    """Azimuthal spectra (parities, half, m, 2, shells), m <= max_order, as the kernel `azimuth.intensity` gives them."""
    parities = np.stack([intensity[0] + intensity[1], intensity[0] - intensity[1]]) / 2 if len(intensity) == 2 else intensity
    transformed = 2 * np.fft.rfft(parities, axis=2)[:, :, : max_order + 1]
    return np.stack([transformed.real, transformed.imag], axis=3).astype(intensity.dtype)


def with_intensity(amplitude: NDArray, intensity: NDArray, open_shells: NDArray, carry: float) -> NDArray:
    """(sqrt(I'/I) - carry) F as a grid field (parts, 2, ...): even plus odd part, even minus odd part; closed shells keep F.

    Parameters
    ----------
    amplitude : (parts, 2, half, n_phi, shells) F.
    intensity : (points, half, n_phi, shells) I'.
    open_shells : (shells,) 1 where I' is imposed.
    """
    changed = []
    for point, goal in zip(_points(amplitude), intensity, strict=True):
        found = point.real**2 + point.imag**2
        ratio = np.divide(goal, found, out=np.zeros_like(found), where=found > 0)
        gain = np.where(open_shells > 0, np.sqrt(np.minimum(ratio, LARGEST_GAIN**2)), 1)
        changed.append((gain - carry) * point)
    if len(changed) == 1:
        even, odd = changed[0].real, changed[0].imag
        return np.stack([even + odd, even - odd])[None].astype(amplitude.dtype)
    north, south = changed
    a, b = (north.real + south.real) / 2, (north.imag - south.imag) / 2
    c, d = (north.imag + south.imag) / 2, (south.real - north.real) / 2
    return np.stack([np.stack([a + b, a - b]), np.stack([c + d, c - d])]).astype(amplitude.dtype)
