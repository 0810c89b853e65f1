"""Which reconstructions are averaged, and their average."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import DataError
from fxs_hpc.fluctuation.alignment import Volume, centre_of_mass, correlation, moved, moved_amplitude
from fxs_hpc.fluctuation.field_transform import FieldTransform, density_of
from fxs_hpc.harmonics.wigner import Coefficients


@dataclass(frozen=True)
class Candidate:
    """What selection knows of one reconstruction: its file, its key there, the deciding error, the maximum of its density."""

    file: int
    key: str
    error: float
    max_density: float


@dataclass(frozen=True)
class Selection:
    """Candidates that go on to alignment, best error first, and a line of explanation for each one left out."""

    kept: tuple[Candidate, ...]
    left_out: tuple[str, ...]


def select(
    candidates: Iterable[Candidate],
    error_limit: float = np.inf,
    max_density_range: tuple[float | None, float | None] = (0.0, None),
    n_reconstructions: int | None = None,
) -> Selection:
    """Keep the candidates below the error limit and within the range of maxima, at most `n_reconstructions`, best error first."""
    low = -np.inf if max_density_range[0] is None else max_density_range[0]
    high = np.inf if max_density_range[1] is None else max_density_range[1]
    kept: list[Candidate] = []
    left_out: list[str] = []
    for candidate in sorted(candidates, key=lambda c: (np.nan_to_num(c.error, nan=np.inf), c.file, c.key)):
        name = f"reconstruction {candidate.key} of file {candidate.file}"
        if not candidate.error < error_limit:
            left_out.append(f"{name}: error {candidate.error:.3g} is not below selection.error_limit {error_limit:g}")
        elif not low <= candidate.max_density <= high:
            left_out.append(f"{name}: maximum {candidate.max_density:.3g} is outside selection.max_density_range [{low:g}, {high:g}]")
        elif n_reconstructions is not None and len(kept) >= n_reconstructions:
            left_out.append(f"{name}: {n_reconstructions} better ones are enough (selection.n_reconstructions)")
        else:
            kept.append(candidate)
    return Selection(tuple(kept), tuple(left_out))


def reference_order(candidates: Sequence[Candidate], manual: tuple[int, int] | None = None) -> tuple[int, ...]:
    """Positions to try as the reference: the manual one alone (file, key), or all of them, best error first.

    Raises
    ------
    DataError
        The manual reference is not among the candidates.
    """
    if manual is None:
        return tuple(range(len(candidates)))
    for position, candidate in enumerate(candidates):
        if (candidate.file, candidate.key) == (manual[0], str(manual[1])):
            return (position,)
    available = ", ".join(f"[{c.file}, {c.key}]" for c in candidates)
    raise DataError(
        f"selection.manual_specifier {list(manual)} is not among the selected reconstructions; "
        f"[file, reconstruction] can be one of {available}"
    )


def accepted(errors: Sequence[float], error_limit: float) -> tuple[int, ...]:
    """Positions whose alignment error is below the limit, best first; the reference has error 0 and so comes first."""
    order = np.argsort(np.asarray(errors, dtype=float), kind="stable")
    return tuple(int(i) for i in order if errors[i] < error_limit)


def pairwise_correlation(volumes: Sequence[Volume], radial_weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlation (n, n) of the aligned densities with each other."""
    n = len(volumes)
    matrix = np.eye(n)
    for i in range(n):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = correlation(volumes[i].density, volumes[j].density, radial_weights)
    return matrix


@dataclass(frozen=True)
class GridFields:
    """Density (..., N), amplitude stored with it, and Fourier transform of the density, on the grids."""

    density: NDArray
    amplitude: NDArray[np.complexfloating]
    ft_density: NDArray[np.complexfloating]


@dataclass(frozen=True)
class Average:
    """Mean of n aligned reconstructions, all of them.

    `density`, `amplitude` are the coefficients of the means, `half_densities` those of the runs at even and odd positions.
    The intensities are (..., N): the means of |FT density_i|^2 and of |amplitude_i|^2.
    """

    count: int
    density: Coefficients
    amplitude: Coefficients
    half_densities: tuple[Coefficients, Coefficients] | None
    intensity_from_densities: NDArray[np.float64]
    intensity_from_ft_densities: NDArray[np.float64]


def grid_fields(space: FieldTransform, density: Coefficients, amplitude: Coefficients) -> GridFields:
    """Fields on the grids from coefficients."""
    return GridFields(
        density_of(space.synthesise(density)),
        space.amplitude_of(space.synthesise(amplitude)),
        space.amplitude_of(space.synthesise(space.amplitude(density))),
    )


def average(
    space: FieldTransform,
    volumes: Sequence[Volume],
    apply: Callable[[Callable, Iterable], Iterable] = map,
    sink: Callable[[int, GridFields], None] | None = None,
) -> Average:
    """Average aligned volumes; the grid fields of each are made once and handed to `sink` (position, fields).

    Parameters
    ----------
    apply : as `map`; may work in parallel, results in order.
    """
    from_density = np.zeros((*space.shape, space.radial.n_points))
    from_amplitude = np.zeros_like(from_density)
    all_fields = apply(lambda volume: grid_fields(space, volume.density, volume.amplitude), volumes)
    for position, fields in enumerate(all_fields):
        from_density += squared_modulus(fields.ft_density)
        from_amplitude += squared_modulus(fields.amplitude)
        if sink is not None:
            sink(position, fields)
    count = len(volumes)
    halves = None
    if count > 1:
        halves = (mean_coefficients([v.density for v in volumes[0::2]]), mean_coefficients([v.density for v in volumes[1::2]]))
    return Average(
        count,
        mean_coefficients([volume.density for volume in volumes]),
        mean_coefficients([volume.amplitude for volume in volumes]),
        halves,
        from_density / count,
        from_amplitude / count,
    )


def squared_modulus(field: NDArray) -> NDArray[np.floating]:
    """|field|^2 without the square root in between."""
    return field.real**2 + field.imag**2


def mean_coefficients(parts: Sequence[Coefficients]) -> Coefficients:
    """Arithmetic mean in float64."""
    total = np.zeros(parts[0].shape)
    for part in parts:
        total += part
    return total / len(parts)


def centred(space: FieldTransform, average_of: Average) -> Average:
    """The average with its centre of mass at the origin (the half averages and intensities are not touched)."""
    density = space.synthesise(average_of.density)
    centre = centre_of_mass(space, density[0])
    return replace(
        average_of,
        density=moved(space, average_of.density, centre),
        amplitude=moved_amplitude(space, average_of.amplitude, centre),
    )


def normalised(density: NDArray, minimum: float = 0.0) -> NDArray:
    """(density - minimum) / (max Re density - minimum)."""
    return (density - minimum) / (density.real.max() - minimum)
