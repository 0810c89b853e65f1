"""The object that `simulate_patterns` shoots at, read from its settings."""

import numpy as np

from fxs_hpc.config.simulate_patterns import SimulatePatterns
from fxs_hpc.files.density_files import read_density
from fxs_hpc.files.pattern_lists import read_image
from fxs_hpc.files.structures import read_atoms
from fxs_hpc.fluctuation import shapes
from fxs_hpc.fluctuation.fourier_volume import FourierVolume, Scatterer
from fxs_hpc.fluctuation.model_density import sampled
from fxs_hpc.fluctuation.pattern_simulation import Experiment
from fxs_hpc.fluctuation.polar_grid import FlatDetector
from fxs_hpc.fluctuation.scatterers import DensityMap, Solids, as_cartesian
from fxs_hpc.stages.fxs.context import Context

_VOXELS_PER_PERIOD = 4
_THETA = 48


def scatterer(settings: SimulatePatterns, context: Context) -> Scatterer:
    """The object of the settings."""
    if settings.object == "structure":
        return read_atoms(context.workspace.home / settings.structure_file, settings.b_factor, settings.keep_waters)
    if settings.object == "density":
        found = read_density(context.workspace.home / settings.density_file)
        if isinstance(found, DensityMap):
            return found
        if found.shapes:
            return Solids(found.shapes)
        return as_cartesian(found, 2 * np.pi / largest_q(settings) / _VOXELS_PER_PERIOD)
    given = settings.shapes
    return Solids(shapes.build(given.types, given.centers, given.sizes, given.densities, given.random_orientation, settings.seed))


def detector(settings: SimulatePatterns) -> FlatDetector:
    """The detector of the settings."""
    return FlatDetector(
        settings.image_dimensions, settings.pixel_size, settings.sample_distance, settings.wavelength, settings.detector_origin
    )


def largest_q(settings: SimulatePatterns) -> float:
    """Momentum transfer of the pixel farthest from the beam, in 1/A."""
    flat = detector(settings)
    corners = [np.hypot(row - flat.origin[0], column - flat.origin[1]) for row in (0, flat.shape[0]) for column in (0, flat.shape[1])]
    return float(flat.q_of(max(corners)))


def experiment(settings: SimulatePatterns, context: Context) -> Experiment:
    """Detector, beam and particles of the settings, with a scale of 1 still."""
    flat = detector(settings)
    rows, columns = np.indices(flat.shape)
    usable = np.hypot(rows - flat.origin[0], columns - flat.origin[1]) >= settings.beam_stop_radius
    for first_row, stop_row, first_column, stop_column in settings.gaps:
        usable[first_row:stop_row, first_column:stop_column] = False
    if settings.use_binary_mask:
        mask = read_image(context.workspace.find("binary_mask"), flat.shape)
        usable &= np.isfinite(mask) & (mask > 0)
    return Experiment(
        flat,
        usable,
        scale=1.0,
        particles=settings.n_particles,
        spread=settings.particle_spread,
        energy_spread=settings.pulse_energy_spread,
        interference=settings.interference,
        focus=settings.focus,
        polarization=settings.polarization or None,
        background=settings.background_photons,
        noise=settings.poisson_noise,
    )


def model(settings: SimulatePatterns, thing: Scatterer, volume: FourierVolume) -> shapes.Model:
    """The object on a spherical grid, as `average` compares with it."""
    shells = settings.truth.n_shells
    r = (np.arange(shells, dtype=np.float64) + 0.5) * (1.1 * volume.radius / shells)
    theta = np.arccos(np.polynomial.legendre.leggauss(_THETA)[0][::-1])
    phi = np.pi * np.arange(2 * _THETA, dtype=np.float64) / _THETA
    if isinstance(thing, Solids):
        return shapes.Model(thing.parts, r, theta, phi, shapes.density_on(thing.parts, r, theta, phi))
    return shapes.Model((), r, theta, phi, sampled(volume, r, theta, phi))
