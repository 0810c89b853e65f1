"""What `simulate_patterns` shoots at, in space or in the plane, and with what, read from its settings."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.config.simulate_patterns import SimulatePatterns
from fxs_hpc.files.pattern_lists import read_image
from fxs_hpc.fluctuation.pattern_simulation import Amplitudes, Experiment
from fxs_hpc.fluctuation.plane_shapes import PlaneModel
from fxs_hpc.fluctuation.polar_grid import FlatDetector
from fxs_hpc.fluctuation.shapes import Model
from fxs_hpc.parallel.communicator import Communicator
from fxs_hpc.stages.fxs.context import Context

SAMPLES_PER_PERIOD = 4
"""Steps of a density on a Cartesian grid in the shortest period that is looked at."""


class Target(Protocol):
    """An object whose amplitudes are ready."""

    @property
    def amplitudes(self) -> Amplitudes:
        """Its Fourier amplitudes."""
        ...

    def invariants(self, q: NDArray[np.float64], max_order: int, workers: int) -> tuple[NDArray, NDArray[np.float64]]:
        """Exact B (max_order + 1, n, n) and <I> (n,) of |F|^2 at radii q."""
        ...

    def mean_invariant(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """B of order 0 for a mean intensity."""
        ...

    def model(self, shells: int) -> Model | PlaneModel:
        """The object on a grid of so many shells, as `average` compares with it."""
        ...


class Subject(Protocol):
    """An object, before its amplitudes are computed."""

    @property
    def dimensions(self) -> int:
        """3 or 2."""
        ...

    @property
    def radius(self) -> float:
        """Radius in A of the ball about the origin that holds it."""
        ...

    @property
    def experiment(self) -> type[Experiment]:
        """Kind of experiment that turns it."""
        ...

    def grid(self, q_max: float) -> tuple[str, int]:
        """Points at which the amplitudes are computed, in words, and the memory in bytes that takes."""
        ...

    def target(self, q_max: float, ranks: Communicator) -> Target:
        """Compute the amplitudes up to q_max in 1/A, once per node."""
        ...


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


def usable(settings: SimulatePatterns, context: Context) -> NDArray[np.bool_]:
    """Pixels (rows, columns) that see something."""
    flat = detector(settings)
    rows, columns = np.indices(flat.shape)
    seeing: NDArray[np.bool_] = np.hypot(rows - flat.origin[0], columns - flat.origin[1]) >= settings.beam_stop_radius
    for first_row, stop_row, first_column, stop_column in settings.gaps:
        seeing[first_row:stop_row, first_column:stop_column] = False
    if settings.use_binary_mask:
        mask = read_image(context.workspace.find("binary_mask"), flat.shape)
        seeing &= np.isfinite(mask) & (mask > 0)
    return seeing


def experiment(settings: SimulatePatterns, context: Context, kind: type[Experiment]) -> Experiment:
    """Detector, beam and particles of the settings, with a scale of 1 still."""
    given: dict[str, Any] = {
        "particles": settings.n_particles,
        "spread": settings.particle_spread,
        "energy_spread": settings.pulse_energy_spread,
        "interference": settings.interference,
        "focus": settings.focus,
        "polarization": settings.polarization or None,
        "background": settings.background_photons,
        "noise": settings.poisson_noise,
    }
    return kind(detector(settings), usable(settings, context), scale=1.0, **given)
