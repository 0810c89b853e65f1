"""Fast rotational matching: the rotation that brings one field of the ball onto another.

The overlap C(R) = sum_r w(r) int f(r) (R g)(r) dOmega of two real fields is, with their coefficients f_lm, g_lm,
C = sum_l,m,m' D^l_mm'(R) J^l_m'm, J^l_m'm = sum_r w g_lm' f*_lm. Coarse search: d^l(beta) is factored into quarter turns, which
makes C a three-dimensional Fourier series on a torus (Kovacs and Wriggers, Acta Cryst. D58, 1282 (2002)), so one FFT gives
C on a whole grid of Euler angles. Refinement: Newton's method in the tangent space of SO(3), free of the poles of Euler angles.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fxs_hpc.harmonics.spherical import full_coefficients
from fxs_hpc.harmonics.wigner import Coefficients, generators, inner_product, quarter_turns, rotate

COARSE_ORDER = 31


@dataclass(frozen=True)
class Match:
    """A rotation (Euler angles alpha, beta, gamma about z, y, z in rad) and the overlap it reaches."""

    angles: NDArray[np.float64]
    overlap: float

    @property
    def rotation(self) -> Rotation:
        """The same as a `scipy` rotation."""
        return rotation_of(self.angles)


def rotation_of(angles: NDArray[np.float64]) -> Rotation:
    """Rotation Rz(alpha) Ry(beta) Rz(gamma); `angles` (..., 3) in rad."""
    return Rotation.from_euler("ZYZ", angles)


def euler_angles(rotation: Rotation) -> NDArray[np.float64]:
    """Euler angles (3,) about z, y, z of one rotation: alpha, gamma in [0, 2 pi), beta in [0, pi]; gamma = 0 at the poles."""
    matrix = rotation.as_matrix()
    sine = np.hypot(matrix[0, 2], matrix[1, 2])
    beta = np.arctan2(sine, matrix[2, 2])
    if sine < 1e-12:
        return np.array([np.arctan2(-matrix[0, 1], matrix[1, 1]) % (2 * np.pi), beta, 0.0])
    alpha = np.arctan2(matrix[1, 2], matrix[0, 2])
    gamma = np.arctan2(matrix[2, 1], -matrix[2, 0])
    return np.array([alpha % (2 * np.pi), beta, gamma % (2 * np.pi)])


def euler_grid(l_max: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Axes of the grid of `correlation_map`, bandwidth b = l_max + 1: alpha_j = gamma_j = pi j/b, beta_j = pi (2j+1)/(4b)."""
    count = 2 * (l_max + 1)
    azimuth = 2 * np.pi * np.arange(count) / count
    return azimuth, np.pi * (2 * np.arange(count) + 1) / (2 * count), azimuth.copy()


def correlation_map(
    f: Coefficients, g: Coefficients, shell_weights: NDArray[np.floating], l_max: int | None = None
) -> NDArray[np.float64]:
    """Overlap of f with the rotated g on the whole `euler_grid`.

    Parameters
    ----------
    f, g : (L+1, L+1, 2, N) coefficients of real fields.
    shell_weights : (N,).
    l_max : highest order used, by default L.

    Returns
    -------
    (2b, 2b, 2b) float64 over [alpha, beta, gamma], b = l_max + 1
    """
    l_max = f.shape[0] - 1 if l_max is None else min(l_max, f.shape[0] - 1)
    series = _fourier_series(f, g, shell_weights, l_max)
    count = 2 * (l_max + 1)
    offset = np.exp(0.5j * np.pi / count * scipy.fft.fftfreq(2 * count, 1 / (2 * count)))
    over_beta = scipy.fft.ifft(series * offset[:, None, None], axis=0, norm="forward")[:count]
    values = scipy.fft.irfftn(over_beta, s=(count, count), axes=(1, 2), norm="forward", overwrite_x=True)
    return values.transpose(2, 0, 1)


def _fourier_series(
    f: Coefficients, g: Coefficients, shell_weights: NDArray[np.floating], l_max: int
) -> NDArray[np.complex128]:
    """Coefficients [u, m', m >= 0] of C = sum exp(i (m alpha + u beta + m' gamma)), in FFT order, u on 4b points."""
    size = l_max + 1
    used = np.flatnonzero(shell_weights)
    f_full = full_coefficients(np.ascontiguousarray(f[:size, :size][..., used]))
    g_full = full_coefficients(g[:size, :size][..., used] * shell_weights[used])
    half = np.zeros((size, 2 * l_max + 1, size), dtype=np.complex128)
    m_signed = np.arange(-l_max, l_max + 1)
    for l, quarter in enumerate(quarter_turns(l_max)):
        window = slice(l_max - l, l_max + l + 1)
        moments = g_full[l, window].conj() @ f_full[l, l_max : l_max + l + 1].T
        signs = (-1.0) ** (l + np.arange(l + 1))
        both = np.concatenate([signs[:, None] * quarter[:, :0:-1], quarter], axis=1)
        half[: l + 1, window, : l + 1] += (both[:, :, None] * moments) * quarter[:, None, :]
    half *= (-1j) ** ((np.arange(size) - m_signed[:, None]) % 4)
    parity = (-1.0) ** (np.arange(size) + m_signed[:, None])
    series = np.zeros((4 * size, 2 * size, size + 1), dtype=np.complex128)
    series[:size, m_signed, :size] = half
    series[-1 : -size : -1, m_signed, :size] = parity * half[1:]
    return series


def coarse_peaks(
    f: Coefficients, g: Coefficients, shell_weights: NDArray[np.floating], l_max: int = COARSE_ORDER, count: int = 3
) -> list[Match]:
    """Up to `count` grid points of highest correlation, best first, more than three grid steps apart.

    Points less than 0.6 times as high as the best (above the mean over all rotations) are left out: a maximum between grid
    points loses less than that.
    """
    l_max = min(l_max, f.shape[0] - 1)
    values = correlation_map(f, g, shell_weights, l_max)
    axes = euler_grid(l_max)
    n_candidates = min(2000, values.size)
    best = np.argpartition(values, -n_candidates, axis=None)[-n_candidates:]
    best = best[np.argsort(values.ravel()[best])[::-1]]
    angles = np.stack([axis[index] for axis, index in zip(axes, np.unravel_index(best, values.shape))], axis=1)
    quaternions = rotation_of(angles).as_quat()
    apart = np.cos(1.5 * np.pi / (l_max + 1))
    peaks: list[int] = []
    mean = float(np.average(values, weights=np.broadcast_to(np.sin(axes[1])[:, None], values.shape)))
    heights = values.ravel()[best]
    free = heights - mean >= 0.6 * (heights[0] - mean)
    while len(peaks) < count and free.any():
        peaks.append(int(np.argmax(free)))
        free &= np.abs(quaternions @ quaternions[peaks[-1]]) < apart
    return [Match(angles[i], float(heights[i])) for i in peaks]


def refine_rotation(
    f: Coefficients,
    g: Coefficients,
    shell_weights: NDArray[np.floating],
    start: NDArray[np.float64],
    tolerance: float = 1e-5,
    max_steps: int = 20,
) -> Match:
    """Climb from Euler angles `start` to the nearest maximum of the overlap by damped Newton steps.

    Parameters
    ----------
    f, g, shell_weights : as in `correlation_map`; all orders are used.
    tolerance : stop after a step (rad) shorter than this; convergence is quadratic, the error left is about its square.

    Notes
    -----
    With K_a = -i L_a the antisymmetric generators, C(exp(w) R) has gradient <f, K_a R g> = -<K_a f, R g> and Hessian
    -<K_a f, K_b R g> (symmetrised), so one rotation of g and six derivatives give an exact Newton step.
    """
    used = np.flatnonzero(shell_weights)
    f = f[..., used] * shell_weights[used]
    g = np.ascontiguousarray(g[..., used], dtype=np.float64)
    f_derivatives = generators(f)
    longest = 1.0 / f.shape[0]
    rotation = rotation_of(start)
    turned = rotate(g, euler_angles(rotation))
    overlap = inner_product(f, turned)
    for _ in range(max_steps):
        step = _newton_step(f_derivatives, turned, longest)
        while True:
            trial = Rotation.from_rotvec(step) * rotation
            trial_turned = rotate(g, euler_angles(trial))
            trial_overlap = inner_product(f, trial_turned)
            if trial_overlap >= overlap or np.linalg.norm(step) < tolerance:
                break
            step /= 4
        if trial_overlap >= overlap:
            rotation, turned, overlap = trial, trial_turned, trial_overlap
        if np.linalg.norm(step) < tolerance:
            break
    return Match(euler_angles(rotation), overlap)


def _newton_step(f_derivatives: tuple[Coefficients, ...], turned: Coefficients, longest: float) -> NDArray[np.float64]:
    """Uphill step (3,) in rad; directions of positive curvature are climbed too; never longer than `longest`."""
    gradient = -np.array([inner_product(derivative, turned) for derivative in f_derivatives])
    hessian = -np.array([[inner_product(a, b) for b in generators(turned)] for a in f_derivatives])
    curvature, axes = np.linalg.eigh((hessian + hessian.T) / 2)
    floor = 1e-12 * np.abs(curvature).max() + np.finfo(float).tiny
    step = axes @ ((axes.T @ gradient) / np.maximum(np.abs(curvature), floor))
    length = np.linalg.norm(step)
    return step if length <= longest else step * (longest / length)


def find_rotation(
    f: Coefficients,
    g: Coefficients,
    shell_weights: NDArray[np.floating],
    coarse_order: int = COARSE_ORDER,
    n_peaks: int = 3,
) -> Match:
    """The rotation of g that overlaps best with f.

    The `n_peaks` best separate peaks of the coarse grid are refined with the orders up to `coarse_order`; the best of them is
    refined with all orders.
    """
    size = min(coarse_order, f.shape[0] - 1) + 1
    f_low, g_low = f[:size, :size], g[:size, :size]
    peaks = coarse_peaks(f, g, shell_weights, size - 1, n_peaks)
    refined = [refine_rotation(f_low, g_low, shell_weights, peak.angles, tolerance=1e-2) for peak in peaks]
    best = max(refined, key=lambda match: match.overlap)
    return refine_rotation(f, g, shell_weights, best.angles)
