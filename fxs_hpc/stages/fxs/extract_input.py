"""What `extract` asks of a file of correlations, and which of its values count."""

from pathlib import Path

import numpy as np

from fxs_hpc.config.extract import DataSetSettings, Extract
from fxs_hpc.errors import InputFileError
from fxs_hpc.files.correlation_masks import read_mask
from fxs_hpc.fluctuation.correlation import CrossCorrelation
from fxs_hpc.fluctuation.preparation import Mask, Means, Preparation, arc_mask, array_masks, custom_mask, flat_mask


def means_of(data: CrossCorrelation, name: str) -> Means | None:
    """Mean intensities at q1 and q2 of a data set, None where the file does not say."""
    if name == "I1I1":
        return data.average_intensity
    squared = data.average_squared_intensity
    if squared is None:
        return None
    return squared if name == "I2I2" else (squared, data.average_intensity)


def preparation(solver: DataSetSettings, data: CrossCorrelation, name: str, mask_file: Path | None, subtract: bool) -> Preparation:
    """What the settings want done to a correlation before it is solved; `mask_file` holds the mask of type direct."""
    modify = solver.modify_cc
    mask, mirror_mask = masks(solver, data, name, mask_file)
    zero = solver.masked_values_to_zero
    return Preparation(subtract, modify.pi_periodicity, modify.q1q2_symmetric, mask, mirror_mask, zero)


def masks(solver: DataSetSettings, data: CrossCorrelation, name: str, mask_file: Path | None) -> tuple[Mask | None, Mask | None]:
    """The mask of the settings, and the one of C(q2, q1, Delta) where it is another."""
    given = solver.cc_mask
    if mask_file is not None:
        return array_masks(read_mask(mask_file, name, data.correlation[name].shape))
    if given.type == "pixel_arc":
        return arc_mask(data.q, data.delta, data.wavelength, given.pixel_arc.pixel_size, given.pixel_arc.mask_at_pi), None
    if given.type == "pixel_flat":
        return flat_mask(data.q, data.delta, given.pixel_flat.pixel_size, given.pixel_flat.mask_at_pi), None
    if given.type == "pixel_custom":
        custom = given.pixel_custom
        sizes = len(data.q), len(data.delta)
        return custom_mask(*sizes, custom.n_masked_pixels_phi, custom.n_masked_pixels_q, custom.mask_at_pi), None
    return None, None


def check(settings: Extract, path: Path, data: CrossCorrelation) -> None:
    """Raise `InputFileError` unless the file holds the correlations that the settings name, on even angles."""
    if data.dimensions not in (None, settings.dimensions):
        raise InputFileError(f"{path}: holds {data.dimensions}D correlations, the settings say dimensions: {settings.dimensions}")
    for name in settings.cross_correlation.datasets_to_process:
        _check_data_set(path, data, name)
    for label, average in (("average_intensity", data.average_intensity), ("average_squared_intensity", data.average_squared_intensity)):
        if average is not None and (len(average) != len(data.q) or not np.isfinite(average).all()):
            raise InputFileError(
                f"{path}: {label} needs a finite value for each of {len(data.q)} radial points; leave out those that were not measured"
            )
    if not np.allclose(data.delta, 2 * np.pi * np.arange(len(data.delta)) / len(data.delta), atol=1e-6):
        raise InputFileError(f"{path}: angular_points must run over [0, 2 pi) in even steps")


def _check_data_set(path: Path, data: CrossCorrelation, name: str) -> None:
    if name not in data.correlation:
        raise InputFileError(f"{path}: has no field cross_correlation/{name}, only {', '.join(data.correlation) or 'none'}")
    found, expected = data.correlation[name].shape, (len(data.q), len(data.q), len(data.delta))
    if found != expected:
        raise InputFileError(f"{path}: cross_correlation/{name} has shape {found}, radial_points and angular_points ask for {expected}")
