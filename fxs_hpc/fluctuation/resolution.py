"""How far in q an average can be trusted: phase retrieval transfer functions and Fourier shell correlations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.averaging import Average, squared_modulus
from fxs_hpc.fluctuation.field_transform import FieldTransform
from fxs_hpc.harmonics.wigner import Coefficients

HALF_BIT_SNR = np.sqrt(2) - 1


@dataclass(frozen=True)
class ShellCurve:
    """Mean (complex) and standard deviation over the directions of each shell, (N,)."""

    mean: NDArray[np.complex128]
    std: NDArray[np.float64]


def transfer_function(
    amplitudes: tuple[NDArray, NDArray], intensities: tuple[NDArray, NDArray], solid_angle: NDArray[np.floating]
) -> ShellCurve:
    """sqrt(a1 a2* / (b1 b2)) per point, then mean and spread over the directions.

    Parameters
    ----------
    amplitudes : a1, a2, averages of the aligned amplitudes, (..., N) complex.
    intensities : b1^2, b2^2, averages of the aligned intensities.
    solid_angle : weights (n_theta, n_phi) or (n_phi,) of the directions (the reference program weights all grid points alike).

    Notes
    -----
    1 where all runs agree in phase, about n^(-1/2) where phases are random. Points where an intensity vanishes count as 1,
    or as 0 if the amplitudes do not vanish with it.
    """
    numerator = amplitudes[0] * np.conj(amplitudes[1])
    denominator = np.sqrt(intensities[0]) * np.sqrt(intensities[1])
    empty = denominator == 0
    ratio = np.sqrt((numerator / np.where(empty, 1, denominator)).astype(complex))
    ratio[empty] = np.where(numerator[empty] == 0, 1, 0)
    weights = solid_angle.ravel() / solid_angle.sum()
    ratio = ratio.reshape(len(weights), -1)
    mean = weights @ ratio
    return ShellCurve(mean, np.sqrt(weights @ squared_modulus(ratio - mean)))


def transfer_functions(space: FieldTransform, average: Average) -> dict[str, ShellCurve]:
    """The four variants: averaged density, averaged stored amplitude, and both mixed.

    With F = FT(mean density), A = mean amplitude, I_F = mean |FT density_i|^2, I_A = mean |amplitude_i|^2:
    PRTF (F, A; I_F, I_A), PRTF_from_density (F, F; I_F, I_F), PRTF_from_ft_density (A, A; I_A, I_A), PRTF_ftI (F, F; I_A, I_A).
    """
    ft_density = space.amplitude_of(space.synthesise(space.amplitude(average.density)))
    amplitude = space.amplitude_of(space.synthesise(average.amplitude))
    return transfer_functions_of(
        ft_density,
        amplitude,
        average.intensity_from_densities,
        average.intensity_from_ft_densities,
        space.angle_weights,
    )


def transfer_functions_of(
    ft_density: NDArray, amplitude: NDArray, intensity_from_densities: NDArray, intensity_from_ft_densities: NDArray, solid_angle: NDArray
) -> dict[str, ShellCurve]:
    """`transfer_functions` of grid fields (..., N)."""
    i_f, i_a = intensity_from_densities, intensity_from_ft_densities
    variants = {
        "PRTF": ((ft_density, amplitude), (i_f, i_a)),
        "PRTF_from_density": ((ft_density, ft_density), (i_f, i_f)),
        "PRTF_from_ft_density": ((amplitude, amplitude), (i_a, i_a)),
        "PRTF_ftI": ((ft_density, ft_density), (i_a, i_a)),
    }
    return {name: transfer_function(a, b, solid_angle) for name, (a, b) in variants.items()}


def shell_products(a: Coefficients, b: Coefficients) -> NDArray[np.float64]:
    """Re int F G* dOmega per shell, (N,), from coefficients of the amplitudes' real fields (all fields added)."""
    products = np.einsum("mlcr,mlcr->mr", a, b)
    return 2 * products.sum(axis=0) - products[0]


def shell_correlation(
    a: Coefficients, b: Coefficients, bins: NDArray[np.intp] | None = None, weights: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Fourier shell correlation of two amplitudes: Re sum F G* / sqrt(sum |F|^2 sum |G|^2).

    Parameters
    ----------
    a, b : coefficients (L+1, L+1 or 1, 2, N) of real fields h (`field_transform`).
    bins : (N,) bin number of each shell; by default each shell by itself.
    weights : (N,) weights of the shells in a bin (q^2 dq).
    """
    count = a.shape[-1]
    bins = np.arange(count) if bins is None else bins
    weights = np.ones(count) if weights is None else weights
    cross, own_a, own_b = (np.bincount(bins, weights * shell_products(x, y)) for x, y in ((a, b), (a, a), (b, b)))
    norm = np.sqrt(own_a * own_b)
    return np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)


def half_set_correlation(space: FieldTransform, average: Average) -> NDArray[np.float64] | None:
    """FSC (N,) between the averages of the runs at even and at odd positions; None for a single run."""
    if average.half_densities is None:
        return None
    even, odd = (space.amplitude(half[..., : space.radial.n_points]) for half in average.half_densities)
    return shell_correlation(even, odd)


def pseudo_correlation(space: FieldTransform, average: Average) -> NDArray[np.float64]:
    """FSC (N,) between FT(mean density) and the mean of the stored amplitudes: how far both projections agree."""
    n = space.radial.n_points
    return shell_correlation(space.amplitude(average.density[..., :n]), average.amplitude[..., :n])


def half_bit_curve(q: NDArray[np.floating], q_step: float, diameter: float, dimensions: int = 3) -> NDArray[np.float64]:
    """FSC (N,) at which each half average holds half a bit of information per Shannon voxel.

    (x + (2 sqrt(x) + 1)/sqrt(p)) / (x + 1 + 2 sqrt(x)/sqrt(p)), x = SNR/2, SNR = sqrt(2) - 1 (van Heel and Schatz, J. Struct.
    Biol. 151, 250 (2005)); p = 4 pi q^2 dq / (2 pi / diameter)^3 / 2 independent points of a real object `diameter` A across, on a
    ring of the plane 2 pi q dq / (2 pi / diameter)^2 / 2.
    """
    area = 4 * np.pi * q**2 if dimensions == 3 else 2 * np.pi * q
    points = np.maximum(area * q_step / (2 * np.pi / diameter) ** dimensions / 2, 1.0)
    x = HALF_BIT_SNR / 2
    return (x + (2 * np.sqrt(x) + 1) / np.sqrt(points)) / (x + 1 + 2 * np.sqrt(x) / np.sqrt(points))


def crossing(q: NDArray[np.floating], values: NDArray[np.floating], limit: float | NDArray[np.floating]) -> float | None:
    """q at which `values` falls below `limit` (linear between points) for three points or to the end; None if it never does.

    A dip of one or two shells, as a zero of the intensity makes it, is not the end of the resolution.
    """
    margin = np.asarray(values - limit, dtype=float)
    below = [i for i in range(len(margin)) if (margin[i : i + 3] < 0).all()]
    if not below:
        return None
    i = below[0]
    if i == 0:
        return float(q[0])
    return float(q[i - 1] + (q[i] - q[i - 1]) * margin[i - 1] / (margin[i - 1] - margin[i]))
