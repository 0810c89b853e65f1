"""Correlations of random intensities and of their squares, in space and in the plane, for tests of the stage extract."""

import h5py
import numpy as np
from extract_stage import found

from fxs_hpc.files.ccd import write_ccd
from fxs_hpc.fluctuation import plane_scattering
from fxs_hpc.fluctuation import squared_intensity as square
from fxs_hpc.fluctuation.correlation import CrossCorrelation, correlation_angles, correlation_blocks
from fxs_hpc.fluctuation.invariants import invariants_of

ORDER, WAVELENGTH = 6, 3.0
Q = np.linspace(0.05, 0.3, 14)
ALL = ("I1I1", "I2I1", "I2I2")


def random_harmonics(dimensions):
    """Centrosymmetric intensities with independent harmonics, and how they are squared, mixed and correlated."""
    rng = np.random.default_rng(2)
    if dimensions == 2:
        harmonics = rng.normal(size=(ORDER + 1, len(Q), 2)) @ [1, 1j]
        harmonics[1::2] = 0
        harmonics[0] = 20
        return harmonics
    coef = rng.normal(size=(ORDER + 1, ORDER + 1, 2, len(Q)))
    coef[0, :, 1] = 0
    for m in range(ORDER + 1):
        coef[m, :m] = 0
    coef[:, 1::2] = 0
    coef[0, 0, 0] = 30
    return coef


def invariants(dimensions):
    harmonics = random_harmonics(dimensions)
    if dimensions == 2:
        squared = square.square_in_plane(harmonics)
        own = plane_scattering.invariants_of
        return {"I1I1": own(harmonics), "I2I1": square.mixed_in_plane(squared, harmonics), "I2I2": own(squared)}
    squared = square.square_in_space(harmonics)
    return {"I1I1": invariants_of(harmonics), "I2I1": square.mixed_in_space(squared, harmonics), "I2I2": invariants_of(squared)}


def correlated(dimensions, values):
    if dimensions == 2:
        return np.concatenate([block for _, block in plane_scattering.correlation_blocks(values, 4 * ORDER)])
    return np.concatenate([block for _, block in correlation_blocks(values, Q, WAVELENGTH)])


def mean(dimensions, b_zero):
    return np.sqrt(np.diagonal(b_zero).real / (4 * np.pi if dimensions == 3 else 1))


def path_of(home, dimensions):
    return home / f"data/fxs/ccd/{dimensions}d_noise.h5"


def write(home, dimensions):
    """ccd.h5 with all data sets."""
    made = invariants(dimensions)
    correlation = {name: correlated(dimensions, values) for name, values in made.items()}
    delta = 2 * np.pi * np.arange(4 * ORDER) / (4 * ORDER) if dimensions == 2 else correlation_angles(ORDER)
    squared = mean(dimensions, made["I2I2"][0])
    data = CrossCorrelation(
        dimensions, Q, delta, WAVELENGTH, mean(dimensions, made["I1I1"][0]), correlation, average_squared_intensity=squared
    )
    write_ccd(path_of(home, dimensions), data)
    return home


def run(home, dimensions, said=None, **tree):
    folder, result = found(home, said, **{"dimensions": dimensions, "structure_name": "noise", "max_order": ORDER, **tree})
    with h5py.File(folder / "proj_data.h5") as file:
        transforms = [file[f"unknown_transforms/I2I1/{n}"][()] for n in range(ORDER + 1)] if "unknown_transforms" in file else []
        stored = {name: file[f"deg_2_invariant/{name}"][()] for name in ALL if f"deg_2_invariant/{name}" in file}
        second = [file[f"data_projection_matrices/I2I2/{n}"][()] for n in range(ORDER + 1)] if len(stored) == 3 else []
    return result, stored, second, transforms
