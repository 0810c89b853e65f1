"""What counting photons adds to a correlation: every photon is correlated with itself.

Counts I_p of a pixel have the variance of their mean, so that the sum over patterns of I(q1, phi) I(q2, phi + Delta) holds, beside what is
wanted, the sum over pixels p of W_p(q1, phi) W_p(q2, phi + Delta) S_p, S_p the photons of all patterns and W_p the weights with which the
pixel enters the rings. That is the expectation of the correlation of an image with values e_p sqrt(S_p), e_p independent random signs,
treated as the patterns are; a mean over some of these estimates it without bias. It differs from zero only for points that share a
pixel, and is subtracted there alone, so that it adds no noise elsewhere [the idea of Hutchinson 1989, for the trace of a matrix].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxs_hpc.fluctuation.pattern_correlation import Correlator, add_gram
from fxs_hpc.fluctuation.patterns import Treatment
from fxs_hpc.fluctuation.polar_interpolation import filled
from fxs_hpc.parallel.threads import over

PROBES = 64
_BATCH = 16
_TAIL = 2
"""Points farther apart than the order of the spline and this, in pixels, share a thousandth of what a point shares with itself."""


@dataclass(frozen=True)
class PhotonNoise:
    """The self-correlation of photons.

    Parameters
    ----------
    spectra : (n_phi/2 + 1, n, n), packed as in `pattern_correlation`, of the sum over patterns.
    radius : (n,) of the correlated rings, in pixels. cosine : (n_phi,) of the angles Delta. reach : in pixels.
    """

    spectra: NDArray[np.float64]
    radius: NDArray[np.float64]
    cosine: NDArray[np.float64]
    reach: float

    def touching(self, rows: slice) -> NDArray[np.bool_]:
        """Pairs of points (rows, n, n_phi) that may share a pixel."""
        one, two = self.radius[rows][:, None, None], self.radius[:, None]
        return one**2 + two**2 - 2 * one * two * self.cosine <= self.reach**2


def photon_noise(variance: NDArray[np.float64], treatment: Treatment, correlator: Correlator, workers: int = 1) -> PhotonNoise:
    """Estimate the self-correlation of the photons of all patterns.

    Parameters
    ----------
    variance : (rows, columns) variance of the sum of all images: photons, divided by the square of what they were normalised by.
    """
    root = np.sqrt(variance)

    def probe(number: int) -> NDArray[np.float64]:
        signs = np.random.default_rng(number).integers(0, 2, root.shape) * 2 - 1
        return polar(root * signs, treatment)

    n_phi = len(treatment.grid.phi)
    spectra = np.zeros((n_phi // 2 + 1, len(correlator.correlated), len(correlator.correlated)))
    for start in range(0, PROBES, _BATCH):
        fields = over(probe, range(start, min(start + _BATCH, PROBES)), workers)
        add_gram(spectra, correlator.coefficients("data", fields, workers), workers)
    spectra /= PROBES
    radius = treatment.grid.detector.radius_of(treatment.grid.q)[correlator.correlated]
    cosine = np.cos(2 * np.pi * np.arange(n_phi) / n_phi)
    return PhotonNoise(spectra, radius, cosine, float(treatment.order + _TAIL))


def polar(image: NDArray[np.float64], treatment: Treatment) -> NDArray[np.float64]:
    """An image (rows, columns) with the static mask on rings (n_phi, n_q): what is linear in the treatment of a pattern."""
    source = image if treatment.rounded_edges or treatment.usable.all() else filled(image, treatment.usable)
    values = treatment.interpolator.values(source)
    values *= treatment.grid.looked_at[:, None] if treatment.rounded_edges else treatment.polar_mask
    return values if treatment.corrections is None else values * treatment.corrections
