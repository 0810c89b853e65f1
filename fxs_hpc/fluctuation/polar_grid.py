"""Rings of constant momentum transfer on a flat detector: where they lie, and which angles are taken on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.errors import SettingsError
from fxs_hpc.fluctuation.preparation import scattering_angle

PHI_MODES = ("exact", "max", "min")
FULL_CIRCLE = 2 * np.pi


@dataclass(frozen=True)
class FlatDetector:
    """A flat detector across the beam.

    Parameters
    ----------
    shape : rows, columns of an image.
    pixel_size : in micron. distance : sample to detector, in mm. wavelength : in A.
    origin : where the beam hits, in pixels along (rows, columns); the centre of the first pixel is (0, 0).
    """

    shape: tuple[int, int]
    pixel_size: float
    distance: float
    wavelength: float
    origin: tuple[float, float]

    @property
    def distance_in_pixels(self) -> float:
        """Sample to detector, in pixels."""
        return self.distance * 1000 / self.pixel_size

    def q_of(self, radius: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Momentum transfer in 1/A at a distance from the beam in pixels: 4 pi / lambda sin(arctan(radius / distance) / 2)."""
        angle = np.arctan(np.asarray(radius) * self.pixel_size / (1000 * self.distance))
        sine: NDArray[np.float64] = np.sin(angle / 2)
        return np.asarray(4 * np.pi / self.wavelength * sine, np.float64)

    def radius_of(self, q: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance from the beam in pixels at momentum transfer q: distance tan(2 theta)."""
        if np.any(q * self.wavelength / (4 * np.pi) >= np.sqrt(0.5)):
            raise SettingsError(
                f"q = {np.max(q):.6g} 1/A is scattered by 90 degrees or more at wavelength {self.wavelength:.6g} A and never meets a flat "
                f"detector; q must stay below {4 * np.pi / self.wavelength * np.sqrt(0.5):.6g} 1/A"
            )
        tangent: NDArray[np.float64] = np.tan(scattering_angle(q, self.wavelength))
        return tangent * self.distance_in_pixels

    def default_q(self) -> tuple[float, float, float]:
        """First, last q and step where the settings leave them open: rings one pixel apart, out to half of the image's rows."""
        half = self.shape[0] / 2
        last = float(self.q_of(half))
        return 0.0, last, last / (half - 1)


def q_points(first: float, last: float, step: float) -> NDArray[np.float64]:
    """first, first + step .. not beyond last."""
    # Rounding must not cost the last point: 47.99999999 steps are 48.
    count = int((last - first) / step * (1 + 1e-12) + 1)
    return first + np.arange(count, dtype=np.float64) * step


def angle_count(count: int, mode: str, radius: float) -> int:
    """Number of angles: 'exact' as given; 'max' at most, 'min' at least one a pixel on the ring of largest `radius` (pixels), made even."""
    resolved = int(FULL_CIRCLE * radius)
    resolved += resolved % 2
    return {"exact": count, "max": min(count, resolved), "min": max(count, resolved)}[mode]


@dataclass(frozen=True)
class PolarGrid:
    """Points (phi, q) on the full circle, of which an arc may be all that is looked at.

    Parameters
    ----------
    detector : FlatDetector
    q : (n_q,) radial points in 1/A.
    phi : (n_phi,) angles in rad over a full circle, from the axis of the rows towards that of the columns.
    looked_at : (n_phi,) bool, angles within the arc that the settings ask for.
    """

    detector: FlatDetector
    q: NDArray[np.float64]
    phi: NDArray[np.float64]
    looked_at: NDArray[np.bool_]

    @property
    def two_theta(self) -> NDArray[np.float64]:
        """(n_q,) scattering angles in rad."""
        return scattering_angle(self.q, self.detector.wavelength)

    def positions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows and columns (n_phi, n_q) of the points, in pixels."""
        radius = self.detector.radius_of(self.q)
        rows = np.cos(self.phi)[:, None] * radius + self.detector.origin[0]
        columns = np.sin(self.phi)[:, None] * radius + self.detector.origin[1]
        return rows, columns

    def corrections(self, polarization: str | None, solid_angle: bool) -> NDArray[np.float64] | None:
        """Factors (n_phi, n_q) that undo polarisation and solid angle, or None where there is nothing to undo.

        Polarisation along the columns ('h', phi counts from the axis of the rows): 1 / (cos^2 2theta + sin^2 2theta cos^2 phi), along the
        rows ('v') with sin^2 phi; solid angle of a pixel on a flat detector: 1 / cos^3 2theta.
        """
        cosine, sine = np.cos(self.two_theta), np.sin(self.two_theta)
        factors = np.ones((len(self.phi), len(self.q)))
        if polarization is not None:
            across = np.cos(self.phi) if polarization == "h" else np.sin(self.phi)
            factors /= cosine**2 + sine**2 * across[:, None] ** 2
        if solid_angle:
            factors /= cosine**3
        return factors if polarization is not None or solid_angle else None


def polar_grid(detector: FlatDetector, q: NDArray[np.float64], phi_range: tuple[float, float, int, str]) -> PolarGrid:
    """Grid of the settings: (start, stop, count, mode) of the angles.

    An arc shorter than the circle keeps its step; the rest of the circle counts as masked, so that correlations of the arc are right.

    Raises
    ------
    SettingsError
        The step does not divide the circle, or the range is empty or longer than a circle.
    """
    start, stop, count, mode = phi_range
    count = angle_count(count, mode, float(np.max(detector.radius_of(q))))
    span = stop - start
    if not 0 < span <= FULL_CIRCLE * (1 + 1e-9):
        raise SettingsError(f"phi_range: from {start:.6g} to {stop:.6g} rad is no arc of a circle; use 0 < stop - start <= 2 pi")
    steps = FULL_CIRCLE * count / span
    whole = round(steps)
    if abs(steps - whole) > 1e-6 * steps:
        raise SettingsError(
            f"phi_range: {count} angles over {span:.6g} rad are {steps:.6g} over the circle; choose a number that makes that an integer, "
            f"such as {round(round(steps) * span / FULL_CIRCLE)} over {round(steps)}"
        )
    phi = start + np.arange(whole, dtype=np.float64) * (FULL_CIRCLE / whole if whole != count else span / count)
    return PolarGrid(detector, q, phi, np.arange(whole) < count)


def chosen(q: NDArray[np.float64], limits: tuple[float, float, float] | None) -> NDArray[np.int64]:
    """Indices of the radial points from the first to the second limit, every n-th by the third; all without limits."""
    if limits is None:
        return np.arange(len(q))
    low, high, step = limits
    found = np.flatnonzero((q >= low) & (q <= high))[:: max(1, int(step))]
    if not len(found):
        raise SettingsError(
            f"qrange_xcca: no radial point lies between {low:.6g} and {high:.6g} 1/A; they run from {q[0]:.6g} to {q[-1]:.6g}"
        )
    return found
