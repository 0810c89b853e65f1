"""The compiled stages along phi against numpy's FFT."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fxs_hpc.engine import azimuth
from fxs_hpc.engine.layout import fold, unfold, unfold_parity, zeros
from fxs_hpc.engine.modulus import modulus

LENGTH, HALF, N, M = 32, 8, 20, 11
STORED = 32


def field(seed: int, parts: int = 1) -> np.ndarray:
    """(parts, 2, theta, phi, r) values at the points of a hemisphere and their antipodes."""
    rng = np.random.default_rng(seed)
    return np.stack([fold(rng.normal(size=(N, 2 * HALF, LENGTH)), float) for _ in range(parts)])


def parity_parts(values: np.ndarray) -> np.ndarray:
    """Even and odd part on the hemisphere."""
    return np.stack([values[:, 0] + values[:, 1], values[:, 0] - values[:, 1]], axis=1) / 2


def spectra(values: np.ndarray) -> np.ndarray:
    """[..., theta, phi, r] -> [..., theta, m, 2, r]."""
    found = np.fft.fft(values, axis=-2)[..., : M + 1, :]
    return np.stack([found.real, found.imag], axis=-2)


def synthesised(spectrum: np.ndarray) -> np.ndarray:
    """Inverse of `spectra`, not normalised."""
    full = np.zeros((*spectrum.shape[:-3], LENGTH // 2 + 1, spectrum.shape[-1]), complex)
    full[..., : M + 1, :] = spectrum[..., 0, :] + 1j * spectrum[..., 1, :]
    return np.fft.irfft(full, LENGTH, axis=-2, norm="forward")


def random_spectrum(seed: int, *shape: int) -> np.ndarray:
    """Of real fields on N shells."""
    spectrum = zeros((*shape, HALF, M + 1, 2, STORED), float)
    spectrum[..., :N] = np.random.default_rng(seed).normal(size=spectrum[..., :N].shape)
    spectrum[..., 0, 1, :] = 0
    return spectrum


def work() -> np.ndarray:
    return zeros((azimuth.work_size(LENGTH),), float)


@settings(max_examples=10)
@given(st.integers(0, 2**31), st.sampled_from([1, 2]))
def test_density_to_spectra(seed: int, parts: int) -> None:
    """Twice the spectra of even and odd part: one hemisphere stands for both."""
    density, found = field(seed, parts), random_spectrum(seed, parts, 2)
    azimuth.analyse_density(LENGTH)(density, found, work())
    np.testing.assert_allclose(found, 2 * spectra(parity_parts(density)), atol=1e-12)


@settings(max_examples=10)
@given(st.integers(0, 2**31), st.sampled_from([1, 2]))
def test_spectra_to_density_and_back(seed: int, parts: int) -> None:
    spectrum, density = random_spectrum(seed, parts, 2), field(0, parts)
    azimuth.synthesise_density(LENGTH)(spectrum, density, work())
    even, odd = np.moveaxis(synthesised(spectrum), 1, 0)
    np.testing.assert_allclose(density, np.stack([even + odd, even - odd], axis=1), atol=1e-12)
    found = np.empty_like(spectrum)
    azimuth.analyse_density(LENGTH)(density, found, work())
    np.testing.assert_allclose(found, 2 * LENGTH * spectrum, atol=1e-11)


@pytest.mark.parametrize("parts", [1, 2])
def test_parseval(parts: int) -> None:
    """A density without azimuthal orders above M: its mean square is that of its spectra."""
    spectrum, density = random_spectrum(3, parts, 2), field(0, parts)
    azimuth.synthesise_density(LENGTH)(spectrum, density, work())
    double = np.full(M + 1, 2.0)
    double[0] = 1
    expected = 2 * np.einsum("cpjmxr,m->", spectrum**2, double)
    assert (density**2).sum() / LENGTH == pytest.approx(expected, rel=1e-12)


def full_amplitude(amplitude: np.ndarray) -> np.ndarray:
    """[component, parity, theta, phi, q] -> F (N, n_theta, n_phi)."""
    parts = [unfold_parity(part, N) for part in amplitude]
    return parts[0] + 1j * parts[1] if len(parts) == 2 else parts[0]


def folded_spectra(values: np.ndarray, parities: int) -> np.ndarray:
    """Twice the spectra of the even (and odd) part of a real field (N, n_theta, n_phi)."""
    return 2 * spectra(parity_parts(fold(values, float)[None])[0, :parities])


@pytest.mark.parametrize("parts", [1, 2])
def test_intensity(parts: int) -> None:
    spectrum = random_spectrum(5, parts, 2)
    amplitude, found = field(0, parts), random_spectrum(0, parts)
    azimuth.intensity(LENGTH, parts == 2)(spectrum, amplitude, found, work())
    np.testing.assert_allclose(amplitude, synthesised(spectrum), atol=1e-12)
    expected = folded_spectra(np.abs(full_amplitude(amplitude)) ** 2, parts)
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("kept", [0.0, 1.0])
@pytest.mark.parametrize("parts", [1, 2])
def test_modulus(parts: int, kept: float) -> None:
    """Also where the intensity asked for is negative, where it is large, and where the amplitude vanishes."""
    amplitude = np.ascontiguousarray(parity_parts(field(7, parts)))
    amplitude[:, :, 0, :4] = 0
    amplitude[:, :, 1, :4] *= 1e-5
    change = random_spectrum(8, parts)
    found, carry = random_spectrum(0, parts, 2), 1.0
    modulus(LENGTH, parts == 2)(change, amplitude, np.full(STORED, kept), carry, found, work())
    even_odd = np.zeros((2, HALF, LENGTH, STORED))
    even_odd[:parts] = synthesised(change)
    asked = unfold(np.stack([even_odd[0] + even_odd[1], even_odd[0] - even_odd[1]]), N)
    before = full_amplitude(amplitude)
    intensity = np.abs(before) ** 2
    goal = np.maximum(kept * intensity + asked, 0)
    ratio = np.divide(goal, intensity, out=np.zeros_like(goal), where=intensity > 0)
    assert (goal == 0).any() and (ratio > 1e8).any() and (intensity == 0).any()
    after = (np.sqrt(np.minimum(ratio, 1e8)) - carry) * before
    # What is stored of F = A + iB is A (even) and B (odd); a complex density has two such pairs, F = F_1 + i F_2.
    inverted = unfold(fold(after.real, float)[::-1], N) + 1j * unfold(fold(after.imag, float)[::-1], N)
    hermitian, rest = (after + inverted.conj()) / 2, (after - inverted.conj()) / 2j
    expected = [np.stack([folded_spectra(part.real, 2)[0], folded_spectra(part.imag, 2)[1]]) for part in (hermitian, rest)[:parts]]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-9)
